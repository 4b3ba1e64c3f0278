//! The helper's side of `cpu-burn`: one process that forks a child for each connection it accepts, as the
//! postmaster does. The child uses CPU of its own and exits. `procbench` starts it as a hidden subcommand.
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
use nix::sys::signal::Signal;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, alarm, fork, getuid, setsid};

use super::{DONE, abstract_name};
use crate::clock::{process_cpu_ns, thread_cpu_ns};

/// A child that has not ended by then is killed (alarm(2)).
const LONGEST_LIFE_SECONDS: u32 = 60;

/// How often ended children are looked for while there are any.
const REAP_EVERY_MS: u8 = 20;

/// Serves until standard input is closed: whoever started it is gone then.
///
/// # Errors
/// When it cannot listen, fork, or answer.
pub fn serve() -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let name = SocketAddr::from_abstract_name(abstract_name(std::process::id()))?;
    let listener = UnixListener::bind_addr(&name)?;
    listener.set_nonblocking(true)?;
    let mut helper = Helper {
        forked: 0,
        running: 0,
    };
    answer("ready")?;
    loop {
        let stdin = io::stdin();
        let mut fds = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
        ];
        let patience = match helper.running {
            0 => PollTimeout::NONE,
            _ => PollTimeout::from(REAP_EVERY_MS),
        };
        match poll(&mut fds, patience) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let asked = fds[1].revents().is_some_and(|r| !r.is_empty());
        while let Ok((stream, _)) = listener.accept() {
            helper.accept(stream)?;
        }
        helper.reap(false);
        if asked {
            let mut request = [0];
            if stdin.lock().read(&mut request)? == 0 {
                return Ok(());
            }
            helper.reap(true);
            let used_ns =
                process_cpu_ns(UsageWho::RUSAGE_SELF)? + process_cpu_ns(UsageWho::RUSAGE_CHILDREN)?;
            answer(&format!("{} {used_ns}", helper.forked))?;
        }
    }
}

fn answer(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

struct Helper {
    forked: u64,
    running: u64,
}

impl Helper {
    fn accept(&mut self, stream: UnixStream) -> io::Result<()> {
        // An abstract address is open to everybody on this machine.
        if getsockopt(&stream, PeerCredentials)?.uid() != getuid().as_raw() {
            return Ok(());
        }
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

/// The child: uses as much CPU as the client asks for, counted from its fork on, and exits.
fn burn_and_exit(mut stream: UnixStream) -> ! {
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    // As a backend does (postmaster.c `BackendStartup`, `InitPostmasterChild`): a scheduling group of its own.
    let _ = setsid();
    alarm::set(LONGEST_LIFE_SECONDS);
    let mut asked = [0; 8];
    if stream.read_exact(&mut asked).is_ok() {
        // The thread's CPU clock began with the fork: what the child needed to get here is part of it.
        let until_ns = u64::from_le_bytes(asked);
        while thread_cpu_ns() < until_ns {
            std::hint::spin_loop();
        }
        let _ = stream.write_all(&[DONE]);
    }
    // SAFETY: ends the process at once; nothing of the parent's is flushed or unlinked by its copy.
    unsafe { libc::_exit(0) }
}
