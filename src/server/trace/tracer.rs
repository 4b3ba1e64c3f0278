//! The bpftrace process that watches one server, from attach to detach.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::unistd::{SysconfVar, sysconf};

use super::event::Event;
use super::needs::missing;
use super::symbols::{Locks, NoLocks};
use crate::clock::{Clock, MonotonicClock};
use crate::config::Tracing;
use crate::load::keep_awake::Spinners;

/// Every acquisition, and where statements spend their time.
const EVERY: &str = concat!(include_str!("every.bt"), include_str!("statements.bt"));
/// The latter with as few probes as it takes.
const LIGHT: &str = concat!(include_str!("light.bt"), include_str!("statements.bt"));

/// Attaches to its functions' tracefs in a mount namespace of its own: nothing of the machine's is changed.
const SHELL: &str =
    "mount -t tracefs tracefs /sys/kernel/tracing && exec bpftrace -B line -e \"$0\" 2>&1";

/// Pages of each CPU's buffer between kernel and bpftrace: 4 MB.
const BUFFER_PAGES: &str = "1024";

/// From its start to its first tick of every CPU; a quarter of a second on an idle machine.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);
/// From an instant to the last event before it.
const TELL_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no trace, or no whole one.
#[derive(Debug, thiserror::Error)]
pub(in crate::server) enum TraceError {
    /// Its processes are not seen.
    #[error("only a server that procbench starts on this machine is traced")]
    NotOurs,
    #[error("{0}")]
    Missing(&'static str),
    #[error(transparent)]
    NoLocks(#[from] NoLocks),
    #[error("cannot start bpftrace: {0}")]
    Start(#[from] std::io::Error),
    /// What happened, and its last words.
    #[error("bpftrace {what}: {words}")]
    Broken { what: &'static str, words: String },
    #[error("bpftrace lost events: offer a lower --reader-rate or --client-rate")]
    Lost,
}

/// Watches one server's locks until it is dropped. If procbench dies, so does bpftrace: its next tick
/// writes to a closed pipe.
pub(super) struct Tracer {
    /// For what it was attached.
    pub(super) tracing: Tracing,
    child: Child,
    lines: Receiver<String>,
    /// How far each CPU's events are told, in ns.
    told_ns: BTreeMap<u32, u64>,
    cpus: usize,
    /// Events not yet asked for.
    events: Vec<Event>,
    /// The last line that was none.
    words: String,
}

impl Tracer {
    /// Attaches to the server with this postmaster, and waits until every probe is there.
    ///
    /// # Errors
    /// What is missing, or what bpftrace said.
    pub(super) fn attach(
        postmaster: u32,
        readers: &BTreeSet<u32>,
        tracing: Tracing,
    ) -> Result<Self, TraceError> {
        if let Some(missing) = missing() {
            return Err(TraceError::Missing(missing));
        }
        let locks = Locks::of(postmaster)?;
        let mut child = Command::new("unshare")
            .args([
                "--mount",
                "sh",
                "-c",
                SHELL,
                &script(&locks, readers, tracing),
            ])
            .env("BPFTRACE_PERF_RB_PAGES", BUFFER_PAGES)
            .env_remove("PGPASSWORD")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let output = child.stdout.take();
        let (sender, lines) = channel();
        let cpus = sysconf(SysconfVar::_NPROCESSORS_ONLN);
        let mut tracer = Tracer {
            tracing,
            child,
            lines,
            told_ns: BTreeMap::new(),
            cpus: cpus.ok().flatten().map_or(1, |n| n as usize),
            events: Vec::new(),
            words: String::new(),
        };
        // Ends with bpftrace.
        std::thread::Builder::new()
            .name("trace".to_owned())
            .spawn(move || {
                for line in output
                    .map(BufReader::new)
                    .into_iter()
                    .flat_map(|output| output.lines().map_while(Result::ok))
                {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            })?;
        let now = MonotonicClock.now_ns();
        tracer.read_until(now, ATTACH_LIMIT)?;
        Ok(tracer)
    }

    /// All that happened between two instants (CLOCK_MONOTONIC, ns), by what was over then. What was before is
    /// forgotten.
    ///
    /// # Errors
    /// When bpftrace lost events, has died, or does not come to the end.
    pub(super) fn events(&mut self, from_ns: u64, to_ns: u64) -> Result<Vec<Event>, TraceError> {
        self.read_until(to_ns, TELL_LIMIT)?;
        let mut events = std::mem::take(&mut self.events);
        if events.contains(&Event::Lost) {
            return Err(TraceError::Lost);
        }
        self.events
            .extend(events.extract_if(.., |e| e.at_ns() > to_ns));
        events.retain(|e| e.at_ns() >= from_ns);
        Ok(events)
    }

    /// Reads on until all that happened up to an instant has been told.
    fn read_until(&mut self, to_ns: u64, limit: Duration) -> Result<(), TraceError> {
        let deadline = Instant::now() + limit;
        // Beyond the instant: the block is over. An idle CPU does not tick; where it cannot be kept awake it ticks when
        // it has work.
        let _awake = Spinners::start(self.cpus);
        loop {
            let told = self.told_ns.values().filter(|at_ns| **at_ns > to_ns);
            if told.count() >= self.cpus {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.take(line),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.broken("told nothing for too long"));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.broken("ended")),
            }
        }
    }

    fn take(&mut self, line: String) {
        match Event::parse(&line) {
            Some(Event::Tick { cpu, at_ns }) => {
                self.told_ns.insert(cpu, at_ns);
            }
            Some(event) => self.events.push(event),
            None if line.trim().is_empty() => {}
            None => self.words = line,
        }
    }

    fn broken(&self, what: &'static str) -> TraceError {
        let words = self.words.clone();
        TraceError::Broken { what, words }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // The kernel takes the probes away with the process.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The script for one server and the readers' backends.
fn script(locks: &Locks, readers: &BTreeSet<u32>, tracing: Tracing) -> String {
    let readers = readers.iter().map(|pid| format!("@reader[{pid}] = 1; "));
    let probes = match tracing {
        Tracing::EveryBlock => EVERY,
        Tracing::Twins | Tracing::Off => LIGHT,
    };
    probes
        .replace("READERS", &readers.collect::<String>())
        .replace(
            "OURS",
            &format!("curtask->real_parent->tgid == {}", locks.postmaster),
        )
        .replace("BINARY", &locks.binary.display().to_string())
        .replace("PROCARRAYLOCK", &locks.proc_array.to_string())
        .replace("XIDGENLOCK", &locks.xid_gen.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_names_the_servers_own_binary_and_locks() {
        let locks = Locks {
            binary: "/proc/7/root/usr/bin/postgres".into(),
            proc_array: 4096 + 512,
            xid_gen: 4096 + 384,
            postmaster: 7,
        };
        let light = script(&locks, &[11, 12].into(), Tracing::Twins);
        assert!(!light.contains("BINARY") && !light.contains("LWLock"));
        // Of another cluster with this binary nothing.
        let is_ours = "ProcArrayAdd /curtask->real_parent->tgid == 7/";
        assert!(light.contains(is_ours) && !light.contains("OURS"));
        let script = script(&locks, &[11, 12].into(), Tracing::EveryBlock);
        assert!(script.contains("BEGIN { @me = pid; @reader[11] = 1; @reader[12] = 1;  }"));
        assert!(script.contains("uprobe:/proc/7/root/usr/bin/postgres:ProcArrayAdd"));
        assert!(script.contains("arg0 == 4608") && script.contains("arg0 == 4480"));
        assert!(!script.contains("BINARY") && !script.contains("PROCARRAYLOCK"));
    }
}
