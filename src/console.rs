//! Lines to the user: results on stdout, everything else on stderr.

use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// How much is told beside results and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    /// Nothing (`--quiet`).
    Quiet,
    /// What happens, and what is to be known about it.
    Usual,
    /// Every block and every file, too (`--verbose`).
    Verbose,
}

static TALK: AtomicU8 = AtomicU8::new(Talk::Usual as u8);

/// Sets how much is told, for the whole process.
pub fn set_talk(talk: Talk) {
    TALK.store(talk as u8, Ordering::Relaxed);
}

/// Whether at least so much is told.
pub fn talks(talk: Talk) -> bool {
    TALK.load(Ordering::Relaxed) >= talk as u8
}

/// Writes a line to stderr, unless nothing is to be told.
pub fn tell(line: &str) {
    if talks(Talk::Usual) {
        complain(line);
    }
}

/// Writes a line about a single step to stderr, where each is to be told.
pub fn detail(line: &str) {
    if talks(Talk::Verbose) {
        complain(line);
    }
}

/// Writes what went wrong to stderr. A reader or terminal that has gone away is no error: `eprintln!` would panic,
/// and with it would go the run that was being measured.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The first failure of stdout.
static STDOUT_FAILED: OnceLock<io::Error> = OnceLock::new();

/// Prints a result on stdout; [`end_of_output`] says whether all of it was taken.
pub fn print(text: impl AsRef<[u8]>) {
    printed(io::stdout().lock().write_all(text.as_ref()));
}

/// Keeps the failure of a write to stdout, for [`end_of_output`]. A reader that has gone away (`| head`) is none.
pub fn printed(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // The first one says why.
        let _ = STDOUT_FAILED.set(error);
    }
}

/// Whether stdout has taken everything that was printed in this process.
///
/// # Errors
/// Why it has not.
pub fn end_of_output() -> Result<(), String> {
    printed(io::stdout().lock().flush());
    match STDOUT_FAILED.get() {
        None => Ok(()),
        Some(error) => Err(format!(
            "not everything could be written to standard output: {error}"
        )),
    }
}
