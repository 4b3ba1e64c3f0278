//! Keeping idle cores awake.
//!
//! A halted virtual CPU wakes slowly, so a quiet arm can look slower than a
//! busy one. One SCHED_IDLE spinner a core keeps them from halting; anything
//! else that wants the core pre-empts it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// Spinners that run until this value is dropped.
#[derive(Debug)]
pub struct KeepAwake {
    stop: Arc<AtomicBool>,
    spinners: Vec<JoinHandle<()>>,
}

/// The kernel would not make the spinners SCHED_IDLE.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a SCHED_IDLE spinner ({0}): pass --keep-awake off")]
pub struct KeepAwakeError(String);

impl KeepAwake {
    /// Starts one spinner a core.
    ///
    /// # Errors
    /// When a thread cannot be started or cannot become SCHED_IDLE; a spinner
    /// of ordinary priority would take the CPU away from what is measured.
    pub fn start() -> Result<Self, KeepAwakeError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut awake = KeepAwake {
            stop: Arc::new(AtomicBool::new(false)),
            spinners: Vec::new(),
        };
        for core in 0..cores {
            let stop = Arc::clone(&awake.stop);
            let (report, answer) = std::sync::mpsc::channel();
            let spinner = std::thread::Builder::new()
                .name(format!("keep-awake-{core}"))
                .spawn(move || {
                    let idle = set_thread_priority_and_policy(
                        thread_native_id(),
                        ThreadPriority::Min,
                        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle),
                    );
                    let failed = idle.is_err();
                    let _ = report.send(idle);
                    if failed {
                        return;
                    }
                    // One on each core; where pinning is not allowed the
                    // scheduler spreads them by itself.
                    let mut cpus = nix::sched::CpuSet::new();
                    if cpus.set(core).is_ok() {
                        let _ = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &cpus);
                    }
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                })
                .map_err(|e| KeepAwakeError(e.to_string()))?;
            awake.spinners.push(spinner);
            match answer.recv() {
                Ok(Ok(())) => {}
                Ok(Err(e)) => return Err(KeepAwakeError(format!("{e:?}"))),
                Err(e) => return Err(KeepAwakeError(e.to_string())),
            }
        }
        Ok(awake)
    }
}

impl Drop for KeepAwake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for spinner in self.spinners.drain(..) {
            let _ = spinner.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinners_are_sched_idle_and_stop() {
        let awake = KeepAwake::start().unwrap();
        let mut idle = 0;
        for task in std::fs::read_dir("/proc/self/task").unwrap() {
            let stat =
                std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
            if stat.contains("(keep-awake-") {
                // Field 41 (policy), counted after the command in parentheses.
                let policy = stat
                    .rsplit(") ")
                    .next()
                    .unwrap()
                    .split(' ')
                    .nth(38)
                    .unwrap();
                assert_eq!(policy, "5", "SCHED_IDLE");
                idle += 1;
            }
        }
        assert!(idle >= 1);
        drop(awake);
    }
}
