//! A primary and two standbys that die and come back: a stopped copy of each is kept, with which every trial begins.

use std::path::PathBuf;
use std::time::Duration;

use super::arms::{Arm, SECOND};
use super::session::make_tables;
use crate::causes::on_one_line;
use crate::chapter7::order::Order;
use crate::chapter7::pair::{
    Flow, Pair, STANDBY, Standby, defaults, superuser, until_ready, value,
};
use crate::server::provision::{ProvisionError, RunningServer};
use crate::server::{Frontend, FrontendError};

/// Makes the kept copy, which is of a cluster that was shut down, or goes back to it.
const GO_BACK: &str = r#"golden=$data.golden
if [ ! -e "$golden/PG_VERSION" ]; then
    mkdir -p "$golden"
    cp -a "$data/." "$golden/"
fi
rm -rf "$data"/*
cp -a "$golden/." "$data/"
"#;

/// How far the second standby is away.
const FAR: Duration = Duration::from_millis(100);

/// All servers of a run. Between two trials none of them runs.
pub(super) struct Cluster {
    /// The far one.
    pub second: Standby,
    /// The primary and its near standby.
    pub pair: Pair,
}

fn here(error: ProvisionError) -> FrontendError {
    FrontendError::here(on_one_line(&error))
}

/// Kills a server that runs.
fn kill(server: &mut RunningServer) -> Result<(), ProvisionError> {
    match server.is_alive() {
        true => server.kill(&mut || {}),
        false => Ok(()),
    }
}

impl Cluster {
    /// Starts all of them; the standbys begin as copies of the primary.
    ///
    /// # Errors
    /// Why one of them cannot be started.
    pub(super) fn start(order: &Order) -> Result<Self, String> {
        let pair = Pair::start(order)?;
        let second = Standby::start(order, &pair.primary, SECOND)?;
        Ok(Cluster { second, pair })
    }

    /// Makes the table, and shuts all of them down in order. Gives `data_checksums`, and the two settings' defaults.
    ///
    /// # Errors
    /// What a server says.
    pub(super) async fn prepare(
        &mut self,
    ) -> Result<(Option<String>, (String, String)), FrontendError> {
        let mut admin = superuser(&self.pair.primary).await?;
        for name in [STANDBY, SECOND] {
            self.pair.until_streaming(name, &mut admin).await?;
        }
        let checksums = value(&mut admin, "SHOW data_checksums").await?;
        let defaults = defaults(&self.pair.primary).await?;
        make_tables(&self.pair.primary).await?;
        admin.query("CHECKPOINT").await?;
        // The primary first: it waits until both have everything.
        for server in self.servers() {
            server.shut_down().map_err(here)?;
        }
        Ok((checksums, defaults))
    }

    fn servers(&mut self) -> [&mut RunningServer; 3] {
        let pair = &mut self.pair;
        [
            &mut pair.primary,
            &mut pair.standby,
            &mut self.second.server,
        ]
    }

    /// Brings back what an arm needs, as it was, with the arm's list and delays. Gives a session with the primary.
    ///
    /// # Errors
    /// What a server says; that a standby does not stream or is not waited for.
    pub(super) async fn go_back(&mut self, arm: Arm) -> Result<Frontend, FrontendError> {
        self.clear()?;
        let wanted = [true, arm.has_standby(), arm.has_second()];
        for (server, is_wanted) in self.servers().into_iter().zip(wanted) {
            if is_wanted {
                server.start_again(GO_BACK).map_err(here)?;
            }
        }
        let pair = &self.pair;
        let mut admin = until_ready(&pair.primary).await?;
        admin.query("SET synchronous_commit = 'local'").await?;
        if arm.has_second() {
            until_ready(&self.second.server).await?;
            pair.until_streaming(SECOND, &mut admin).await?;
            self.second.proxy.delay(FAR);
        }
        if arm.has_standby() {
            until_ready(&pair.standby).await?;
            pair.until_streaming(STANDBY, &mut admin).await?;
        }
        if let Some(list) = arm.list() {
            pair.make_synchronous(list).await?;
        }
        pair.proxy.delay(arm.delay());
        Ok(admin)
    }

    /// Cuts every way to and from the primary.
    pub(super) fn cut(&self) {
        self.pair.proxy.set_both(Flow::Cut);
        self.second.proxy.set_both(Flow::Cut);
    }

    /// Kills the primary, all of its processes at the same moment; the network is cut right before.
    ///
    /// # Errors
    /// When a container does not end.
    pub(super) fn kill_primary(&mut self, at: &mut dyn FnMut()) -> Result<(), FrontendError> {
        let (near, far) = (&self.pair.proxy, &self.second.proxy);
        let killed = self.pair.primary.kill(&mut || {
            near.set_both(Flow::Cut);
            far.set_both(Flow::Cut);
            at();
        });
        killed.map_err(here)
    }

    /// Kills the near standby and starts it again after a script.
    ///
    /// # Errors
    /// When it does not end or does not come back.
    pub(super) async fn crash_standby(&mut self, script: &str) -> Result<(), FrontendError> {
        let standby = &mut self.pair.standby;
        standby.kill(&mut || {}).map_err(here)?;
        if let Some(page) = standby.sync_delay() {
            page.set(Duration::ZERO)?;
        }
        standby.start_again(script).map_err(here)?;
        until_ready(standby).await.map(drop)
    }

    /// Starts the primary again with what it has.
    ///
    /// # Errors
    /// When it does not come back.
    pub(super) async fn start_primary(&mut self) -> Result<(), FrontendError> {
        let primary = &mut self.pair.primary;
        primary.start_again("").map_err(here)?;
        until_ready(primary).await.map(drop)
    }

    /// Ends whatever runs, and takes away all that holds something up. Only then is the network whole again: what was
    /// held arrives nowhere.
    ///
    /// # Errors
    /// When a server does not end.
    pub(super) fn clear(&mut self) -> Result<(), FrontendError> {
        for server in self.servers() {
            kill(server).map_err(here)?;
            if let Some(page) = server.sync_delay() {
                page.set(Duration::ZERO)?;
            }
        }
        for proxy in [&self.pair.proxy, &self.second.proxy] {
            proxy.delay(Duration::ZERO);
            proxy.set_both(Flow::Open);
        }
        Ok(())
    }

    /// Copies all clusters to a directory that nobody removes. Gives its path.
    ///
    /// # Errors
    /// Why that cannot be done.
    pub(super) fn keep(&mut self) -> Result<PathBuf, String> {
        self.clear().map_err(|e| on_one_line(&e))?;
        let dir = tempfile::Builder::new().prefix("procbench-kept-").tempdir();
        let dir = dir.map_err(|e| format!("cannot make a directory: {e}"))?;
        let dir = dir.keep();
        let names = ["primary", STANDBY, SECOND];
        for (server, name) in self.servers().into_iter().zip(names) {
            let kept = server.keep_cluster(&dir.join(name));
            kept.map_err(|e| on_one_line(&e))?;
        }
        Ok(dir)
    }

    /// Removes all of them.
    ///
    /// # Errors
    /// When a container does not go.
    pub(super) fn stop(self) -> Result<(), String> {
        let stopped = self.second.server.stop().map_err(|e| on_one_line(&e));
        self.pair.stop().and(stopped)
    }
}
