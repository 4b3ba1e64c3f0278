//! Docker, PostgreSQL, PgBouncer and what images are made with.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use nix::unistd::Uid;

use super::check::{Check, Status};
use crate::server::provision::{
    IMAGES, OwnImage, ProvisionError, engine_version, find_local_binaries, find_on_path,
    image_available_or_buildable, run_bounded,
};
use crate::server::trace;

const DOCKER: &str = "Docker engine";
const LOCAL: &str = "local PostgreSQL";

pub(super) fn checks() -> Vec<Check> {
    let engine = engine_version();
    let mut checks = vec![docker(&engine).named(DOCKER)];
    if engine.is_ok() {
        checks.extend(IMAGES.map(|i| image(i).named(format!("image of {}", i.program()))));
    }
    checks.extend([
        compose().named("docker compose"),
        local_postgres().named(LOCAL),
        pgbouncer().named("PgBouncer"),
        mmdebstrap().named("mmdebstrap"),
        bpftrace().named("bpftrace"),
    ]);
    // With one way to a server the other is only an option.
    let is_way = |c: &Check| c.name == DOCKER || c.name == LOCAL;
    if checks.iter().any(|c| c.status == Status::Ok && is_way(c)) {
        for check in &mut checks {
            check.status = check.status.min(Status::Caution);
        }
    }
    checks
}

fn docker(engine: &Result<String, ProvisionError>) -> Check {
    match engine {
        Ok(version) => Check::ok(version),
        Err(error) if find_on_path("docker").is_some() => Check::missing(
            error.to_string(),
            "start it (systemctl start docker, or dockerd), and let your user in (group docker)",
        ),
        Err(_) => Check::not_installed(Status::Missing, "not installed", "docker.io"),
    }
}

fn image(image: OwnImage) -> Check {
    let tag = image.tag();
    match image_available_or_buildable(image) {
        Ok(how) => Check::ok(format!("{tag}: {how}")),
        Err(why) => Check::caution(
            format!("{tag}: not here; {why}"),
            "run once as root with mmdebstrap installed, or docker pull debian where a registry is reachable",
        ),
    }
}

fn first_line(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let text = run_bounded(Command::new(program).args(args), Duration::from_secs(5))?;
    text.lines().next().map(str::to_owned)
}

/// Only for people who want to run `docker/compose.yaml` by hand.
fn compose() -> Check {
    let found = first_line("docker", &["compose", "version"])
        .or_else(|| first_line("docker-compose", &["--version"]));
    let none = || "none; only needed to run docker/compose.yaml by hand".to_owned();
    Check::ok(found.unwrap_or_else(none))
}

fn local_postgres() -> Check {
    let found = find_local_binaries();
    if found.is_empty() {
        return Check::not_installed(Status::Missing, "no server binaries found", "postgresql");
    }
    let named = found
        .iter()
        .map(|b| format!("{} ({})", b.major, b.bin_dir.display()));
    Check::ok(named.collect::<Vec<String>>().join(", "))
}

fn pgbouncer() -> Check {
    match find_on_path("pgbouncer") {
        Some(path) => {
            let version = first_line(&path, &["--version"]);
            Check::ok(version.unwrap_or_else(|| path.display().to_string()))
        }
        None => Check::not_installed(
            Status::Caution,
            "not installed: with a local server the pgbouncer arms are absent",
            "pgbouncer",
        ),
    }
}

fn bpftrace() -> Check {
    let here = || first_line("bpftrace", &["--version"]).unwrap_or_default();
    match (trace::missing(), find_on_path("bpftrace")) {
        (None, _) => Check::ok(here()),
        (Some(missing), Some(_)) => Check::caution(
            missing,
            "without it commands run, and give bounds instead of a trace",
        ),
        (Some(missing), None) => Check::not_installed(Status::Caution, missing, "bpftrace"),
    }
}

fn mmdebstrap() -> Check {
    match (find_on_path("mmdebstrap"), Uid::effective().is_root()) {
        (Some(_), true) => Check::ok("here: images can be built without a registry"),
        (Some(_), false) => Check::ok("here; building without a registry may need root"),
        (None, _) => Check::not_installed(
            Status::Caution,
            "not installed: images can only be built from a registry's debian image",
            "mmdebstrap",
        ),
    }
}
