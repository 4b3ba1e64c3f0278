//! Stops backends while they hold ProcArrayLock exclusively, so often and so long as is asked for.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procbench::clock::{Clock, MonotonicClock};
use procbench::server::provision::find_local_binaries;

/// Once in each of these the next backend of ours that joins is stopped. The first acquisition in ProcArrayAdd is that
/// of ProcArrayLock; the signal is obeyed on the way back from it. A server of ours is this process's child.
const SCRIPT: &str = r#"
uprobe:BINARY:ProcArrayAdd /curtask->real_parent->real_parent->tgid == TESTS/ { @joins[tid] = 1; }
uretprobe:BINARY:LWLockAcquire /@joins[tid] == 1/ {
  delete(@joins[tid]);
  if (@armed == 1) { @armed = 0; signal("SIGSTOP"); printf("%d %llu\n", pid, nsecs); }
}
interval:ms:EVERY { @armed = 1; printf("tick\n"); }
"#;

/// In a mount namespace of its own, as the trace that is tested.
const SHELL: &str =
    "mount -t tracefs tracefs /sys/kernel/tracing && exec bpftrace --unsafe -B line -e \"$0\" 2>&1";

/// Stops holders until it is dropped.
pub struct Stopper {
    bpftrace: Child,
    reader: Option<JoinHandle<()>>,
    /// How long each was stopped, in ns.
    stops: Receiver<u64>,
}

impl Stopper {
    /// One stop in each `every`, of this length.
    pub fn start(every: Duration, stopped: Duration) -> Self {
        let binary = find_local_binaries()[0].bin_dir.join("postgres");
        let script = SCRIPT
            .replace("BINARY", binary.to_str().unwrap())
            .replace("TESTS", &std::process::id().to_string())
            .replace("EVERY", &every.as_millis().to_string());
        let mut bpftrace = Command::new("unshare")
            .args(["--mount", "sh", "-c", SHELL, &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(bpftrace.stdout.take().unwrap()).lines();
        let mut told = Vec::new();
        // Attached once it ticks.
        loop {
            match lines.next() {
                Some(Ok(line)) if line == "tick" => break,
                Some(Ok(line)) => told.push(line),
                _ => panic!("bpftrace ended: {told:?}"),
            }
        }
        let (sender, stops) = channel();
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Some((pid, at_ns)) = line.split_once(' ') else {
                    continue;
                };
                let (Ok(pid), Ok(at_ns)) = (pid.parse(), at_ns.parse::<u64>()) else {
                    continue;
                };
                let over_ns = at_ns + stopped.as_nanos() as u64;
                let left_ns = over_ns.saturating_sub(MonotonicClock.now_ns());
                std::thread::sleep(Duration::from_nanos(left_ns));
                let _ = kill(Pid::from_raw(pid), Signal::SIGCONT);
                let _ = sender.send(MonotonicClock.now_ns() - at_ns);
            }
        });
        Stopper {
            bpftrace,
            reader: Some(reader),
            stops,
        }
    }

    /// Ends, and says how long each holder was stopped, in ns.
    pub fn end(mut self) -> Vec<u64> {
        self.detach();
        self.stops.try_iter().collect()
    }

    /// Whoever was stopped goes on before this returns: what was told is read to its end.
    fn detach(&mut self) {
        let _ = self.bpftrace.kill();
        let _ = self.bpftrace.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        self.detach();
    }
}
