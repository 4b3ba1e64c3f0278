//! Throw-away directories, and the end of everything that lives in one.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use super::command::poll;
use super::error::ProvisionError;
use super::owner::{ProcessId, own_prefix, pid_space};
use super::shared_memory::{SHM_DIR, free_posix_segments, free_sysv_segment, mapped_segments};
use super::user::{command_as, give};
use crate::procfs;

/// File in a scratch directory naming the owner's boot and PID namespace.
const PID_SPACE_FILE: &str = "pidspace";

/// File in a scratch directory naming its server's files in `/dev/shm`.
const SHM_FILE: &str = "shm";

/// A directory `procbench-PID-STARTTIME-random` under the temp dir, removed with all it holds.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one. `shared`: another user (the one dropped to) must be able to pass through it.
    pub(crate) fn new(shared: bool) -> Result<Self, ProvisionError> {
        let base = std::env::temp_dir();
        let path = tempfile::Builder::new()
            .prefix(&own_prefix())
            .tempdir()
            .map_err(ProvisionError::at("cannot make a directory in", &base))?
            .keep();
        // From here on Drop removes it.
        let scratch = Self(path);
        set_mode(scratch.path(), if shared { 0o711 } else { 0o700 })?;
        fs::write(scratch.path().join(PID_SPACE_FILE), pid_space())
            .map_err(ProvisionError::at("cannot write in", &base))?;
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The directory's own name, for what belongs to it.
    pub(crate) fn name(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Makes a directory inside, with this mode and, when dropping privileges, this owner.
    pub(crate) fn subdir(
        &self,
        name: &str,
        mode: u32,
        user: Option<&User>,
    ) -> Result<PathBuf, ProvisionError> {
        let dir = self.0.join(name);
        fs::create_dir(&dir).map_err(ProvisionError::at("cannot make", &dir))?;
        set_mode(&dir, mode)?;
        give(&dir, user)?;
        Ok(dir)
    }

    /// Notes the server's shared memory, for the case that nobody can ask it later.
    pub(crate) fn note_shared_memory(&self, postmaster_pid: u32) {
        let names = mapped_segments(postmaster_pid);
        // Best effort: without the note a SIGKILLed server leaks a few kB in /dev/shm, nothing else.
        let _ = fs::write(self.0.join(SHM_FILE), names.join("\n"));
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = dismantle(&self.0) {
            let path = self.0.display();
            crate::console::complain(&format!("procbench: {path} was not removed: {error}"));
        }
    }
}

/// Whether servers can live in the temp dir, run as `user` when we are root.
///
/// # Errors
/// When it cannot be written in, or that user cannot come in.
pub(crate) fn check_temp_dir(user: Option<&User>) -> Result<(), ProvisionError> {
    let dir = std::env::temp_dir();
    let shown = dir.display();
    tempfile::tempfile_in(&dir).map_err(|e| {
        ProvisionError::new(format!(
            "cannot write in the temporary directory {shown}: {e}: set TMPDIR to one that is there"
        ))
    })?;
    let Some(user) = user else { return Ok(()) };
    let mut enter = command_as(Path::new("/bin/sh"), Some(user));
    enter.args(["-c", "cd \"$0\""]).arg(&dir);
    match enter.current_dir("/").output() {
        Ok(entered) if !entered.status.success() => Err(ProvisionError::new(format!(
            "the server would run as user {}, who cannot enter the temporary directory {shown}: set TMPDIR to one that everybody may enter",
            user.name
        ))),
        // Without a shell there is no server either, which then says so.
        _ => Ok(()),
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), ProvisionError> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(ProvisionError::at("cannot set the mode of", path))
}

/// Writes one file with this mode, whatever the umask, and gives it to its reader.
pub(crate) fn write_file(
    path: &Path,
    content: impl AsRef<[u8]>,
    mode: u32,
    user: Option<&User>,
) -> Result<(), ProvisionError> {
    // Never wider than asked for, not even for a moment.
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode & 0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(content.as_ref())?;
            file.set_permissions(fs::Permissions::from_mode(mode))
        })
        .map_err(ProvisionError::at("cannot write", path))?;
    give(path, user)
}

/// Where what a scratch directory's server maps beside its own shared memory lies; goes with the directory.
pub(crate) fn shm_dir(scratch: &Path) -> Option<PathBuf> {
    Some(Path::new(SHM_DIR).join(scratch.file_name()?))
}

/// Programs this tool starts in scratch directories; the last two where a cluster is started again.
const PROGRAMS: [&str; 6] = [
    "postgres",
    "initdb",
    "pgbouncer",
    "pg_basebackup",
    "cp",
    "rm",
];

/// Servers that live in a directory: a postmaster and its children have the data directory as
/// working directory, and keep it when the postmaster is killed and they are orphaned. By name too:
/// somebody's shell that looks around in there is not ours to end.
pub(crate) fn processes_in(dir: &Path) -> Vec<u32> {
    let Ok(dir) = dir.canonicalize() else {
        return Vec::new();
    };
    procfs::all_pids()
        .into_iter()
        .filter(|pid| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&dir))
                && fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| PROGRAMS.contains(&name.trim_end()))
                && procfs::process_stat(*pid).is_some_and(|s| s.state != 'Z')
        })
        .collect()
}

/// Kills every process in a scratch directory, all at the same moment, and frees its server's shared memory.
/// `just_before` is called when they are found and none is killed yet.
pub(crate) fn end_processes(path: &Path, just_before: &mut dyn FnMut()) {
    let noted = fs::read_to_string(path.join(SHM_FILE)).unwrap_or_default();
    let mut shared: Vec<String> = noted.lines().map(str::to_owned).collect();
    let mut just_before = Some(just_before);
    poll(Duration::from_secs(10), 10, || {
        let left = processes_in(path);
        shared.extend(left.iter().flat_map(|&pid| mapped_segments(pid)));
        if let Some(call) = just_before.take() {
            call();
        }
        for &pid in &left {
            if let Ok(raw) = i32::try_from(pid) {
                // It may have gone meanwhile; the next round tells.
                let _ = kill(Pid::from_raw(raw), Signal::SIGKILL);
            }
        }
        left.is_empty().then_some(())
    });
    free_posix_segments(&shared);
    free_sysv_segment(&path.join("pgdata"));
}

/// Ends every process in a scratch directory, frees its server's shared memory and removes it.
pub(crate) fn dismantle(path: &Path) -> std::io::Result<()> {
    end_processes(path, &mut || {});
    if let Some(dir) = shm_dir(path) {
        // Most have none.
        let _ = fs::remove_dir_all(dir);
    }
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The owner in a scratch directory's name, and the PID space it noted.
pub(crate) fn owner_of(path: &Path) -> Option<(ProcessId, String)> {
    let owner = ProcessId::in_name(path.file_name()?.to_str()?)?;
    // Without the file the directory was abandoned within its first milliseconds, or is no longer whole:
    // then the name decides, in this PID space.
    let space = fs::read_to_string(path.join(PID_SPACE_FILE)).unwrap_or_else(|_| pid_space());
    Some((owner, space))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_scratch_directory_names_its_owner_and_goes_with_its_processes() {
        let scratch = Scratch::new(false).unwrap();
        let path = scratch.path().to_owned();
        let me = ProcessId::of(std::process::id()).unwrap();
        assert_eq!(owner_of(&path).unwrap(), (me, pid_space()));
        let inner = scratch.subdir("pgdata", 0o700, None).unwrap();
        // A stand-in for a postmaster, and a visitor.
        let stand_in = inner.join("postgres");
        fs::copy("/bin/sleep", &stand_in).unwrap();
        let start = |program: &Path| {
            let mut command = Command::new(program);
            command.arg("60").current_dir(&inner).spawn().unwrap()
        };
        let mut postmaster = start(&stand_in);
        let mut visitor = start(Path::new("sleep"));
        assert_eq!(processes_in(&path), [postmaster.id()]);
        drop(scratch);
        assert!(!path.exists());
        assert!(!postmaster.wait().unwrap().success(), "killed");
        assert!(visitor.try_wait().unwrap().is_none(), "left alone");
        visitor.kill().unwrap();
        visitor.wait().unwrap();
    }
}
