//! Removing what a killed run left behind.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::docker::{LABEL, PID_SPACE_LABEL, call, remove_container};
use super::owner::{ProcessId, is_stale};
use super::scratch::{dismantle, owner_of};

/// What a sweep removed, and what it could not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Names of removed containers.
    pub containers: Vec<String>,
    /// Removed scratch directories, with the processes in them.
    pub directories: Vec<PathBuf>,
    /// One line per thing that is stale and would not go.
    pub failures: Vec<String>,
}

impl Swept {
    /// Whether there was nothing to do.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `removed container a and directory /tmp/b; not removed: container c: no such host`.
impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let containers = self
            .containers
            .iter()
            .map(|name| format!("container {name}"));
        let directories = self.directories.iter();
        let directories = directories.map(|path| format!("directory {}", path.display()));
        let removed: Vec<String> = containers.chain(directories).collect();
        let mut parts = Vec::new();
        if !removed.is_empty() {
            parts.push(format!("removed {}", removed.join(", ")));
        }
        let failures = self.failures.iter();
        parts.extend(failures.map(|failure| format!("not removed: {failure}")));
        f.write_str(&parts.join("; "))
    }
}

/// Removes containers and scratch directories, with the servers in them, whose owning process is dead.
/// Those of a live owner, of another user or of another PID namespace are left alone. To be called once
/// at the start of a command; several at the same time do not disturb each other.
pub fn sweep_stale() -> Swept {
    let mut swept = Swept::default();
    sweep_containers(&mut swept);
    sweep_directories(&mut swept);
    swept
}

/// The same, saying what there was.
pub fn sweep_and_tell(tell: &dyn Fn(&str)) {
    let swept = sweep_stale();
    if !swept.is_empty() {
        tell(&format!("procbench: left by an earlier run: {swept}"));
    }
}

fn sweep_containers(swept: &mut Swept) {
    // No engine, no containers of ours to remove.
    let ours = format!("--filter=label={LABEL}");
    let format = format!("--format={{{{.Names}}}}\t{{{{.Label \"{PID_SPACE_LABEL}\"}}}}");
    let list = call(&["ps", "--all", &ours, &format]).unwrap_or_default();
    for (name, space) in list.lines().filter_map(|l| l.split_once('\t')) {
        if ProcessId::in_name(name).is_some_and(|owner| is_stale(owner, space)) {
            match remove_container(name) {
                Ok(()) => swept.containers.push(name.to_owned()),
                Err(e) => swept.failures.push(format!("container {name}: {e}")),
            }
        }
    }
}

fn sweep_directories(swept: &mut Swept) {
    let me = nix::unistd::Uid::effective().as_raw();
    // Sockets may lie in /tmp while TMPDIR of this run is elsewhere.
    let bases: HashSet<PathBuf> = [std::env::temp_dir(), PathBuf::from("/tmp")].into();
    let entries = bases.into_iter().flat_map(fs::read_dir).flatten();
    for path in entries.flatten().map(|entry| entry.path()) {
        // Ours and a real directory: a name under /tmp proves nothing, anyone may take one.
        let ours = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir() && m.uid() == me);
        let stale = || owner_of(&path).is_some_and(|(owner, space)| is_stale(owner, &space));
        if ours && stale() {
            match dismantle(&path) {
                Ok(()) => swept.directories.push(path),
                Err(e) => swept.failures.push(format!("{}: {e}", path.display())),
            }
        }
    }
}
