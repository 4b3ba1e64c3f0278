//! Both servers, and the way from started to synchronous.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::proxy::{Flow, Proxy, Way};
use super::sessions::{set_and_reload, superuser, value};
use super::spec::spec;
use super::standby::Standby;
use crate::causes::on_one_line;
use crate::chapter7::order::Order;
use crate::console::tell;
use crate::server::provision::{PairRole, RunningServer, ServerKind, provision};
use crate::server::{Frontend, FrontendError};

/// The standby's `application_name`, by which `synchronous_standby_names` lists it.
pub const STANDBY: &str = "s1";

/// How long a standby may take to stream, and to become synchronous.
const SYNCHRONOUS_LIMIT: Duration = Duration::from_secs(15);
/// A commit that is not acknowledged within this time waits for the standby.
const WAITS: Duration = Duration::from_millis(300);
/// How long a commit may take that nothing holds up.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A commit that changes nothing.
const COMMIT: &str = "SELECT pg_catalog.pg_logical_emit_message(true, 'procbench', '')";

/// File systems whose fsync keeps nothing.
const IN_MEMORY: [&str; 2] = ["tmpfs", "ramfs"];

/// A primary, its one standby, and the network between them.
#[derive(Debug)]
pub struct Pair {
    pub standby: RunningServer,
    pub proxy: Proxy,
    pub primary: RunningServer,
    /// The file system of the primary's cluster.
    pub file_system: String,
}

/// The file system of a server's cluster.
///
/// # Errors
/// When it is in memory.
fn on_a_disk(server: &RunningServer) -> Result<String, String> {
    let place = match server.kind() {
        ServerKind::Docker => "/var/lib/postgresql",
        _ => "$FILES",
    };
    let script = format!("df --output=fstype \"{place}\" | tail -n 1");
    let found = server.shell(&script, ANSWER_LIMIT, &|| false);
    let found = found.map_err(|e| on_one_line(&e))?;
    match IN_MEMORY.contains(&found.as_str()) {
        true => Err(format!(
            "the cluster would lie on {found}, where fsync keeps nothing, and local and on could not be told from off: set TMPDIR to a directory on a disk"
        )),
        false => Ok(found),
    }
}

impl Pair {
    /// Starts both; the standby begins as a copy of the primary.
    ///
    /// # Errors
    /// Why one of them cannot be started, or does not keep its cluster on a disk.
    pub fn start(order: &Order) -> Result<Self, String> {
        let primary = provision(&order.server, &spec(order, PairRole::Primary), &tell);
        let primary = primary.map_err(|e| on_one_line(&e))?;
        tell(&format!("procbench: primary: {}", primary.chosen_because()));
        let file_system = on_a_disk(&primary)?;
        let Standby { server, proxy } = Standby::start(order, &primary, STANDBY)?;
        Ok(Pair {
            standby: server,
            proxy,
            primary,
            file_system,
        })
    }

    /// Waits until the standby streams. Says whether a commit at `remote_apply` is then acknowledged without it, as
    /// long as `synchronous_standby_names` is empty.
    ///
    /// # Errors
    /// What a server says; the end of the standby's log where it does not stream in time.
    pub async fn without_list(&self) -> Result<bool, FrontendError> {
        let mut admin = superuser(&self.primary).await?;
        self.until_streaming(STANDBY, &mut admin).await?;
        let mut client = superuser(&self.primary).await?;
        client
            .query("SET synchronous_commit = 'remote_apply'")
            .await?;
        self.proxy.set(Way::ToPrimary, Flow::Cut);
        let committed = timeout(ANSWER_LIMIT, client.query(COMMIT)).await;
        self.proxy.set(Way::ToPrimary, Flow::Open);
        match committed {
            Ok(done) => done.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Waits until the standby of this name streams; `admin` is a session with the primary.
    ///
    /// # Errors
    /// What the server says; the end of the standby's log where it does not stream in time.
    pub async fn until_streaming(
        &self,
        name: &str,
        admin: &mut Frontend,
    ) -> Result<(), FrontendError> {
        self.until_it_is((name, "state"), "streaming", admin).await
    }

    /// Makes the standby the synchronous one, by a list that names it first, and makes sure that commits wait for it.
    /// `sync_state` alone does not say so: the setting reaches the processes that commit later than the one that shows it.
    ///
    /// # Errors
    /// What a server says; the end of the standby's log where it does not become synchronous in time.
    pub async fn make_synchronous(&self, list: &str) -> Result<(), FrontendError> {
        let mut admin = superuser(&self.primary).await?;
        // Its own changes need no standby.
        admin.query("SET synchronous_commit = 'local'").await?;
        set_and_reload(&mut admin, "synchronous_standby_names", list).await?;
        self.until_it_is((STANDBY, "sync_state"), "sync", &mut admin)
            .await?;
        let deadline = Instant::now() + SYNCHRONOUS_LIMIT;
        let mut client = superuser(&self.primary).await?;
        client.query("SET synchronous_commit = 'on'").await?;
        loop {
            self.proxy.set(Way::ToPrimary, Flow::Cut);
            let commit = client.query(COMMIT);
            tokio::pin!(commit);
            let early = timeout(WAITS, &mut commit).await;
            self.proxy.set(Way::ToPrimary, Flow::Open);
            match early {
                Err(_) => {
                    let late = |_| self.not_synchronous("a commit was not acknowledged");
                    return timeout(SYNCHRONOUS_LIMIT, commit).await.map_err(late)?;
                }
                Ok(done) => done?,
            }
            if Instant::now() >= deadline {
                return Err(
                    self.not_synchronous("commits are acknowledged while the standby is cut off")
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn until_it_is(
        &self,
        (name, column): (&str, &str),
        wanted: &str,
        admin: &mut Frontend,
    ) -> Result<(), FrontendError> {
        let sql = format!(
            "SELECT {column} FROM pg_catalog.pg_stat_replication WHERE application_name = '{name}'"
        );
        let deadline = Instant::now() + SYNCHRONOUS_LIMIT;
        loop {
            let is = value(admin, &sql).await?;
            if is.as_deref() == Some(wanted) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let is = is.unwrap_or_else(|| "not connected".to_owned());
                return Err(
                    self.not_synchronous(&format!("the {column} of {name} is {is}, not {wanted}"))
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn not_synchronous(&self, why: &str) -> FrontendError {
        let seconds = SYNCHRONOUS_LIMIT.as_secs();
        FrontendError::Here(format!(
            "the standby is not streaming and synchronous after {seconds} s: {why}; {}",
            self.standby_says()
        ))
    }

    fn standby_says(&self) -> String {
        let log = self.standby.log_tail();
        let end: Vec<&str> = log.lines().map(str::trim).collect();
        let end = end[end.len().saturating_sub(6)..].join(" / ");
        format!("the end of the standby's log: {end}")
    }

    /// Does what may wait for the standby for ever.
    ///
    /// # Errors
    /// What the work ends with, or that there was no end within `limit`, with the standby's last words.
    pub async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, FrontendError>>,
    ) -> Result<T, FrontendError> {
        let seconds = limit.as_secs();
        let late = |_| {
            let says = self.standby_says();
            Err(FrontendError::Here(format!(
                "no end after {seconds} s; {says}"
            )))
        };
        timeout(limit, work).await.unwrap_or_else(late)
    }

    /// Removes both.
    ///
    /// # Errors
    /// When a container does not go.
    pub fn stop(self) -> Result<(), String> {
        let stopped = [self.standby.stop(), self.primary.stop()];
        let stopped: Result<(), _> = stopped.into_iter().collect();
        stopped.map_err(|e| on_one_line(&e))
    }
}
