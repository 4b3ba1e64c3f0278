//! The helper of `cpu-burn`, in the server's cgroup: for each operation it uses the postmaster's part of the CPU and
//! forks a child, which uses a backend's part in a backend's bursts and exits.

mod process;

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::cgroup;
use crate::stats::Bursts;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub(crate) use process::serve;

/// The hidden subcommand that is the helper.
pub const SUBCOMMAND: &str = "__burner";

/// What a child says at the end of a burst that is not its last.
pub(super) const DONE: u8 = b'.';

/// What a child is told to begin its next burst.
pub(super) const NEXT: u8 = b'n';

/// Length of a request to a child: three bursts in ns, little-endian.
const BURSTS_BYTES: usize = 24;

/// Bound on one answer of the helper; longer than a child may live.
const ANSWER_LIMIT_MS: u32 = 90_000;

fn abstract_name(pid: u32) -> String {
    format!("procbench-burner-{pid}")
}

/// It is not what it should be, or has gone.
fn silent(why: impl std::fmt::Display) -> String {
    format!("the cpu-burn helper does not answer ({why})")
}

/// What one operation burns, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Burn {
    /// The helper's process id, which names its socket.
    helper: u32,
    /// What the helper and its child use.
    pub(super) bursts: Bursts,
}

impl Burn {
    /// The address of the helper.
    pub(super) fn address(&self) -> String {
        format!("\0{}", abstract_name(self.helper))
    }

    /// What a child is sent first: how long its bursts are.
    pub(super) fn request(&self) -> [u8; BURSTS_BYTES] {
        let mut bytes = [0; BURSTS_BYTES];
        let bursts = bytes.chunks_mut(8).zip(self.bursts.child_ns);
        bursts.for_each(|(to, ns)| to.copy_from_slice(&ns.to_le_bytes()));
        bytes
    }
}

/// What the helper has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BurnerAccount {
    /// Children forked.
    pub forked: u64,
    /// CPU of the helper itself, in ns.
    pub parent_ns: u64,
    /// CPU of its children, in ns.
    pub children_ns: u64,
}

/// The running helper. It ends when this value is dropped, or when this process ends in any way.
pub struct Burner {
    child: Child,
    answers: BufReader<ChildStdout>,
    /// Why it does not run in the server's cgroup, if it does not.
    pub(super) outside_cgroup: Option<String>,
}

impl Burner {
    /// Starts `program` as the helper and moves it into the cgroup of `postmaster`.
    ///
    /// # Errors
    /// Whatever is missing, in one line. Not when the cgroup is refused: see
    /// [`Burner::outside_cgroup`].
    pub(super) fn of_server(
        program: Option<&Path>,
        postmaster: Option<u32>,
    ) -> Result<Self, String> {
        let postmaster = postmaster
            .ok_or("cpu-burn needs the CPU time of the server's processes, which cannot be seen")?;
        let program = program.ok_or("procbench does not know where its own program is")?;
        let mut child = Command::new(program)
            .arg(SUBCOMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal is for procbench, which then ends it.
            .process_group(0)
            .spawn()
            .map_err(|e| {
                let program = program.display();
                format!("the cpu-burn helper {program} cannot be started: {e}")
            })?;
        let answers = child.stdout.take().ok_or_else(|| silent("no pipes"))?;
        let mut burner = Burner {
            child,
            answers: BufReader::new(answers),
            outside_cgroup: None,
        };
        if burner.line()? != "ready" {
            return Err(silent(format!("{} is not procbench", program.display())));
        }
        let joined = cgroup::join(burner.child.id(), postmaster);
        burner.outside_cgroup = joined.err().map(|e| e.to_string());
        Ok(burner)
    }

    /// The helper's process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An operation that uses so much CPU.
    pub fn burn(&self, bursts: Bursts) -> Burn {
        Burn {
            helper: self.child.id(),
            bursts,
        }
    }

    /// What it has done so far; waits for children that still run. From now on it uses `parent_ns` of CPU itself
    /// before each fork.
    ///
    /// # Errors
    /// When it has gone.
    pub fn account(&mut self, parent_ns: u64) -> Result<BurnerAccount, String> {
        if let Some(requests) = &mut self.child.stdin {
            let request = parent_ns.to_le_bytes();
            requests.write_all(&request).map_err(silent)?;
        }
        let line = self.line()?;
        let numbers: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[forked, parent_ns, children_ns]) => Ok(BurnerAccount {
                forked,
                parent_ns,
                children_ns,
            }),
            _ => Err(silent(format!("it says '{line}'"))),
        }
    }

    fn line(&mut self) -> Result<String, String> {
        let answers = self.answers.get_ref().as_fd();
        let mut fds = [PollFd::new(answers, PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(ANSWER_LIMIT_MS).unwrap_or(PollTimeout::MAX);
        if poll(&mut fds, patience).map_err(silent)? == 0 {
            return Err(silent("no answer in time"));
        }
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        match read.map_err(silent)? {
            0 => Err(silent("it has ended")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        // Nobody waits for what it may still do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
