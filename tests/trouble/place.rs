//! A place of its own for each test: temp dir, output directory, stand-ins for programs. What one test
//! leaves another one's sweep does not see, so that they can run side by side.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Directories of one test; whatever still runs in them is ended on drop.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// A fresh one. Short paths: sockets will lie below.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("pbt").tempdir().unwrap();
        let open = |path: &Path| {
            // The user that a server drops to must get through.
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        open(dir.path());
        for name in ["t", "bin", "log"] {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            open(&path);
        }
        Place { dir }
    }

    /// `TMPDIR` of the program under test.
    pub fn tmp(&self) -> PathBuf {
        self.dir.path().join("t")
    }

    /// A file or directory of the test itself.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `PATH` with the stand-ins first.
    pub fn search_path(&self) -> String {
        let path = std::env::var("PATH").unwrap();
        format!("{}:{path}", self.path("bin").display())
    }

    /// Puts a script before the real `program`. `before` runs first; then the real one, where there is any.
    pub fn stand_in(&self, program: &str, before: &str) {
        let path = std::env::var("PATH").unwrap();
        let real = std::env::split_paths(&path)
            .chain([PathBuf::from("/usr/sbin")])
            .map(|dir| dir.join(program))
            .find(|p| p.is_file())
            .map_or_else(|| "false".to_owned(), |p| p.display().to_string());
        let script = self.path("bin").join(program);
        fs::write(
            &script,
            format!("#!/bin/sh\n{before}\nexec {real} \"$@\"\n"),
        )
        .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Processes that work in the temp dir or were told about it: servers, poolers, initdb.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let tmp = self.tmp().display().to_string();
        all_pids()
            .into_iter()
            .filter_map(|pid| {
                let title = title(pid);
                let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
                let here = cwd.starts_with(&tmp) || title.contains(&tmp);
                (here && state(pid).is_some_and(|s| s != 'Z')).then_some((pid, title))
            })
            .collect()
    }

    /// Names of everything in the temp dir.
    pub fn in_tmp(&self) -> Vec<String> {
        let entries = fs::read_dir(self.tmp()).unwrap();
        entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// Every file below `name` that contains `text`.
    pub fn files_with(&self, name: &str, text: &str) -> Vec<PathBuf> {
        fn walk(path: &Path, text: &[u8], found: &mut Vec<PathBuf>) {
            if path.is_dir() {
                for entry in fs::read_dir(path).unwrap() {
                    walk(&entry.unwrap().path(), text, found);
                }
            } else if fs::read(path)
                .unwrap()
                .windows(text.len())
                .any(|window| window == text)
            {
                found.push(path.to_owned());
            }
        }
        let mut found = Vec::new();
        walk(&self.path(name), text.as_bytes(), &mut found);
        found
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            send(pid, Signal::SIGKILL);
        }
    }
}

/// Every process that can be seen.
pub fn all_pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect()
}

/// The command line of a process, arguments separated by blanks.
pub fn title(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// The fields of `/proc/PID/stat` after the program's name: state first.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_ascii_whitespace().map(str::to_owned).collect())
}

/// `R`, `S`, `Z` and the like.
pub fn state(pid: u32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// Start time in ticks after boot.
pub fn start_ticks(pid: u32) -> u64 {
    stat(pid).unwrap()[19].parse().unwrap()
}

/// Children of all threads of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|t| fs::read_to_string(t.path().join("children")).ok())
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .map(|p| p.parse().unwrap())
                .collect::<Vec<u32>>()
        })
        .collect()
}

/// The program's name.
pub fn program(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

/// Sends a signal; the process may have gone.
pub fn send(pid: u32, signal: Signal) {
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal);
}
