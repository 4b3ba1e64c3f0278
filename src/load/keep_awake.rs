//! Keeping idle cores awake.
//!
//! A halted virtual CPU wakes slowly, so a quiet arm can look slower than a busy
//! one. There are two remedies:
//!
//! - a request for zero wake-up time to the kernel's power management
//!   (`/dev/cpu_dma_latency`): idle cores poll in the idle loop. The scheduler
//!   still knows that they are idle, so nothing competes with what is measured;
//! - one SCHED_IDLE spinner per core, where that file cannot be written. A spinner
//!   gives way at once only to tasks of its own scheduling group. Containers,
//!   and with autogroup every PostgreSQL backend (each calls setsid), are groups
//!   of their own and must share the core with the spinner's group: forked
//!   children then wait for whole ticks. So spinners are not used beside a server
//!   unless asked for by name (METHODOLOGY.md has the measurement).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

use crate::arm::Mode;
use crate::config::KeepAwakeChoice;

/// The kernel's wake-up time request: 4 bytes, microseconds, held while open.
const CPU_DMA_LATENCY: &str = "/dev/cpu_dma_latency";

/// Keeps the cores awake until it is dropped.
#[derive(Debug)]
pub enum KeepAwake {
    /// By power management: the open request.
    PowerManagement(#[expect(dead_code, reason = "the request ends when it is closed")] File),
    /// By spinners.
    Spinners(Spinners),
    /// Not at all, and why.
    Off(&'static str),
}

/// The cores cannot be kept awake in the way that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KeepAwakeError {
    /// The power management file cannot be written.
    #[error("cannot write {CPU_DMA_LATENCY} ({0}): run as root, or pass --keep-awake off")]
    PowerManagement(std::io::Error),
    /// The kernel would not make the spinners SCHED_IDLE.
    #[error("cannot start a SCHED_IDLE spinner ({0}): pass --keep-awake off")]
    Spinner(String),
}

impl KeepAwake {
    /// Starts keeping the cores awake for a run in `mode`.
    ///
    /// # Errors
    /// When the way asked for by name is not allowed here.
    pub fn start(choice: KeepAwakeChoice, mode: Mode) -> Result<Self, KeepAwakeError> {
        match choice {
            KeepAwakeChoice::Off => Ok(KeepAwake::Off("not asked for")),
            KeepAwakeChoice::PowerManagement => power_management()
                .map(KeepAwake::PowerManagement)
                .map_err(KeepAwakeError::PowerManagement),
            KeepAwakeChoice::Spinners => spinners().map(KeepAwake::Spinners),
            KeepAwakeChoice::Auto => match (power_management(), mode) {
                (Ok(request), _) => Ok(KeepAwake::PowerManagement(request)),
                (Err(_), Mode::Model) => spinners().map(KeepAwake::Spinners),
                (Err(_), Mode::Server) => Ok(KeepAwake::Off(
                    "power management needs root, and spinners would compete with the server",
                )),
            },
        }
    }

    /// What is done, in words, for the run file.
    pub fn describe(&self) -> String {
        match self {
            KeepAwake::PowerManagement(_) => "by power management (idle cores poll)".to_owned(),
            KeepAwake::Spinners(s) => format!("by {} SCHED_IDLE spinners", s.threads.len()),
            KeepAwake::Off(why) => format!("off: {why}"),
        }
    }
}

fn power_management() -> std::io::Result<File> {
    let mut request = OpenOptions::new().write(true).open(CPU_DMA_LATENCY)?;
    request.write_all(&0i32.to_ne_bytes())?;
    Ok(request)
}

/// On every core that this process may use.
fn spinners() -> Result<Spinners, KeepAwakeError> {
    Spinners::start(std::thread::available_parallelism().map_or(1, usize::from))
}

/// SCHED_IDLE threads, one pinned to each core.
#[derive(Debug)]
pub struct Spinners {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Spinners {
    /// On the first so many cores.
    ///
    /// # Errors
    /// When a thread cannot be made SCHED_IDLE.
    pub fn start(cores: usize) -> Result<Self, KeepAwakeError> {
        let mut spinners = Spinners {
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        };
        for core in 0..cores {
            let stop = Arc::clone(&spinners.stop);
            let (report, answer) = std::sync::mpsc::channel();
            let spinner = std::thread::Builder::new()
                .name(format!("keep-awake-{core}"))
                .spawn(move || {
                    let idle = set_thread_priority_and_policy(
                        thread_native_id(),
                        ThreadPriority::Min,
                        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle),
                    );
                    // At ordinary priority it would take the CPU away from what is measured.
                    if let Err(problem) = idle {
                        let _ = report.send(format!("{problem:?}"));
                        return;
                    }
                    drop(report);
                    // Where pinning is not allowed the scheduler spreads them by itself.
                    let mut cpus = nix::sched::CpuSet::new();
                    if cpus.set(core).is_ok() {
                        let _ = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &cpus);
                    }
                    while !stop.load(Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                })
                .map_err(|e| KeepAwakeError::Spinner(e.to_string()))?;
            spinners.threads.push(spinner);
            // Without a problem there is no answer: the sender is dropped.
            if let Ok(problem) = answer.recv() {
                return Err(KeepAwakeError::Spinner(problem));
            }
        }
        Ok(spinners)
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for spinner in self.threads.drain(..) {
            let _ = spinner.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinners_are_sched_idle_and_stop() {
        let awake = KeepAwake::start(KeepAwakeChoice::Spinners, Mode::Server).unwrap();
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

    #[test]
    fn auto_never_spins_beside_a_server() {
        let awake = KeepAwake::start(KeepAwakeChoice::Auto, Mode::Server).unwrap();
        assert!(
            !matches!(awake, KeepAwake::Spinners(_)),
            "{}",
            awake.describe()
        );
        for choice in ["auto", "pm", "spin", "off"] {
            assert_eq!(choice.parse::<KeepAwakeChoice>().unwrap().name(), choice);
        }
    }
}
