//! Installed server binaries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::bootstrap::major_of;
use super::command::{find_on_path, run_bounded};
use super::error::ProvisionError;
use super::local_process::as_user;
use super::server_user::ServerUser;
use super::spec::ServerSpec;
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
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Ok(entries) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(entries.flatten().map(|e| e.path().join("bin")));
    }
    let mut pg_config = Command::new("pg_config");
    folders.extend(run_bounded(pg_config.arg("--bindir"), ANSWER_LIMIT).map(|d| d.trim().into()));
    if let Some(postgres) = find_on_path("postgres") {
        folders.extend(postgres.parent().map(Path::to_owned));
    }
    let mut found: Vec<LocalBinaries> = Vec::new();
    for bin_dir in folders {
        if !bin_dir.join("initdb").is_file() {
            continue;
        }
        if let Some(major) = major_of_binary(&bin_dir.join("postgres"), None)
            && !found.iter().any(|b| b.major == major)
        {
            found.push(LocalBinaries { major, bin_dir });
        }
    }
    found.sort_by_key(|b| std::cmp::Reverse(b.major));
    found
}

/// `postgres --version` says `postgres (PostgreSQL) 15.18 (Debian ...)`.
fn major_of_binary(postgres: &Path, user: Option<&ServerUser>) -> Option<u32> {
    let said = run_bounded(as_user(postgres, user).arg("--version"), ANSWER_LIMIT)?;
    major_of(said.split_ascii_whitespace().nth(2)?)
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
    let complete = dir.join("initdb").is_file();
    // As whom it will run: root may see what the server's user may not.
    let user = ServerUser::to_drop_to()?;
    match major_of_binary(&dir.join("postgres"), user.as_ref()).filter(|_| complete) {
        Some(major) => Ok(LocalBinaries {
            major,
            bin_dir: dir.to_owned(),
        }),
        None => Err(ProvisionError::new(format!(
            "no PostgreSQL in {} that {} may run: name the directory that holds postgres and initdb",
            dir.display(),
            user.map_or_else(|| "you".to_owned(), |u| format!("user {}", u.name))
        ))),
    }
}
