//! The helper's side of `cpu-burn`: one process that forks a child for each connection it accepts, as the
//! postmaster does, and uses CPU itself before it does so. The child uses CPU in bursts, sleeps between them until
//! its client asks, and exits. `procbench` starts the helper as a hidden subcommand.
#![expect(
    unsafe_code,
    reason = "the helper forks, and its children leave without destructors"
)]

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::UsageWho;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, alarm, fork, getuid, setsid};

use super::{BURSTS_BYTES, DONE, abstract_name};
use crate::clock::{burn_cpu, process_cpu_ns, thread_cpu_ns};

/// A child that has not ended by then is killed (alarm(2)).
const LONGEST_LIFE_SECONDS: u32 = 60;

/// Serves until standard input is closed: whoever started it is gone then.
///
/// # Errors
/// When it cannot listen, fork, or answer.
pub fn serve() -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let name = SocketAddr::from_abstract_name(abstract_name(std::process::id()))?;
    let listener = UnixListener::bind_addr(&name)?;
    listener.set_nonblocking(true)?;
    // Told of ended children at once, as the postmaster is (15: postmaster.c `reaper`).
    let child_ended = SigSet::from(Signal::SIGCHLD);
    child_ended.thread_block()?;
    let ended = SignalFd::with_flags(&child_ended, SfdFlags::SFD_NONBLOCK)?;
    let mut helper = Helper {
        parent_ns: 0,
        forked: 0,
        running: 0,
    };
    answer("ready")?;
    loop {
        let stdin = io::stdin();
        let mut fds = [listener.as_fd(), ended.as_fd(), stdin.as_fd()]
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let asked = fds[2].revents().is_some_and(|r| !r.is_empty());
        while let Ok((stream, _)) = listener.accept() {
            helper.accept(stream)?;
        }
        while ended.read_signal()?.is_some() {}
        helper.reap(false);
        if asked {
            let mut request = [0; 8];
            if stdin.lock().read_exact(&mut request).is_err() {
                return Ok(());
            }
            helper.parent_ns = u64::from_le_bytes(request);
            helper.reap(true);
            let parent_ns = process_cpu_ns(UsageWho::RUSAGE_SELF)?;
            let children_ns = process_cpu_ns(UsageWho::RUSAGE_CHILDREN)?;
            answer(&format!("{} {parent_ns} {children_ns}", helper.forked))?;
        }
    }
}

fn answer(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

struct Helper {
    /// CPU that it uses before each fork.
    parent_ns: u64,
    forked: u64,
    running: u64,
}

impl Helper {
    fn accept(&mut self, stream: UnixStream) -> io::Result<()> {
        // An abstract address is open to everybody on this machine.
        if getsockopt(&stream, PeerCredentials)?.uid() != getuid().as_raw() {
            return Ok(());
        }
        burn_cpu(self.parent_ns);
        // SAFETY: this process has one thread (it is started for `serve` and starts none), so the child has
        // no lock that nobody will release.
        match unsafe { fork() }? {
            ForkResult::Child => burn_and_exit(stream),
            ForkResult::Parent { .. } => {
                self.forked += 1;
                self.running += 1;
                Ok(())
            }
        }
    }

    /// Reaps children that have ended; all of them, if `wait`.
    fn reap(&mut self, wait: bool) {
        let flags = (!wait).then_some(WaitPidFlag::WNOHANG);
        while self.running > 0 {
            match waitpid(Pid::from_raw(-1), flags) {
                Ok(status) if status.pid().is_some() => self.running -= 1,
                _ => return,
            }
        }
    }
}

/// The child: its bursts, and the exit. It ends when its client goes away.
fn burn_and_exit(mut stream: UnixStream) -> ! {
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    // As a backend does (postmaster.c `BackendStartup`, `InitPostmasterChild`): a scheduling group of its own.
    let _ = setsid();
    alarm::set(LONGEST_LIFE_SECONDS);
    let _ = bursts(&mut stream);
    // SAFETY: ends the process at once; nothing of the parent's is flushed or unlinked by its copy.
    unsafe { libc::_exit(0) }
}

/// Uses CPU in the bursts that the client asks for, each begun when it says so. The last is answered by the exit.
fn bursts(stream: &mut UnixStream) -> io::Result<()> {
    let mut asked = [0; BURSTS_BYTES];
    stream.read_exact(&mut asked)?;
    let (bursts_ns, _) = asked.as_chunks::<8>();
    // The thread's CPU clock began with the fork: what the child needed to get here is part of the first burst,
    // and what it needs to talk with its client of the next.
    let mut until_ns = 0;
    for (i, ns) in bursts_ns.iter().enumerate() {
        if i > 0 {
            stream.write_all(&[DONE])?;
            stream.read_exact(&mut [0])?;
        }
        until_ns += u64::from_le_bytes(*ns);
        while thread_cpu_ns() < until_ns {
            std::hint::spin_loop();
        }
    }
    Ok(())
}
