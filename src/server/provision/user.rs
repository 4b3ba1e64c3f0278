//! The user a server runs as when we are root; `initdb` and `postgres` refuse root, PgBouncer too.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, User, chown};

use super::error::ProvisionError;

/// As whom a local server may run.
pub(crate) const OF_SERVER: &[&str] = &["postgres", "nobody"];

/// As whom a container runs beside the server.
pub(crate) const OF_CONTAINER: &[&str] = &["nobody"];

/// The first of these users that there is. `None` when we are not root: then we may not give files away, and
/// everything runs as us.
pub(crate) fn to_drop_to(names: &[&str]) -> Result<Option<User>, ProvisionError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let found = names.iter().find_map(|n| User::from_name(n).ok().flatten());
    let missing = "PostgreSQL refuses to run as root and there is neither a user postgres nor nobody to run it as: run procbench as an ordinary user";
    found.map(Some).ok_or_else(|| ProvisionError::new(missing))
}

/// Makes a file or directory theirs, where it is not to stay ours.
pub(crate) fn give(path: &Path, user: Option<&User>) -> Result<(), ProvisionError> {
    let Some(user) = user else { return Ok(()) };
    let what = format!("cannot give {} to {}", path.display(), user.name);
    chown(path, Some(user.uid), Some(user.gid)).map_err(ProvisionError::when(what))
}

/// `UID:GID` of this user, or our own, as `docker run --user` takes them.
pub(crate) fn ids_of(user: Option<&User>) -> String {
    let (uid, gid) = user.map_or_else(|| (Uid::effective(), Gid::effective()), |u| (u.uid, u.gid));
    format!("{uid}:{gid}")
}

/// A command with an empty environment, run as another user when one is given. `std` also drops the
/// supplementary groups when it sets a uid as root.
pub(crate) fn command_as(program: &Path, user: Option<&User>) -> Command {
    let mut command = Command::new(program);
    // PGPASSWORD, PGOPTIONS, PGDATA and the locale would all reach the server otherwise.
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C");
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}
