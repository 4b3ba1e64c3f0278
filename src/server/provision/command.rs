//! Running helper programs with a bound on their time.

use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a helper program left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// What it printed on stdout, trimmed, if it succeeded; else its last words.
    pub(crate) fn into_result(self) -> Result<String, String> {
        match self.success {
            true => Ok(self.stdout.trim().to_owned()),
            false => Err(self.last_words()),
        }
    }

    /// The last lines of what it said, stderr preferred, on one line.
    pub(crate) fn last_words(&self) -> String {
        let said = [&self.stderr, &self.stdout].map(|text| tail(text.trim(), 3));
        let words = said.iter().find(|words| !words.is_empty());
        words.map_or_else(|| "no output".to_owned(), |w| w.replace('\n', " / "))
    }
}

/// Asks again and again, with so many ms between, until there is an answer; `None` after the limit.
pub(crate) fn poll<T>(
    limit: Duration,
    pause_ms: u64,
    mut ask: impl FnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(pause_ms));
    }
}

/// The last `count` lines.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Runs a program to its end, killing it after `limit`. It gets its own process group, so that
/// Ctrl-C in the terminal does not end a clean-up half-way. Our password stays out of its environment.
pub(crate) fn run(command: &mut Command, limit: Duration) -> std::io::Result<Finished> {
    run_unless(command, limit, &|| false)
}

/// The same, killing it also as soon as it `is_stopped`.
pub(crate) fn run_unless(
    command: &mut Command,
    limit: Duration,
    is_stopped: &dyn Fn() -> bool,
) -> std::io::Result<Finished> {
    // Files, not pipes: nothing to drain while waiting.
    let mut stdout = tempfile::tempfile()?;
    let mut stderr = tempfile::tempfile()?;
    let mut child = command
        .env_remove("PGPASSWORD")
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .process_group(0)
        .spawn()?;
    let ended = poll(limit, 5, || match child.try_wait().transpose() {
        None if is_stopped() => Some(Err(std::io::ErrorKind::Interrupted.into())),
        ended => ended,
    });
    let late = || {
        let after = format!("no end after {} s", limit.as_secs());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, after))
    };
    let ended = ended.unwrap_or_else(late);
    if ended.is_err() {
        child.kill()?;
        child.wait()?;
    }
    let success = ended?.success();
    let read = |file: &mut std::fs::File| -> std::io::Result<String> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Finished {
        success,
        stdout: read(&mut stdout)?,
        stderr: read(&mut stderr)?,
    })
}

/// Stdout, trimmed, of a program that succeeded within the limit.
pub(crate) fn run_bounded(command: &mut Command, limit: Duration) -> Option<String> {
    run(command, limit).ok()?.into_result().ok()
}

/// A program in one of `PATH`'s folders, or in the sbin folders, where Debian puts PgBouncer.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
}

/// Runs a long program, passing each line of its output on; the result holds all of them. Our
/// password stays out of its environment.
pub(crate) fn run_with_progress(
    command: &mut Command,
    progress: &dyn Fn(&str),
) -> std::io::Result<Finished> {
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .env_remove("PGPASSWORD")
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()?;
    // The command holds the write ends too; only the child's may keep the pipe open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut kept: Vec<String> = Vec::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = strip_colour(&String::from_utf8_lossy(&line?));
        if !line.trim().is_empty() {
            progress(line.trim_end());
            kept.push(line);
        }
    }
    let status = child.wait()?;
    Ok(Finished {
        success: status.success(),
        stdout: kept.join("\n"),
        stderr: String::new(),
    })
}

/// Docker's classic builder colours what came from stderr.
fn strip_colour(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().into_iter();
    // A sequence ends with its first letter.
    let rest = parts.filter_map(|p| p.split_once(|c: char| c.is_ascii_alphabetic()));
    first.chain(rest.map(|(_, text)| text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_killed_and_named() {
        let error = run(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        let limit = Duration::from_secs(60);
        let error = run_unless(Command::new("sleep").arg("60"), limit, &|| true).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    }

    #[test]
    fn both_streams_are_kept_apart_and_progress_sees_every_line() {
        let script = "echo out; echo err >&2; exit 3";
        let done = run(
            Command::new("sh").args(["-c", script]),
            Duration::from_secs(30),
        )
        .unwrap();
        assert_eq!(
            (
                done.success,
                done.stdout.as_str(),
                done.last_words().as_str()
            ),
            (false, "out\n", "err")
        );
        let seen = std::cell::RefCell::new(Vec::new());
        let done = run_with_progress(
            Command::new("sh").args(["-c", "printf '\\033[91mred\\033[0m\\n'; echo b >&2"]),
            &|l| {
                seen.borrow_mut().push(l.to_owned());
            },
        )
        .unwrap();
        assert!(done.success);
        assert_eq!(seen.into_inner(), ["red", "b"]);
    }
}
