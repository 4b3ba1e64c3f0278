//! `cpu-burn`: the CPU of a connection without the ProcArray. A helper process in the server's cgroup forks
//! a child for each operation, which uses a given amount of CPU and exits.

mod process;

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::cgroup;
use crate::record::ErrorClass;

pub use process::serve;

/// The hidden subcommand that is the helper.
pub const SUBCOMMAND: &str = "__burner";

/// What a child says when it has used its CPU.
const DONE: u8 = b'.';

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
    pub helper: u32,
    /// CPU of the forked child, in ns, from its fork on.
    pub cpu_ns: u64,
}

/// What the helper has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BurnerAccount {
    /// Children forked.
    pub forked: u64,
    /// CPU of the helper and of its children, in ns.
    pub used_ns: u64,
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
    pub fn burn(&self, cpu_ns: u64) -> Burn {
        Burn {
            helper: self.child.id(),
            cpu_ns,
        }
    }

    /// What it has done so far; waits for children that still run.
    ///
    /// # Errors
    /// When it has gone.
    pub fn account(&mut self) -> Result<BurnerAccount, String> {
        if let Some(requests) = &mut self.child.stdin {
            requests.write_all(b"a").map_err(silent)?;
        }
        let line = self.line()?;
        let mut numbers = line.split(' ').map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(forked)), Some(Ok(used_ns))) => Ok(BurnerAccount { forked, used_ns }),
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

/// One operation: a fork, the CPU, the exit. It fails where what to burn is not known.
///
/// # Errors
/// The class of the failure.
pub async fn burn_once(burn: Option<&Burn>) -> Result<(), ErrorClass> {
    let failed = || ErrorClass::new("burn-failed");
    let burn = burn.ok_or_else(failed)?;
    let address = format!("\0{}", abstract_name(burn.helper));
    let mut stream = UnixStream::connect(address).await?;
    let asked = burn.cpu_ns.to_le_bytes();
    stream.write_all(&asked).await?;
    let mut answer = Vec::new();
    // To the child's exit, as a disconnect is waited for.
    stream.read_to_end(&mut answer).await?;
    (answer == [DONE]).then_some(()).ok_or_else(failed)
}
