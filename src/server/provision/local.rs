//! A throw-away cluster of installed binaries.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::authentication::pg_hba;
use super::certificate::ServerCertificate;
use super::command::{run, tail};
use super::error::ProvisionError;
use super::image::{INITDB_ARGS, POSTGRESQL_CONF};
use super::scratch::{Scratch, ServerUser, check_socket_path};
use super::server_files::{CERTIFICATE, KEY, write_file};
use super::spec::ServerSpec;
use super::{bootstrap, endpoint};
use crate::factor::DEFAULT_PG_MAJOR;
use crate::factor::PgSource;
use crate::server::procfs;

/// Bound on initdb; it takes under two seconds on an idle machine.
const INITDB_LIMIT: Duration = Duration::from_secs(120);

/// The first major version whose initdb makes data checksums unless told not to.
const CHECKSUMS_BY_DEFAULT: u32 = 18;

/// How long an immediate shutdown may take before the postmaster is killed.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// A folder with `postgres` and `initdb`, and their version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalBinaries {
    /// Major version.
    pub major: u32,
    /// Folder of `postgres`.
    pub bin_dir: PathBuf,
}

/// All server binaries found in `/usr/lib/postgresql/*/bin`, by `pg_config --bindir` and on `PATH`,
/// newest first, one per major version.
pub fn find_local_binaries() -> Vec<LocalBinaries> {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Ok(entries) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(entries.flatten().map(|e| e.path().join("bin")));
    }
    if let Ok(done) = run(
        Command::new("pg_config").arg("--bindir"),
        Duration::from_secs(5),
    ) && done.success
    {
        folders.push(PathBuf::from(done.stdout.trim()));
    }
    if let Some(postgres) = find_on_path("postgres") {
        folders.extend(postgres.parent().map(Path::to_owned));
    }
    let mut found: Vec<LocalBinaries> = Vec::new();
    for bin_dir in folders {
        if !bin_dir.join("initdb").is_file() {
            continue;
        }
        if let Some(major) = major_of_binary(&bin_dir.join("postgres"), None)
            && !found.iter().any(|b| b.major == major)
        {
            found.push(LocalBinaries { major, bin_dir });
        }
    }
    found.sort_by_key(|b| std::cmp::Reverse(b.major));
    found
}

/// `postgres --version` says `postgres (PostgreSQL) 15.18 (Debian ...)`.
fn major_of_binary(postgres: &Path, user: Option<&ServerUser>) -> Option<u32> {
    let done = run(
        as_user(postgres, user).arg("--version"),
        Duration::from_secs(5),
    )
    .ok()?;
    bootstrap::major_of(done.stdout.split_ascii_whitespace().nth(2)?)
}

/// A program in one of `PATH`'s folders, or in the sbin folders, where Debian puts PgBouncer.
pub(crate) fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
}

/// The binaries for a spec.
///
/// # Errors
/// When none, or none of the version asked for, is installed.
pub(crate) fn choose_binaries(spec: &ServerSpec) -> Result<LocalBinaries, ProvisionError> {
    if let Some(PgSource::Bin(dir)) = &spec.source {
        return own_build(dir);
    }
    let found = find_local_binaries();
    let wanted = |major: u32| found.iter().find(|b| b.major == major);
    match spec.pg_major() {
        Some(major) => wanted(major),
        None => wanted(DEFAULT_PG_MAJOR).or_else(|| found.first()),
    }
    .cloned()
    .ok_or(ProvisionError::NoLocalBinaries {
        major: spec.pg_major(),
    })
}

/// The binaries in a directory that was named.
fn own_build(dir: &Path) -> Result<LocalBinaries, ProvisionError> {
    let complete = dir.join("initdb").is_file();
    // As whom it will run: root may see what the server's user may not.
    let user = ServerUser::to_drop_to()?;
    match major_of_binary(&dir.join("postgres"), user.as_ref()).filter(|_| complete) {
        Some(major) => Ok(LocalBinaries {
            major,
            bin_dir: dir.to_owned(),
        }),
        None => Err(ProvisionError::NotBinaries {
            dir: dir.to_owned(),
            user: user.map_or_else(|| "you".to_owned(), |u| format!("user {}", u.name)),
        }),
    }
}

/// A server process of ours in a scratch directory: a postmaster or a local PgBouncer.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    start_ticks: u64,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts it in its own process group (Ctrl-C in a terminal must not reach it), as `user` when
    /// given, with an empty environment, its output in `log`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        dir: &Path,
        log: PathBuf,
        user: Option<&ServerUser>,
    ) -> Result<Self, ProvisionError> {
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(ProvisionError::io(format!(
                "cannot write {}",
                log.display()
            )))?;
        let cannot = |e| ProvisionError::Io {
            what: format!("cannot start {}", program.display()),
            source: e,
        };
        let mut command = as_user(program, user);
        let child = command
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(cannot)?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        // Our child: it cannot be reaped by others, so the PID is certainly its own.
        let start_ticks = procfs::process_stat(child.id()).map_or(0, |s| s.start_ticks);
        Ok(Self {
            child,
            start_ticks,
            log,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_alive(&self) -> bool {
        procfs::is_running(self.child.id(), self.start_ticks)
    }

    pub(crate) fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        tail(&String::from_utf8_lossy(&bytes), 20)
    }

    /// What it has logged, from a byte on.
    pub(crate) fn log_from(&self, byte: usize) -> Vec<u8> {
        let log = fs::read(&self.log).unwrap_or_default();
        log.get(byte..).unwrap_or_default().to_vec()
    }

    /// Asks with `signal`, then kills; always reaps.
    pub(crate) fn end(&mut self, signal: Signal) {
        let deadline = Instant::now() + SHUTDOWN_LIMIT;
        if let Ok(None) = self.child.try_wait()
            && let Ok(pid) = i32::try_from(self.child.id())
        {
            // Not reaped yet, so the PID is still this child's.
            let _ = kill(Pid::from_raw(pid), signal);
        }
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A command with an empty environment, run as another user when one is given. `std` also drops the
/// supplementary groups when it sets a uid as root.
fn as_user(program: &Path, user: Option<&ServerUser>) -> Command {
    let mut command = Command::new(program);
    // PGPASSWORD, PGOPTIONS, PGDATA and the locale would all reach the server otherwise.
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C");
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// A throw-away cluster with its postmaster as our child.
#[derive(Debug)]
pub(crate) struct LocalCluster {
    postmaster: ServerProcess,
    pub(crate) bin_dir: PathBuf,
    pub(crate) socket_dir: PathBuf,
    pub(crate) user: Option<ServerUser>,
    // Last: removed after the postmaster has ended.
    scratch: Option<Scratch>,
}

impl LocalCluster {
    /// initdb and postgres with the settings of `docker/`.
    pub(crate) fn start(
        binaries: &LocalBinaries,
        spec: &ServerSpec,
        certificate: Option<&ServerCertificate>,
        port: u16,
        progress: &dyn Fn(&str),
    ) -> Result<Self, ProvisionError> {
        let user = ServerUser::to_drop_to()?;
        let user_ref = user.as_ref();
        let scratch = Scratch::new(user.is_some())?;
        let pgdata = scratch.subdir("pgdata", 0o700, user_ref)?;
        // Nobody but the server's user (and root) may enter: the superuser is trusted through it.
        let socket_dir = scratch.subdir("sockets", 0o700, user_ref)?;
        check_socket_path(&endpoint::socket_file(&socket_dir, port))?;
        progress(&format!(
            "initdb with PostgreSQL {} of {}{}",
            binaries.major,
            binaries.bin_dir.display(),
            user_ref
                .map(|u| format!(" as user {}", u.name))
                .unwrap_or_default()
        ));
        let mut initdb = as_user(&binaries.bin_dir.join("initdb"), user_ref);
        initdb
            .args(INITDB_ARGS.split_ascii_whitespace())
            .args((binaries.major >= CHECKSUMS_BY_DEFAULT).then_some("--no-data-checksums"))
            .arg("-D")
            .arg(&pgdata)
            .current_dir(&pgdata);
        let done =
            run(&mut initdb, INITDB_LIMIT).map_err(ProvisionError::io("cannot run initdb"))?;
        if !done.success {
            return Err(ProvisionError::Command {
                what: "initdb".into(),
                detail: done.last_words(),
            });
        }
        append(&pgdata.join("postgresql.conf"), POSTGRESQL_CONF)?;
        let hba = pgdata.join("pg_hba.conf");
        fs::write(&hba, pg_hba(spec)).map_err(ProvisionError::io(format!(
            "cannot write {}",
            hba.display()
        )))?;
        if let Some(certificate) = certificate {
            let (crt, key) = (pgdata.join(CERTIFICATE), pgdata.join(KEY));
            write_file(&crt, &certificate.pem, 0o600)?;
            write_file(&key, certificate.key_pem.expose(), 0o600)?;
            if let Some(user) = user_ref {
                user.give(&crt)?;
                user.give(&key)?;
            }
        }
        let mut arguments = vec![
            "-D".to_owned(),
            pgdata.display().to_string(),
            "-c".to_owned(),
            format!("unix_socket_directories={}", socket_dir.display()),
        ];
        arguments.extend(spec.postgres_args(port));
        let postmaster = ServerProcess::start(
            &binaries.bin_dir.join("postgres"),
            &arguments,
            &pgdata,
            scratch.path().join("log"),
            user_ref,
        )?;
        Ok(Self {
            postmaster,
            bin_dir: binaries.bin_dir.clone(),
            socket_dir,
            user,
            scratch: Some(scratch),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.postmaster.pid()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.postmaster.is_alive()
    }

    pub(crate) fn log_tail(&self) -> String {
        self.postmaster.log_tail()
    }

    pub(crate) fn log_from(&self, byte: usize) -> Vec<u8> {
        self.postmaster.log_from(byte)
    }

    /// To be called once it answers; see [`Scratch::note_shared_memory`].
    pub(crate) fn note_shared_memory(&self) {
        if let Some(scratch) = &self.scratch {
            scratch.note_shared_memory(self.pid());
        }
    }

    /// Immediate shutdown (SIGQUIT: nothing in it is to be kept), then everything else goes.
    pub(crate) fn remove(&mut self) {
        self.postmaster.end(Signal::SIGQUIT);
        self.scratch = None;
    }
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        self.remove();
    }
}

fn append(path: &Path, text: &str) -> Result<(), ProvisionError> {
    use std::io::Write;
    fs::OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .map_err(ProvisionError::io(format!(
            "cannot write {}",
            path.display()
        )))
}
