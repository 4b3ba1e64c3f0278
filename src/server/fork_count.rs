//! How many processes the postmaster forks in a block, counted on the server's side.
//!
//! The kernel's process event connector (`linux/cn_proc.h`) reports every fork on the machine with parent and
//! child; those of the postmaster are counted: exact. It wants CAP_NET_ADMIN and the host's PID namespace.
//! Where it is refused, the machine's own count of forks (`processes` in `/proc/stat`) is all there is: it holds
//! everybody's, threads included, and is an upper bound.

use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
    sockopt,
};

/// Room for the events of a block (each takes about 1 kB there).
const RECEIVE_BUFFER: usize = 64 << 20;

/// `NLMSG_DONE`, `CN_IDX_PROC` and `CN_VAL_PROC`, `PROC_CN_MCAST_LISTEN`, `PROC_EVENT_FORK`.
const NLMSG_DONE: u16 = 3;
const CN_PROC: u32 = 1;
const MCAST_LISTEN: u32 = 1;
const EVENT_FORK: u32 = 1;
/// `PROC_EVENT_NONE`, an acknowledgement.
const EVENT_NONE: u32 = 0;

/// How long the kernel may take to acknowledge; it does at once.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_millis(500);

/// Headers before the event (`struct nlmsghdr`, `struct cn_msg`), and its own before the fork's process ids.
const EVENT_AT: usize = 16 + 20;
const PARENT_TGID_AT: usize = EVENT_AT + 16 + 4;

/// Counts forks between two calls.
pub enum ForkCount {
    /// By the kernel's events.
    Events(OwnedFd),
    /// By the machine's count; the value at the last call.
    Machine(u64),
}

/// The counter of a block that holds forks by the postmaster, exactly.
const POSTMASTER: &str = "forks.postmaster";
/// The counter that holds forks by the whole machine.
const MACHINE: &str = "forks.machine";

impl ForkCount {
    /// Begins to count, by whichever way is allowed.
    pub fn start() -> Self {
        match listen() {
            Ok(socket) => ForkCount::Events(socket),
            Err(_) => ForkCount::Machine(machine_forks()),
        }
    }

    /// Forks since the last call, or since the start, with the name of their counter; `None` if events were
    /// lost.
    pub fn take(&mut self, postmaster: u32) -> Option<(&'static str, u64)> {
        match self {
            ForkCount::Events(socket) => Some((POSTMASTER, drain(socket, postmaster)?)),
            ForkCount::Machine(before) => {
                let now = machine_forks();
                let forks = now.saturating_sub(*before);
                *before = now;
                Some((MACHINE, forks))
            }
        }
    }
}

fn listen() -> Result<OwnedFd, Errno> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        Some(netlink::CONNECTOR),
    )?;
    sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
    bind(&socket, &SocketAddrNetlink::new(0, CN_PROC))?;
    let mut message = Vec::with_capacity(40);
    message.extend(40u32.to_ne_bytes());
    message.extend(NLMSG_DONE.to_ne_bytes());
    message.extend([0; 10]);
    for word in [CN_PROC, CN_PROC, 0, 0] {
        message.extend(word.to_ne_bytes());
    }
    message.extend(4u16.to_ne_bytes());
    message.extend([0; 2]);
    message.extend(MCAST_LISTEN.to_ne_bytes());
    send(&socket, &message, SendFlags::empty())?;
    // Outside the first namespaces the kernel takes the request and never sends anything: only its
    // acknowledgement says that silence means no forks (drivers/connector/cn_proc.c `cn_proc_mcast_ctl`).
    let began = Instant::now();
    let mut event = [0u8; 512];
    while began.elapsed() < ACKNOWLEDGED_WITHIN {
        match recv(&socket, &mut event[..], RecvFlags::empty()) {
            Ok((read, _)) if word(&event[..read], EVENT_AT) == Some(EVENT_NONE) => {
                return Ok(socket);
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => std::thread::sleep(Duration::from_millis(1)),
            Err(e) => return Err(e),
        }
    }
    Err(Errno::TIMEDOUT)
}

/// Reads all events that are there; `None` if some were lost.
fn drain(socket: &OwnedFd, postmaster: u32) -> Option<u64> {
    let (mut forks, mut lost) = (0, false);
    let mut event = [0u8; 512];
    loop {
        match recv(socket, &mut event[..], RecvFlags::empty()) {
            Ok((read, _)) => forks += u64::from(is_fork_of(&event[..read], postmaster)),
            Err(Errno::AGAIN) => return (!lost).then_some(forks),
            Err(Errno::INTR) => {}
            // The rest is read, so that the next block begins afresh.
            Err(Errno::NOBUFS) => lost = true,
            Err(_) => return None,
        }
    }
}

fn word(event: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*event.get(at..)?.first_chunk::<4>()?))
}

fn is_fork_of(event: &[u8], parent: u32) -> bool {
    let word = |at| word(event, at);
    // A new thread is told by a child whose process id is its parent's.
    word(EVENT_AT) == Some(EVENT_FORK)
        && word(PARENT_TGID_AT) == Some(parent)
        && word(PARENT_TGID_AT + 8) != Some(parent)
}

fn machine_forks() -> u64 {
    forks_in(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// The line `processes` of `/proc/stat`.
fn forks_in(stat: &str) -> u64 {
    let line = stat.lines().find_map(|l| l.strip_prefix("processes "));
    line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn forks_of_one_process_are_told_from_everybodys() {
        let before = machine_forks();
        let mut by_machine = ForkCount::Machine(before);
        let mut events = ForkCount::start();
        let me = std::process::id();
        events.take(me);
        // A shell that forks 20 times; it forks nothing else.
        let mut shell = Command::new("sh")
            .args([
                "-c",
                "read go; i=0; while [ $i -lt 20 ]; do (exit 0); i=$((i+1)); done",
            ])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(shell.stdin.take());
        let pid = shell.id();
        shell.wait().unwrap();
        // The machine's count holds others' forks, too, but no more than there were.
        let check_machine = |forks| {
            let all = machine_forks() - before;
            assert!((21..=all).contains(&forks), "{forks} of {all}");
        };
        match events.take(pid) {
            Some((POSTMASTER, forks)) => assert_eq!(forks, 20),
            Some((_, forks)) => check_machine(forks),
            None => panic!("events were lost"),
        }
        let Some((MACHINE, first)) = by_machine.take(pid) else {
            panic!("the way of counting has changed");
        };
        check_machine(first);
        // What was told once is not told again.
        let Some((MACHINE, second)) = by_machine.take(pid) else {
            panic!("the way of counting has changed");
        };
        let all = machine_forks() - before;
        assert!(first + second <= all, "{first} and {second} of {all}");
    }

    #[test]
    fn the_machines_forks_are_one_line_of_proc_stat() {
        let stat = "cpu  1 2 3\nctxt 99\nbtime 1700000000\nprocesses 4711\nprocs_running 2\n";
        assert_eq!(forks_in(stat), 4711);
        assert_eq!(forks_in("procs_running 2\n"), 0);
        assert!(machine_forks() > 0);
    }

    #[test]
    fn a_thread_and_another_parent_are_not_forks_of_it() {
        let event = |what: u32, parent: u32, child: u32| {
            let mut bytes = vec![0u8; EVENT_AT];
            for word in [what, 0, 0, 0, parent, parent, child, child] {
                bytes.extend(word.to_ne_bytes());
            }
            bytes
        };
        assert!(is_fork_of(&event(EVENT_FORK, 7, 9), 7));
        assert!(!is_fork_of(&event(EVENT_FORK, 7, 7), 7));
        assert!(!is_fork_of(&event(EVENT_FORK, 8, 9), 7));
        assert!(!is_fork_of(&event(2, 7, 9), 7));
        assert!(!is_fork_of(&[0; 20], 7));
    }
}
