//! Building the images, from the files in `docker/` compiled into the program.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::process::Command;
use std::time::Duration;

use super::command::{Finished, find_on_path, run, run_with_progress};
use super::connect::major_of;
use super::docker::{LABEL, call, image_id};
use super::error::ProvisionError;
use super::scratch::{Scratch, write_file};
use super::shipped::FILES;
use super::versions::{IMAGES, OwnImage};

/// Bound on fetching an image from a registry.
const PULL_LIMIT: Duration = Duration::from_secs(900);

/// The PostgreSQL that Patroni runs, and the image of both.
const PATRONI_MAJOR: u32 = 17;
const PATRONI_TAG: &str = "procbench-patroni:1";

/// Label holding the hash of the files an image was made of.
const RECIPE_LABEL: &str = "procbench.recipe";

/// Whether an image is there, or what it would be built from without a registry: `Ok` says which.
///
/// # Errors
/// A sentence saying what is missing.
pub fn image_available_or_buildable(image: OwnImage) -> Result<&'static str, String> {
    if is_current(&image.tag()) {
        return Ok("present");
    }
    let has = |base: &str, suite: &str| image_id(&format!("{base}:{suite}")).is_some();
    let has_base = |suite: &&str| has("procbench-base", suite) || has("debian", suite);
    if image.suites.iter().any(has_base) {
        return Ok("can be built: its base image is here");
    }
    let suite = image.suites.join(" or ");
    let tool = find_on_path("mmdebstrap").is_some();
    match (tool, nix::unistd::Uid::effective().is_root()) {
        (true, true) => Ok("can be built with mmdebstrap"),
        (true, false) => Err(format!(
            "no base image debian:{suite}, and mmdebstrap needs root here"
        )),
        (false, _) => Err(format!("no base image debian:{suite} and no mmdebstrap")),
    }
}

/// Makes sure that the image of PostgreSQL of this major version, or PgBouncer's, is there; returns its tag.
pub(crate) fn ensure_own_image(
    major: Option<u32>,
    progress: &dyn Fn(&str),
) -> Result<String, ProvisionError> {
    let image = OwnImage::of(major).ok_or_else(|| {
        let known: Vec<String> = IMAGES.iter().filter_map(|i| i.major).map(|m| m.to_string()).collect();
        ProvisionError::new(format!(
            "no Debian suite is known to carry PostgreSQL {} for Docker: use {}, or --server local with your own binaries",
            major.unwrap_or_default(),
            known.join(", ")
        ))
    })?;
    let build = |suite: &&str| ensure(image, suite, progress);
    let first = build(&image.suites[0]);
    let outcome = image.suites[1..].iter().fold(first, |outcome, suite| {
        outcome.or_else(|error| {
            progress(&error.to_string());
            build(suite)
        })
    });
    outcome.map(|()| image.tag())
}

/// Makes sure that somebody's image is there: pulled, where a registry has it.
pub(crate) fn ensure_foreign_image(
    image: &str,
    progress: &dyn Fn(&str),
) -> Result<(), ProvisionError> {
    if image_id(image).is_some() {
        return Ok(());
    }
    progress(&format!("pulling {image}"));
    let mut pull = Command::new("docker");
    let pulled = run(pull.args(["pull", "--quiet", "--", image]), PULL_LIMIT);
    let outcome = pulled.map_or_else(|e| Err(e.to_string()), Finished::into_result);
    outcome.map(drop).map_err(|reason| unusable(image, &reason))
}

/// The major version of the PostgreSQL on an image's PATH.
pub(crate) fn major_in_image(image: &str) -> Result<u32, ProvisionError> {
    let how = format!("run --rm --network=none --label={LABEL} --entrypoint=postgres --");
    let how: Vec<&str> = how.split(' ').chain([image, "--version"]).collect();
    let nowhere = |e| unusable(image, &format!("it has no PostgreSQL on its PATH ({e})"));
    let said = call(&how).map_err(nowhere)?;
    let major = said.split_ascii_whitespace().nth(2).and_then(major_of);
    major.ok_or_else(|| unusable(image, &format!("its PostgreSQL calls itself '{said}'")))
}

/// An image that was named is not available, or is none of PostgreSQL.
fn unusable(image: &str, reason: &str) -> ProvisionError {
    ProvisionError::failed(format!("the image {image} cannot be used"), reason)
}

fn ensure(image: OwnImage, suite: &str, progress: &dyn Fn(&str)) -> Result<(), ProvisionError> {
    let mut arguments = vec![format!("--build-arg=SUITE={suite}")];
    let dockerfile = match image.major {
        Some(major) => {
            arguments.push(format!("--build-arg=PG_MAJOR={major}"));
            "Dockerfile"
        }
        None => "pgbouncer.Dockerfile",
    };
    let recipe = Recipe {
        suite: Some(suite),
        dockerfile,
        arguments,
    };
    recipe.ensure(&image.tag(), progress)
}

/// Makes sure that the image of Patroni is there; returns its tag.
pub(crate) fn ensure_patroni_image(progress: &dyn Fn(&str)) -> Result<String, ProvisionError> {
    if is_current(PATRONI_TAG) {
        return Ok(PATRONI_TAG.to_owned());
    }
    ensure_own_image(Some(PATRONI_MAJOR), progress)?;
    let recipe = Recipe {
        suite: None,
        dockerfile: "patroni.Dockerfile",
        arguments: vec![format!("--build-arg=PG_MAJOR={PATRONI_MAJOR}")],
    };
    recipe.ensure(PATRONI_TAG, progress)?;
    Ok(PATRONI_TAG.to_owned())
}

/// What an image is made of.
struct Recipe<'a> {
    /// The suite of its base image; `None` where that is one of ours.
    suite: Option<&'a str>,
    dockerfile: &'a str,
    arguments: Vec<String>,
}

impl Recipe<'_> {
    fn ensure(&self, tag: &str, progress: &dyn Fn(&str)) -> Result<(), ProvisionError> {
        if is_current(tag) {
            return Ok(());
        }
        // One builder at a time on this machine. A lock on the directory itself leaves no file behind.
        let temp = std::env::temp_dir();
        let lock = fs::File::open(&temp).map_err(ProvisionError::at("cannot open", &temp))?;
        lock.lock()
            .map_err(ProvisionError::at("cannot lock", &temp))?;
        if is_current(tag) {
            return Ok(());
        }
        let scratch = Scratch::new(false)?;
        let context = scratch.subdir("docker", 0o700, None)?;
        for (name, text) in FILES {
            write_file(&context.join(name), text, 0o644, None)?;
        }
        let step = |command: &mut Command| {
            let what = format!("cannot make the image {tag}");
            build_step(command, progress).map_err(ProvisionError::when(what))
        };
        if let Some(suite) = self.suite
            && image_id(&format!("procbench-base:{suite}")).is_none()
        {
            let script = context.join("base-image.sh");
            step(Command::new("sh").arg(script).arg(suite))?;
        }
        let replaced = image_id(tag);
        progress(&format!("building {tag} (once; about a minute)"));
        let mut command = Command::new("docker");
        command
            .args(["build", "--network", "host", "--force-rm", "--tag", tag])
            .arg("--label=procbench.image=1")
            .arg(format!("--label={RECIPE_LABEL}={}", recipe_hash()))
            .args(&self.arguments)
            .args(["--file", self.dockerfile, "."])
            .current_dir(&context);
        step(&mut command)?;
        if let Some(old) = replaced.filter(|old| image_id(tag).as_ref() != Some(old)) {
            // Half a GB each. One that a container still uses stays.
            let _ = call(&["rmi", &old]);
        }
        Ok(())
    }
}

/// One step of a build; the error names what went wrong, on one line.
fn build_step(command: &mut Command, progress: &dyn Fn(&str)) -> Result<(), String> {
    let done = run_with_progress(command, progress).map_err(|e| e.to_string())?;
    if done.success {
        return Ok(());
    }
    // Our own sentence, where there is one: Docker's last line only repeats the whole RUN.
    let ours = done
        .stdout
        .lines()
        .rev()
        .find(|l| l.starts_with("procbench: ") || l.starts_with("base: suite"));
    Err(match ours {
        Some(line) => line.trim_start_matches("procbench: ").to_owned(),
        None => done.last_words(),
    })
}

/// Changes when any file in `docker/` does, so that an image of an older program is made anew.
/// Another compiler release may hash differently; then the image is rebuilt once for nothing.
fn recipe_hash() -> String {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn is_current(tag: &str) -> bool {
    let format = format!("{{{{index .Config.Labels \"{RECIPE_LABEL}\"}}}}");
    call(&["image", "inspect", "--format", &format, tag]).is_ok_and(|found| found == recipe_hash())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_the_dockerfiles_copy_is_compiled_in() {
        let names = FILES.map(|(name, _)| name);
        for (_, text) in FILES.iter().filter(|(n, _)| n.ends_with("Dockerfile")) {
            for line in text.lines().filter(|l| l.starts_with("COPY ")) {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                for file in &words[1..words.len() - 1] {
                    assert!(names.contains(file), "{file} is copied and not compiled in");
                }
            }
        }
    }

    #[test]
    fn a_failing_build_reports_our_own_sentence() {
        let script = "echo 'procbench: Debian bullseye does not carry postgresql-13 (any more)'; echo 'The command returned 3'; exit 3";
        let error = build_step(Command::new("sh").args(["-c", script]), &|_| {}).unwrap_err();
        assert_eq!(
            error,
            "Debian bullseye does not carry postgresql-13 (any more)"
        );
    }
}
