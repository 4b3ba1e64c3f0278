//! A server, or PgBouncer before it, that answers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::User;

use super::authentication::ServerCertificate;
use super::command::{run, run_unless};
use super::connect::{major_of, send};
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::pair::DATA_IN_CONTAINER;
use super::premap::PremapPage;
use super::process::Process;
use super::scratch::write_file;
use super::spec::ServerKind;
use super::sync_delay::SyncDelay;
use super::user::command_as;

/// How long a cluster may take to be copied.
const COPY_LIMIT: Duration = Duration::from_secs(120);

/// A server that answers, or a PgBouncer: stop that before its server. Everything this tool started for it
/// goes with [`stop`](Self::stop) or drop.
#[derive(Debug)]
pub struct RunningServer {
    /// `None` for one by URL.
    pub(super) process: Option<Process>,
    pub(super) endpoint: Endpoint,
    pub(super) admin: Option<Endpoint>,
    pub(super) certificate: Option<ServerCertificate>,
    pub(super) bin_dir: Option<PathBuf>,
    pub(super) user: Option<User>,
    pub(super) premap: Option<PremapPage>,
    pub(super) sync_delay: Option<SyncDelay>,
    pub(super) server_version: String,
    pub(super) chosen_because: String,
}

impl RunningServer {
    /// A pooler or server that is not ours.
    pub(super) fn by_url(endpoint: Endpoint, server_version: String) -> Self {
        Self {
            process: None,
            endpoint,
            admin: None,
            certificate: None,
            bin_dir: None,
            user: None,
            premap: None,
            sync_delay: None,
            server_version,
            chosen_because: String::new(),
        }
    }

    /// A node that something else starts, stops and promotes; it need not answer yet.
    pub(super) fn orchestrated(process: Process, admin: Endpoint, chosen_because: String) -> Self {
        Self {
            process: Some(process),
            admin: Some(admin.clone()),
            chosen_because,
            ..Self::by_url(admin, String::new())
        }
    }

    /// For the arms: the role and database `procbench`, or what the URL says. PgBouncer's is to be used in
    /// place of its server's; nothing else differs.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The superuser, through the Unix socket; `None` for a server that is not ours.
    pub fn admin_endpoint(&self) -> Option<&Endpoint> {
        self.admin.as_ref()
    }

    /// The PID on this host, where it can be seen, of the postmaster, for [`crate::procfs`], or of PgBouncer,
    /// which is one process with one thread. For a URL on this machine's Unix socket or loopback nothing is
    /// guessed.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref()?.pid()
    }

    /// Which server this is and why it was taken, one sentence for the user.
    pub fn chosen_because(&self) -> &str {
        &self.chosen_because
    }

    /// Where its forked children are told to map the PGPROC array, if it has the library for it.
    pub fn premap(&self) -> Option<&PremapPage> {
        self.premap.as_ref()
    }

    /// Where it is told by how much to delay its fdatasync, if it is one of a pair.
    pub fn sync_delay(&self) -> Option<&SyncDelay> {
        self.sync_delay.as_ref()
    }

    /// Makes a directory for sockets of ours that another server of ours is to find. It goes with this server.
    ///
    /// # Errors
    /// When it cannot be made; a server that is not ours.
    pub fn make_socket_dir(&self, name: &str) -> Result<PathBuf, ProvisionError> {
        let process = self.process.as_ref();
        let ours = process.ok_or_else(|| ProvisionError::new("the server is not ours"))?;
        // As for the server's own sockets: a container's user comes in through the mount.
        let mode = if ours.container().is_some() {
            0o777
        } else {
            0o700
        };
        ours.scratch.subdir(name, mode, self.user.as_ref())
    }

    /// Docker, local or URL.
    pub fn kind(&self) -> ServerKind {
        match (&self.process, self.container()) {
            (None, _) => ServerKind::Url,
            (_, None) => ServerKind::Local,
            (_, Some(_)) => ServerKind::Docker,
        }
    }

    /// The folder of the binaries it runs from, for a local cluster.
    pub fn bin_dir(&self) -> Option<&Path> {
        self.bin_dir.as_deref()
    }

    /// Where it runs in a container, its name, for `docker logs` and its cgroup, and the id (`sha256:...`) of
    /// the image.
    pub fn container(&self) -> Option<(&str, &str)> {
        self.process.as_ref()?.container()
    }

    /// `server_version` with the package suffix, e.g. `15.18 (Debian 15.18-0+deb12u1)`; of a PgBouncer of ours
    /// e.g. `PgBouncer 1.18.0`.
    pub fn server_version(&self) -> &str {
        &self.server_version
    }

    /// Major version of PostgreSQL.
    pub fn pg_major(&self) -> Option<u32> {
        major_of(&self.server_version)
    }

    /// Whether its process runs. A URL counts as alive: only a connection could tell.
    pub fn is_alive(&self) -> bool {
        self.process.as_ref().is_none_or(Process::is_alive)
    }

    /// The end of its log; empty for a URL.
    pub fn log_tail(&self) -> String {
        let process = self.process.as_ref();
        process.map_or_else(String::new, Process::log_tail)
    }

    /// All that it has logged; empty for a URL, and where the log cannot be read.
    pub fn log(&self) -> Vec<u8> {
        self.process.as_ref().map_or_else(Vec::new, Process::log)
    }

    /// Runs a shell script where the server's programs are, as its user. It finds the directory of the superuser's
    /// socket in `$SOCKETS`, the port in `$PORT`, and a directory for files in `$FILES`. Gives what it prints, trimmed.
    ///
    /// # Errors
    /// What the script said last if it failed; that it was killed because of its time or of `is_stopped`; a server that is
    /// not ours.
    pub fn shell(
        &self,
        script: &str,
        limit: Duration,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<String, ProvisionError> {
        let (Some(process), Some(admin)) = (&self.process, &self.admin) else {
            return Err(ProvisionError::new(
                "programs run beside servers of ours only",
            ));
        };
        let port = format!("PORT={}", admin.port);
        let mut command = match (self.container(), &self.bin_dir) {
            (Some((name, _)), _) => {
                let mut command = Command::new("docker");
                command.args(["exec", "--env", &port, "--env=SOCKETS=/sockets"]);
                command.args(["--env=FILES=/procbench", name, "sh", "-euc", script]);
                command
            }
            (None, bin_dir) => {
                let mut command = command_as(Path::new("/bin/sh"), self.user.as_ref());
                let bin_dir = bin_dir.as_deref().unwrap_or(Path::new("/usr/bin"));
                let [sockets, files] =
                    ["sockets", "pgdata"].map(|dir| process.scratch.path().join(dir));
                command
                    .args(["-euc", script])
                    .env("PATH", format!("{}:/usr/bin:/bin", bin_dir.display()))
                    .env("PORT", admin.port.to_string())
                    .env("SOCKETS", sockets)
                    .env("FILES", files);
                command
            }
        };
        let ended = run_unless(&mut command, limit, is_stopped)
            .map_err(ProvisionError::when("cannot run a script"))?;
        ended
            .into_result()
            .map_err(ProvisionError::when("a script failed"))
    }

    fn ours(&mut self) -> Result<&mut Process, ProvisionError> {
        let process = self.process.as_mut();
        process.ok_or_else(|| ProvisionError::new("the server is not ours"))
    }

    /// Kills the postmaster and all its children at the same moment (SIGKILL), and calls `just_before` right before.
    /// The cluster stays, for [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// When a container does not end; a server that is not ours.
    pub fn kill(&mut self, just_before: &mut dyn FnMut()) -> Result<(), ProvisionError> {
        self.ours()?.kill(just_before)
    }

    /// Shuts it down in order (fast shutdown), for [`start_again`](Self::start_again).
    ///
    /// # Errors
    /// When it does not end; a server that is not ours.
    pub fn shut_down(&mut self) -> Result<(), ProvisionError> {
        self.ours()?.ask_to_end(Signal::SIGINT)
    }

    /// Starts the postmaster again, after a script to which `$data` is the cluster's directory. Does not wait until it
    /// answers.
    ///
    /// # Errors
    /// When it cannot be started; a server that is not ours.
    pub fn start_again(&mut self, script: &str) -> Result<(), ProvisionError> {
        let process = self.ours()?;
        let path = process.scratch.path().join("files/before");
        write_file(&path, script, 0o644, None)?;
        process.start_again()
    }

    /// Copies the cluster of a server that is down to a directory that is not there yet.
    ///
    /// # Errors
    /// When it cannot be copied; a server that is not ours.
    pub fn keep_cluster(&mut self, to: &Path) -> Result<(), ProvisionError> {
        let process = self.ours()?;
        let mut copy = match process.container() {
            Some((name, _)) => {
                let mut copy = Command::new("docker");
                copy.args(["cp", "--archive", &format!("{name}:{DATA_IN_CONTAINER}")]);
                copy
            }
            None => {
                let mut copy = Command::new("cp");
                copy.arg("-a").arg(process.scratch.path().join("pgdata"));
                copy
            }
        };
        let copied = run(copy.arg(to), COPY_LIMIT);
        let copied = copied.map_err(ProvisionError::at("cannot copy to", to))?;
        let copied = copied.into_result().map(drop);
        copied.map_err(ProvisionError::at("cannot copy to", to))
    }

    /// Removes everything started for it.
    ///
    /// # Errors
    /// When Docker does not remove the container; the next run's sweep tries again.
    pub fn stop(mut self) -> Result<(), ProvisionError> {
        self.process.as_mut().map_or(Ok(()), Process::end)
    }
}

/// Makes and fills `pgbench_accounts` as `pgbench -i` does at scale 1 (`initCreateTables`,
/// `initGenerateDataServerSide`, `initCreatePKeys`, `initVacuum` in pgbench.c): 100,000 rows,
/// `filler char(84)`, primary key, VACUUM ANALYZE. Replaces an existing one.
///
/// # Errors
/// On a server given by URL, which is never changed; when a statement fails.
pub fn init_pgbench_accounts(server: &RunningServer) -> Result<(), ProvisionError> {
    if server.admin.is_none() {
        return Err(ProvisionError::new(
            "initialising pgbench_accounts is only done on a server procbench started itself, not on one given by URL",
        ));
    }
    // One at a time: VACUUM may not share a simple query with others.
    let statements = [
        "DROP TABLE IF EXISTS pgbench_accounts",
        "CREATE TABLE pgbench_accounts (aid int NOT NULL, bid int, abalance int, filler char(84)) \
         WITH (fillfactor=100)",
        "INSERT INTO pgbench_accounts (aid, bid, abalance, filler) \
         SELECT aid, 1, 0, '' FROM generate_series(1, 100000) AS aid",
        "ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid)",
        "VACUUM ANALYZE pgbench_accounts",
    ];
    send(server.endpoint(), &statements.map(|s| (s, s))).map(drop)
}
