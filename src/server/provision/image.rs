//! Building the images, from the files in `docker/` compiled into the program.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::bootstrap::major_of;
use super::command::{run, run_with_progress};
use super::docker::{LABEL, call, docker, image_id};
use super::error::ProvisionError;
use super::scratch::Scratch;

/// The pooler's image: one version for all servers.
pub const PGBOUNCER_IMAGE: &str = "procbench-pgbouncer:1";

/// Bound on fetching an image from a registry.
const PULL_LIMIT: Duration = Duration::from_secs(900);

/// Suite of the pooler's image.
const PGBOUNCER_SUITE: &str = "bookworm";

/// Label holding the hash of the files an image was made of.
const RECIPE_LABEL: &str = "procbench.recipe";

/// The readable truth in `docker/`, as compiled in.
const FILES: [(&str, &str); 8] = [
    (
        "base-image.sh",
        include_str!("../../../docker/base-image.sh"),
    ),
    ("Dockerfile", include_str!("../../../docker/Dockerfile")),
    (
        "pgbouncer.Dockerfile",
        include_str!("../../../docker/pgbouncer.Dockerfile"),
    ),
    ("entrypoint.sh", ENTRYPOINT),
    ("initdb.args", INITDB_ARGS),
    ("postgresql.conf", POSTGRESQL_CONF),
    ("pg_hba.conf", PG_HBA),
    ("pgbouncer.ini", PGBOUNCER_INI),
];

/// Makes and starts a cluster in a container.
pub(crate) const ENTRYPOINT: &str = include_str!("../../../docker/entrypoint.sh");
/// Flags of initdb, in Docker and local alike.
pub(crate) const INITDB_ARGS: &str = include_str!("../../../docker/initdb.args");
/// Settings appended to `postgresql.conf`, in Docker and local alike.
pub(crate) const POSTGRESQL_CONF: &str = include_str!("../../../docker/postgresql.conf");
/// Who may connect from where, in Docker and local alike.
pub(crate) const PG_HBA: &str = include_str!("../../../docker/pg_hba.conf");
/// PgBouncer's settings, in Docker and local alike.
pub(crate) const PGBOUNCER_INI: &str = include_str!("../../../docker/pgbouncer.ini");
/// PgBouncer's users: the one role, no password.
pub(crate) const USERLIST: &str = include_str!("../../../docker/userlist.txt");

/// The image of a major version.
pub fn postgres_image(major: u32) -> String {
    format!("procbench-postgres:{major}")
}

/// The major versions that Debian's suites carry, for containers.
pub const MAJORS: [u32; 4] = [13, 15, 17, 18];

/// The Debian suites to take a major version from, the first first; none for a version Debian lacks.
pub fn suites_of(major: u32) -> &'static [&'static str] {
    match major {
        13 => &["bullseye"],
        15 => &["bookworm"],
        17 => &["trixie"],
        18 => &["forky", "sid"],
        _ => &[],
    }
}

/// Whether an image is there, or what it would be built from without a registry: `Ok` says which.
///
/// # Errors
/// A sentence saying what is missing.
pub fn image_available_or_buildable(tag: &str, suites: &[&str]) -> Result<&'static str, String> {
    if is_current(tag, &recipe_hash()) {
        return Ok("present");
    }
    let bases = suites
        .iter()
        .flat_map(|s| [format!("procbench-base:{s}"), format!("debian:{s}")]);
    if bases.into_iter().any(|base| image_id(&base).is_some()) {
        return Ok("can be built: its base image is here");
    }
    let suite = suites.join(" or ");
    let tool = super::local::find_on_path("mmdebstrap").is_some();
    match (tool, nix::unistd::Uid::effective().is_root()) {
        (true, true) => Ok("can be built with mmdebstrap"),
        (true, false) => Err(format!(
            "no base image debian:{suite}, and mmdebstrap needs root here"
        )),
        (false, _) => Err(format!("no base image debian:{suite} and no mmdebstrap")),
    }
}

/// Makes sure the server's image is there, and returns its tag.
pub(crate) fn ensure_postgres_image(
    major: u32,
    progress: &dyn Fn(&str),
) -> Result<String, ProvisionError> {
    let tag = postgres_image(major);
    let mut outcome = Err(ProvisionError::UnknownMajor(major));
    let suites = suites_of(major);
    for suite in suites {
        let arguments = [format!("SUITE={suite}"), format!("PG_MAJOR={major}")];
        outcome = ensure(&tag, suite, "Dockerfile", &arguments, progress);
        match &outcome {
            Ok(()) => break,
            // The last one's is returned.
            Err(error) if Some(suite) != suites.last() => progress(&error.to_string()),
            Err(_) => {}
        }
    }
    outcome.map(|()| tag)
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
    let refused = |reason| ProvisionError::NoSuchImage {
        image: image.to_owned(),
        reason,
    };
    let done = run(docker().args(["pull", "--quiet", "--", image]), PULL_LIMIT)
        .map_err(|e| refused(e.to_string()))?;
    if done.success {
        Ok(())
    } else {
        Err(refused(done.last_words()))
    }
}

/// The major version of the PostgreSQL on an image's PATH.
pub(crate) fn major_in_image(image: &str) -> Result<u32, ProvisionError> {
    let refused = |reason: String| ProvisionError::NoSuchImage {
        image: image.to_owned(),
        reason,
    };
    let said = call(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--label",
        LABEL,
        "--entrypoint",
        "postgres",
        "--",
        image,
        "--version",
    ])
    .map_err(|e| refused(format!("it has no PostgreSQL on its PATH ({e})")))?;
    said.split_ascii_whitespace()
        .nth(2)
        .and_then(major_of)
        .ok_or_else(|| refused(format!("its PostgreSQL calls itself '{said}'")))
}

/// Makes sure the pooler's image is there, and returns its tag.
pub(crate) fn ensure_pgbouncer_image(progress: &dyn Fn(&str)) -> Result<String, ProvisionError> {
    let arguments = [format!("SUITE={PGBOUNCER_SUITE}")];
    ensure(
        PGBOUNCER_IMAGE,
        PGBOUNCER_SUITE,
        "pgbouncer.Dockerfile",
        &arguments,
        progress,
    )?;
    Ok(PGBOUNCER_IMAGE.to_owned())
}

fn ensure(
    tag: &str,
    suite: &str,
    dockerfile: &str,
    build_args: &[String],
    progress: &dyn Fn(&str),
) -> Result<(), ProvisionError> {
    let recipe = recipe_hash();
    if is_current(tag, &recipe) {
        return Ok(());
    }
    // One builder at a time on this machine. A lock on the directory itself leaves no file behind.
    let temp = std::env::temp_dir();
    let lock = fs::File::open(&temp).map_err(ProvisionError::io(format!(
        "cannot open {}",
        temp.display()
    )))?;
    lock.lock().map_err(ProvisionError::io(format!(
        "cannot lock {}",
        temp.display()
    )))?;
    if is_current(tag, &recipe) {
        return Ok(());
    }
    let failed = |reason: String| ProvisionError::Image {
        image: tag.to_owned(),
        reason,
    };
    let scratch = Scratch::new(false)?;
    let context = scratch.subdir("docker", 0o700, None)?;
    write_files(&context)?;
    if image_id(&format!("procbench-base:{suite}")).is_none() {
        let mut command = Command::new("sh");
        command
            .arg(context.join("base-image.sh"))
            .arg(suite)
            .env_remove("PGPASSWORD");
        build_step(&mut command, progress).map_err(&failed)?;
    }
    let replaced = image_id(tag);
    progress(&format!("building {tag} (once; about a minute)"));
    let mut command = docker();
    command
        .args(["build", "--network", "host", "--force-rm", "--tag", tag])
        .args([
            "--label",
            "procbench.image=1",
            "--label",
            &format!("{RECIPE_LABEL}={recipe}"),
        ])
        .arg("--file")
        .arg(context.join(dockerfile));
    for argument in build_args {
        command.args(["--build-arg", argument]);
    }
    command.arg(&context);
    build_step(&mut command, progress).map_err(&failed)?;
    if let Some(old) = replaced.filter(|old| image_id(tag).as_ref() != Some(old)) {
        // Half a GB each. One that a container still uses stays.
        let _ = call(&["rmi", &old]);
    }
    Ok(())
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

fn write_files(context: &Path) -> Result<(), ProvisionError> {
    for (name, text) in FILES.iter().chain(&[("userlist.txt", USERLIST)]) {
        let path = context.join(name);
        fs::write(&path, text).map_err(ProvisionError::io(format!(
            "cannot write {}",
            path.display()
        )))?;
    }
    Ok(())
}

/// Changes when any file in `docker/` does, so that an image of an older program is made anew.
/// Another compiler release may hash differently; then the image is rebuilt once for nothing.
fn recipe_hash() -> String {
    let mut hasher = DefaultHasher::new();
    FILES.hash(&mut hasher);
    USERLIST.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn is_current(tag: &str, recipe: &str) -> bool {
    let format = format!("{{{{index .Config.Labels \"{RECIPE_LABEL}\"}}}}");
    call(&["image", "inspect", "--format", &format, tag]).is_ok_and(|found| found == recipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_the_dockerfiles_copy_is_compiled_in() {
        let names: Vec<&str> = FILES
            .iter()
            .map(|(n, _)| *n)
            .chain(["userlist.txt"])
            .collect();
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

    #[test]
    fn suites_of_the_majors() {
        for major in MAJORS {
            assert!(!suites_of(major).is_empty(), "{major}");
        }
        assert!(suites_of(9).is_empty());
    }
}
