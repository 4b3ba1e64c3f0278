//! Installed server binaries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::unistd::User;

use super::command::{find_on_path, run_bounded};
use super::connect::major_of;
use super::error::ProvisionError;
use super::spec::ServerSpec;
use super::user::{OF_SERVER, command_as, to_drop_to};
use crate::factor::{DEFAULT_PG_MAJOR, PgSource};

/// Bound on the time a program takes to say what it is.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A folder with `postgres` and `initdb`, and their version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalBinaries {
    /// Major version.
    pub major: u32,
    /// Folder of `postgres`.
    pub bin_dir: PathBuf,
}

/// All server binaries found in `/usr/lib/postgresql/*/bin`, by `pg_config --bindir` and on `PATH`,
/// newest first, one per major version.
pub fn find_local_binaries() -> Vec<LocalBinaries> {
    let packaged = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let packaged = packaged.flatten().map(|entry| entry.path().join("bin"));
    let mut pg_config = Command::new("pg_config");
    let configured = run_bounded(pg_config.arg("--bindir"), ANSWER_LIMIT).map(PathBuf::from);
    let on_path = find_on_path("postgres").and_then(|p| p.parent().map(Path::to_owned));
    let folders = packaged.chain(configured).chain(on_path);
    let mut found: Vec<_> = folders.filter_map(|dir| binaries_in(&dir, None)).collect();
    found.sort_by_key(|b| std::cmp::Reverse(b.major));
    found.dedup_by_key(|b| b.major);
    found
}

/// What a folder holds: `postgres --version` says `postgres (PostgreSQL) 15.18 (Debian ...)`.
fn binaries_in(bin_dir: &Path, user: Option<&User>) -> Option<LocalBinaries> {
    if !bin_dir.join("initdb").is_file() {
        return None;
    }
    let mut postgres = command_as(&bin_dir.join("postgres"), user);
    let said = run_bounded(postgres.arg("--version"), ANSWER_LIMIT)?;
    Some(LocalBinaries {
        major: major_of(said.split_ascii_whitespace().nth(2)?)?,
        bin_dir: bin_dir.to_owned(),
    })
}

/// The binaries for a spec.
///
/// # Errors
/// When none, or none of the version asked for, is installed.
pub(crate) fn choose_binaries(spec: &ServerSpec) -> Result<LocalBinaries, ProvisionError> {
    if let Some(PgSource::Bin(dir)) = &spec.source {
        return own_build(dir);
    }
    let found = find_local_binaries();
    let wanted = |major: u32| found.iter().find(|b| b.major == major);
    match spec.pg_major() {
        Some(major) => wanted(major),
        None => wanted(DEFAULT_PG_MAJOR).or_else(|| found.first()),
    }
    .cloned()
    .ok_or_else(|| {
        let version = spec.pg_major().map(|m| format!(" of version {m}"));
        ProvisionError::new(format!(
            "no local PostgreSQL server binaries{}: apt-get install postgresql",
            version.unwrap_or_default()
        ))
    })
}

/// The binaries in a directory that was named.
fn own_build(dir: &Path) -> Result<LocalBinaries, ProvisionError> {
    // As whom it will run: root may see what the server's user may not.
    let user = to_drop_to(OF_SERVER)?;
    binaries_in(dir, user.as_ref()).ok_or_else(|| {
        let who = user.map_or_else(|| "you".to_owned(), |u| format!("user {}", u.name));
        ProvisionError::new(format!(
            "no PostgreSQL in {} that {who} may run: name the directory that holds postgres and initdb",
            dir.display()
        ))
    })
}
