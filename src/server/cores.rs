//! Cores of their own for readers and their backends (`--isolate on`): a slow statement is then no queue for the CPU
//! with churn. Everything else of server and load runs on the other cores. Children inherit their parent's cores
//! (sched_setaffinity(2)), so only what connects first has to be moved.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CpuSet, Pid, capabilities, sched_getaffinity, sched_setaffinity,
};

use crate::factor::{Factors, Isolate};
use crate::procfs;

/// How often a backend is looked for: the kernel's list of children may miss some while others exit.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Whether this machine can isolate readers, whatever the server.
///
/// # Errors
/// That there are too few cores, in one line.
pub(crate) fn enough_cores() -> Result<(), String> {
    divide(&allowed()?, 1).map(drop)
}

/// Whether this process may move those of a container, which are another user's.
///
/// # Errors
/// What is missing, in one line.
pub(super) fn may_move_others() -> Result<(), String> {
    let may =
        |sets: rustix::thread::CapabilitySets| sets.effective.contains(CapabilitySet::SYS_NICE);
    match capabilities(None) {
        Ok(sets) if may(sets) => Ok(()),
        _ => Err(
            "--isolate on moves a container's processes, which needs CAP_SYS_NICE: run as root, or give --server local"
                .to_owned(),
        ),
    }
}

/// Whether readers can be isolated here, whatever kind of server of ours is measured.
///
/// # Errors
/// What is missing, in one line.
pub(crate) fn can_isolate() -> Result<(), String> {
    enough_cores()?;
    may_move_others()
}

/// The cores that the calling thread may use, by number.
fn allowed() -> Result<Vec<usize>, String> {
    let set = sched_getaffinity(None).map_err(|e| format!("--isolate on: no cores known: {e}"))?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&core| set.is_set(core))
        .collect())
}

/// The readers' cores, and the others: one for each reader thread, at most half of them.
fn divide(allowed: &[usize], reader_threads: usize) -> Result<(CpuSet, CpuSet), String> {
    if allowed.len() < 2 {
        return Err(format!(
            "--isolate on needs at least two cores, and procbench may use {}",
            allowed.len()
        ));
    }
    let (readers, others) = allowed.split_at(reader_threads.clamp(1, allowed.len() / 2));
    Ok((set_of(readers), set_of(others)))
}

fn set_of(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    set
}

/// Core numbers with commas.
fn in_words(set: &CpuSet) -> String {
    let numbers = (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core));
    numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(",")
}

fn task(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// The cores of a process; `None` once it is gone.
fn cores_of(pid: u32) -> Option<CpuSet> {
    sched_getaffinity(Some(task(pid)?)).ok()
}

/// Moves a task; one that has left meanwhile is no error.
fn move_to(pid: u32, cores: &CpuSet) -> Result<(), String> {
    let Some(task) = task(pid) else { return Ok(()) };
    match sched_setaffinity(Some(task), cores) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(e) => {
            let cores = in_words(cores);
            Err(format!(
                "--isolate on cannot move process {pid} to the cores {cores}: {e}"
            ))
        }
    }
}

/// The threads of this process.
fn own_threads() -> Vec<u32> {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    tasks
        .filter_map(|t| t.file_name().to_str()?.parse().ok())
        .collect()
}

/// How a start's cores are divided, and which backends are the readers'. procbench's own threads get all their cores
/// back when it is dropped.
#[derive(Debug)]
pub(super) struct Cores {
    readers: CpuSet,
    others: CpuSet,
    all: CpuSet,
    /// Threads of ours that had cores of their own before, such as spinners: left alone.
    left_alone: BTreeSet<u32>,
    postmaster: u32,
    /// PgBouncer, and the helper of `cpu-burn`.
    helpers: OnceLock<Vec<u32>>,
    /// The readers' backends: the number in the server's own PID namespace, and the one here.
    backends: Mutex<BTreeMap<i32, u32>>,
}

impl Cores {
    /// [`Cores::isolate`] where a level wants it.
    ///
    /// # Errors
    /// As there.
    pub(super) fn of_level(
        level: &Factors,
        postmaster: Option<u32>,
        reader_threads: usize,
    ) -> Result<Option<Arc<Self>>, String> {
        let wanted = level.isolate == Some(Isolate::On);
        let isolated = wanted.then(|| Self::isolate(postmaster, reader_threads).map(Arc::new));
        isolated.transpose()
    }

    /// Divides the cores, and moves this process and a server's to the others, before anything connects.
    ///
    /// # Errors
    /// What cannot be moved, or is not visible, in one line.
    pub(super) fn isolate(postmaster: Option<u32>, reader_threads: usize) -> Result<Self, String> {
        let postmaster = postmaster.ok_or(
            "--isolate on: the server's processes cannot be seen from here, so they cannot be moved",
        )?;
        let allowed = allowed()?;
        let (readers, others) = divide(&allowed, reader_threads)?;
        let all = set_of(&allowed);
        let has_own = |pid: &u32| cores_of(*pid).is_some_and(|cores| cores != all);
        let cores = Cores {
            readers,
            others,
            left_alone: own_threads().into_iter().filter(has_own).collect(),
            all,
            postmaster,
            helpers: OnceLock::new(),
            backends: Mutex::default(),
        };
        cores.move_own_threads(&cores.others)?;
        // The postmaster first: whatever it forks from now on inherits.
        move_to(postmaster, &cores.others)?;
        let children = procfs::children(postmaster).unwrap_or_default();
        children
            .into_iter()
            .try_for_each(|pid| move_to(pid, &cores.others))?;
        Ok(cores)
    }

    fn move_own_threads(&self, to: &CpuSet) -> Result<(), String> {
        let mut threads = own_threads().into_iter();
        threads.try_for_each(|thread| match self.left_alone.contains(&thread) {
            true => Ok(()),
            false => move_to(thread, to),
        })
    }

    /// Moves processes that take part and may not inherit: they run in a container or in another cgroup.
    ///
    /// # Errors
    /// When that is not allowed.
    pub(super) fn move_helpers(
        &self,
        helpers: impl IntoIterator<Item = Option<u32>>,
    ) -> Result<(), String> {
        let helpers = self
            .helpers
            .get_or_init(|| helpers.into_iter().flatten().collect());
        helpers
            .iter()
            .try_for_each(|&pid| move_to(pid, &self.others))
    }

    /// Makes the calling thread a reader's.
    ///
    /// # Errors
    /// When that is not allowed.
    pub(super) fn take_this_thread(&self) -> Result<(), String> {
        let moved = sched_setaffinity(None, &self.readers);
        moved.map_err(|e| format!("--isolate on cannot move a reader's thread: {e}"))
    }

    /// Gives these backends, named as the server names them (BackendKeyData), the readers' cores.
    ///
    /// # Errors
    /// When one is not a visible child of the postmaster, or may not be moved.
    pub(super) fn take_backends(&self, named: &[i32]) -> Result<(), String> {
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        backends.retain(|_, pid| cores_of(*pid).is_some_and(|cores| cores == self.readers));
        for &name in named {
            if backends.contains_key(&name) {
                continue;
            }
            let pid = self.find(name).ok_or_else(|| {
                format!("--isolate on: the server's process {name}, a reader's, cannot be seen from here")
            })?;
            move_to(pid, &self.readers)?;
            backends.insert(name, pid);
        }
        Ok(())
    }

    /// The PID here of a child of the postmaster: the last one of `NSpid` in proc(5) is the one it knows of itself.
    fn find(&self, name: i32) -> Option<u32> {
        for look in 0..LOOKS {
            if look > 0 {
                std::thread::sleep(BETWEEN_LOOKS);
            }
            // The newest is the last.
            let children = procfs::children(self.postmaster)?.into_iter().rev();
            let mut named = children.filter(|pid| procfs::innermost_pid(*pid) == Some(name));
            if let Some(found) = named.next() {
                return Some(found);
            }
        }
        None
    }

    /// After a block: this thread and these backends have been on the readers' cores since before it.
    ///
    /// # Errors
    /// What was not.
    pub(super) fn check_reader(&self, named: &[i32]) -> Result<(), String> {
        let own = sched_getaffinity(None);
        if own.as_ref().ok() != Some(&self.readers) {
            return Err("isolation was lost: a reader's thread may run on other cores".to_owned());
        }
        let backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        match named.iter().find(|name| !backends.contains_key(name)) {
            Some(name) => Err(format!(
                "isolation was lost: a reader connected anew in the block, to process {name} on the others' cores"
            )),
            None => Ok(()),
        }
    }

    /// After a block: the cores of the postmaster, of all its children, and of the helpers are the intended ones.
    ///
    /// # Errors
    /// The first process for which they are not.
    pub(super) fn check(&self) -> Result<(), String> {
        let backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        let readers: BTreeSet<u32> = backends.values().copied().collect();
        let children = procfs::children(self.postmaster).unwrap_or_default();
        let helpers = self.helpers.get().into_iter().flatten().copied();
        let all = children.into_iter().chain([self.postmaster]).chain(helpers);
        for pid in all {
            let wanted = match readers.contains(&pid) {
                true => &self.readers,
                false => &self.others,
            };
            if let Some(cores) = cores_of(pid)
                && cores != *wanted
            {
                return Err(format!(
                    "isolation was lost: process {pid} may run on the cores {}, not on {}",
                    in_words(&cores),
                    in_words(wanted)
                ));
            }
        }
        Ok(())
    }
}

impl Drop for Cores {
    fn drop(&mut self) {
        // A thread that may not be moved back would not have been moved before.
        let _ = self.move_own_threads(&self.all);
    }
}

#[cfg(test)]
#[path = "cores_tests.rs"]
mod tests;
