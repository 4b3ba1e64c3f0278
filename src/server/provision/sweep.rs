//! Removing what a killed run left behind.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::docker::{LABEL, call, remove_container};
use super::owner::is_stale;
use super::scratch::{PREFIX, dismantle, owner_of};

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
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
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

fn sweep_containers(swept: &mut Swept) {
    let format = "{{.Names}}\t{{.Label \"procbench.owner\"}}\t{{.Label \"procbench.pidspace\"}}";
    // No engine, no containers of ours to remove.
    let ours = format!("--filter=label={LABEL}");
    let Ok(list) = call(&["ps", "--all", &ours, "--format", format]) else {
        return;
    };
    for line in list.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, owner, space] = fields[..] else {
            continue;
        };
        let Ok(owner) = owner.parse() else { continue };
        if !is_stale(owner, space) {
            continue;
        }
        match remove_container(name) {
            Ok(()) => swept.containers.push(name.to_owned()),
            Err(e) => swept.failures.push(format!("container {name}: {e}")),
        }
    }
}

fn sweep_directories(swept: &mut Swept) {
    let me = nix::unistd::Uid::effective().as_raw();
    // Sockets may lie in /tmp while TMPDIR of this run is elsewhere.
    let bases: HashSet<PathBuf> = [std::env::temp_dir(), PathBuf::from("/tmp")].into();
    for base in bases {
        let Ok(entries) = fs::read_dir(base) else {
            continue;
        };
        for entry in entries.flatten() {
            if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
                continue;
            }
            let path = entry.path();
            // Ours and a real directory: a name under /tmp proves nothing, anyone may take one.
            let ours = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir() && m.uid() == me);
            let Some((owner, space)) = owner_of(&path) else {
                continue;
            };
            if !ours || !is_stale(owner, &space) {
                continue;
            }
            match dismantle(&path) {
                Ok(()) => swept.directories.push(path),
                Err(e) => swept.failures.push(format!("{}: {e}", path.display())),
            }
        }
    }
}
