//! Docker, PostgreSQL, PgBouncer and what images are made with.

use std::process::Command;
use std::time::Duration;

use nix::unistd::Uid;

use super::check::{Check, Status};
use crate::server::provision::{
    PGBOUNCER_IMAGE, PGBOUNCER_SUITE, VERSIONS, engine_version, find_local_binaries, find_on_path,
    find_pgbouncer_binary, image_available_or_buildable, run_bounded,
};

pub(super) fn checks() -> Vec<Check> {
    let engine = engine_version();
    let mut checks = vec![docker(&engine)];
    if engine.is_ok() {
        for version in VERSIONS {
            let program = format!("PostgreSQL {}", version.major);
            checks.push(image(&program, &version.image(), version.suites));
        }
        checks.push(image("PgBouncer", PGBOUNCER_IMAGE, &[PGBOUNCER_SUITE]));
    }
    checks.push(compose());
    checks.push(local_postgres());
    checks.push(pgbouncer());
    checks.push(mmdebstrap());
    // With one way to a server the other is only an option.
    let either = checks
        .iter()
        .any(|c| c.status == Status::Ok && (c.name == DOCKER || c.name == LOCAL));
    if either {
        for check in &mut checks {
            if check.status == Status::Missing {
                check.status = Status::Caution;
            }
        }
    }
    checks
}

const DOCKER: &str = "Docker engine";
const LOCAL: &str = "local PostgreSQL";

fn docker<E: std::fmt::Display>(engine: &Result<String, E>) -> Check {
    match engine {
        Ok(version) => Check::ok(DOCKER, version.clone()),
        Err(error) if find_on_path("docker").is_some() => Check::missing(
            DOCKER,
            error.to_string(),
            "start it (systemctl start docker, or dockerd), and let your user in (group docker)",
        ),
        Err(_) => Check::missing(DOCKER, "not installed", "apt-get install docker.io")
            .with_packages(&["docker.io"]),
    }
}

fn image(program: &str, tag: &str, suites: &[&str]) -> Check {
    let name = format!("image of {program}");
    match image_available_or_buildable(tag, suites) {
        Ok(how) => Check::ok(name, format!("{tag}: {how}")),
        Err(why) => Check::caution(
            name,
            format!("{tag}: not here; {why}"),
            "run once as root with mmdebstrap installed, or docker pull debian where a registry is reachable",
        ),
    }
}

fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let text = run_bounded(Command::new(program).args(args), Duration::from_secs(5))?;
    text.lines().next().map(str::to_owned)
}

/// Only for people who want to run `docker/compose.yaml` by hand.
fn compose() -> Check {
    let name = "docker compose";
    let found = first_line("docker", &["compose", "version"])
        .or_else(|| first_line("docker-compose", &["--version"]));
    Check::ok(
        name,
        found.unwrap_or_else(|| "none; only needed to run docker/compose.yaml by hand".to_owned()),
    )
}

fn local_postgres() -> Check {
    let found = find_local_binaries();
    if found.is_empty() {
        return Check::missing(
            LOCAL,
            "no server binaries found",
            "apt-get install postgresql",
        )
        .with_packages(&["postgresql"]);
    }
    let list: Vec<String> = found
        .iter()
        .map(|b| format!("{} ({})", b.major, b.bin_dir.display()))
        .collect();
    Check::ok(LOCAL, list.join(", "))
}

fn pgbouncer() -> Check {
    let name = "PgBouncer";
    match find_pgbouncer_binary() {
        Some(path) => {
            let version = first_line(&path.to_string_lossy(), &["--version"]);
            Check::ok(name, version.unwrap_or_else(|| path.display().to_string()))
        }
        None => Check::caution(
            name,
            "not installed: with a local server the pgbouncer arms are absent",
            "apt-get install pgbouncer",
        )
        .with_packages(&["pgbouncer"]),
    }
}

fn mmdebstrap() -> Check {
    let name = "mmdebstrap";
    match (find_on_path("mmdebstrap"), Uid::effective().is_root()) {
        (Some(_), true) => Check::ok(name, "here: images can be built without a registry"),
        (Some(_), false) => Check::ok(name, "here; building without a registry may need root"),
        (None, _) => Check::caution(
            name,
            "not installed: images can only be built from a registry's debian image",
            "apt-get install mmdebstrap",
        )
        .with_packages(&["mmdebstrap"]),
    }
}
