//! A look at a server by URL with ordinary rights, before any load: settings, who is there, and whether
//! the address is a pooler's. Only SELECTs are sent (and, where one was recognised that hands out
//! connections by transaction or statement, one BEGIN and ROLLBACK). No SET: it would stay behind in a pooler's
//! server connection.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::frontend::{Frontend, FrontendError, Row, sessions_opened};
use super::patience::Patience;
use super::provision::Endpoint;
use super::target::{Target, event_loop};
use crate::config::Disconnect;
use crate::record::{Between, Census, OthersConnections, PoolMode, Survey};

/// How long a second connection may wait for a backend while the first one keeps its own.
const SECOND_LIMIT: Duration = Duration::from_secs(2);
/// Statistics of 14 may be half a second old (pgstat.c `PGSTAT_STAT_INTERVAL`); later ones are not.
const STATISTICS_DELAY: Duration = Duration::from_millis(600);
/// First major version with `pg_stat_database.sessions`.
const COUNTS_SESSIONS: u32 = 14;

/// `pg_stat_database.sessions` over all databases at one time.
#[derive(Debug, Clone, Copy)]
struct SessionsRead {
    at: Instant,
    /// What the server has counted.
    total: u64,
    /// What this process has opened.
    ours: u64,
}

/// A server that was looked at, to be looked at again after the load.
pub(super) struct Surveyed {
    target: Target,
    patience: Patience,
    /// What was seen.
    pub(super) survey: Survey,
    at_first: Option<SessionsRead>,
}

impl Surveyed {
    /// Looks at the server.
    ///
    /// # Errors
    /// What the server or the system said.
    pub(super) fn look(endpoint: &Endpoint, patience: Patience) -> Result<Self, FrontendError> {
        let target = Target::new(endpoint)?;
        let looker = Looker {
            target: &target,
            patience: &patience,
        };
        let (survey, at_first) = block_on(async {
            let mut first = looker.connect().await?;
            let (mut survey, pid, port) = looker.facts(&mut first).await?;
            survey.census = looker.census(&mut first).await?;
            let there = survey.census.connections;
            survey.free_connections = survey.free_connections.saturating_sub(there);
            survey.between = looker.between(&mut first, pid, port).await?;
            let at_first = looker.sessions(&mut first, survey.pg_major).await?;
            looker.close(first).await;
            Ok((survey, at_first))
        })?;
        Ok(Surveyed {
            target,
            patience,
            survey,
            at_first,
        })
    }

    /// Looks again: what the server's other users did since. Nothing where it is unknown.
    pub(super) fn look_again(&mut self) {
        let Some(at_first) = self.at_first else {
            return;
        };
        let looker = Looker {
            target: &self.target,
            patience: &self.patience,
        };
        let again = block_on(async {
            let mut session = looker.connect().await?;
            let read = looker.sessions(&mut session, self.survey.pg_major).await?;
            looker.close(session).await;
            Ok(read)
        });
        // A server that has died meanwhile says so elsewhere.
        let Ok(Some(again)) = again else { return };
        let without_ours = !self.survey.is_pooler();
        let ours = u64::from(without_ours) * (again.ours - at_first.ours);
        let grown = again.total.saturating_sub(at_first.total);
        self.survey.others = Some(OthersConnections {
            count: grown.saturating_sub(ours),
            over_s: (again.at - at_first.at).as_secs_f64(),
            without_ours,
        });
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, FrontendError>>) -> Result<T, FrontendError> {
    event_loop()?.block_on(work)
}

fn number<T: std::str::FromStr>(value: &Option<String>) -> Result<T, FrontendError> {
    let number = value.as_deref().and_then(|text| text.parse().ok());
    number.ok_or_else(|| FrontendError::Protocol(format!("a number was expected, not {value:?}")))
}

/// Looks at a server, each step in bounds.
struct Looker<'a> {
    target: &'a Target,
    patience: &'a Patience,
}

impl Looker<'_> {
    async fn connect(&self) -> Result<Frontend, FrontendError> {
        self.patience
            .wait("a connection", self.target.connect())
            .await?
    }

    /// Terminate, and wait a moment for the server's close.
    async fn close(&self, session: Frontend) {
        let ending = session.terminate(Disconnect::Wait);
        let _ = self.patience.wait("the end of a connection", ending).await;
    }

    /// The one row of a statement, by the simple protocol: prepared statements do not outlive a
    /// pooler's transaction.
    async fn row(&self, session: &mut Frontend, sql: &str) -> Result<Row, FrontendError> {
        let rows = self
            .patience
            .wait("an answer to a look at the server", session.rows(sql))
            .await??;
        let row = rows.into_iter().next();
        row.ok_or_else(|| FrontendError::Protocol("a SELECT without a row".to_owned()))
    }

    async fn numbers(&self, session: &mut Frontend, sql: &str) -> Result<Vec<u64>, FrontendError> {
        let row = self.row(session, sql).await?;
        row.iter().map(number).collect()
    }

    /// The process that runs a connection's statements.
    async fn backend_pid(&self, session: &mut Frontend) -> Result<i32, FrontendError> {
        number(&self.row(session, "SELECT pg_backend_pid()").await?[0])
    }

    /// What one statement says, as a survey in which nobody is there and nothing is known to stand in between;
    /// with it the backend's process and the port it sees.
    async fn facts(
        &self,
        session: &mut Frontend,
    ) -> Result<(Survey, i32, Option<u16>), FrontendError> {
        let row = self.row(
                session,
                "SELECT pg_backend_pid(), inet_client_port(), current_setting('server_version_num'), \
                 current_setting('max_connections'), current_setting('superuser_reserved_connections'), \
                 coalesce(current_setting('reserved_connections', true), '0'), \
                 current_setting('shared_buffers'), current_setting('huge_pages'), \
                 current_setting('huge_pages_status', true), current_setting('is_superuser') = 'on', \
                 pg_has_role('pg_read_all_stats', 'usage')",
            )
            .await?;
        let [
            pid,
            port,
            version,
            most,
            superuser_reserved,
            reserved,
            buffers,
            huge,
            status,
            superuser,
            stats,
        ] = &row[..]
        else {
            let told = format!("{} columns instead of 11", row.len());
            return Err(FrontendError::Protocol(told));
        };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let is = |value: &Option<String>| value.as_deref() == Some("t");
        let max_connections: u64 = number(most)?;
        // `reserved_connections` since 16.
        let reserved = number::<u64>(superuser_reserved)? + number::<u64>(reserved)?;
        let reserved = if is(superuser) { 0 } else { reserved };
        let survey = Survey {
            pg_major: number::<u32>(version)? / 10_000,
            max_connections,
            free_connections: max_connections.saturating_sub(reserved),
            shared_buffers: text(buffers),
            huge_pages: text(huge),
            huge_pages_status: status.clone(),
            census: Census::default(),
            between: Between::Nothing,
            superuser: is(superuser),
            reads_all_stats: is(stats),
            others: None,
        };
        let port = port.as_ref().and_then(|p| p.parse().ok());
        Ok((survey, number(pid)?, port))
    }

    /// Who is there. `datid`, `usename` and `application_name` of every row are anybody's to see; states are not,
    /// and are null then (pgstatfuncs.c `pg_stat_get_activity`).
    async fn census(&self, session: &mut Frontend) -> Result<Census, FrontendError> {
        let counts = self.numbers(
                session,
                "SELECT count(*), count(state), count(*) FILTER (WHERE state = 'idle') \
                 FROM pg_stat_activity WHERE datid IS NOT NULL AND pid <> pg_backend_pid() \
                 AND NOT (coalesce(application_name, '') = current_setting('application_name') AND coalesce(usename, '') = current_user)",
            )
            .await?;
        Ok(Census {
            connections: counts[0],
            state_visible: counts[1],
            idle: counts[2],
        })
    }

    /// What stands in between. A pooler answers the startup itself, with a process id of its own making
    /// (PgBouncer: random), and may run the statements of one client in the backend of another; something that only
    /// passes bytes on shows by its port.
    async fn between(
        &self,
        first: &mut Frontend,
        pid: i32,
        client_port: Option<u16>,
    ) -> Result<Between, FrontendError> {
        let announced = first.process_id.filter(|&id| id != pid);
        let mut second = self.connect().await?;
        let shares = self.shares_backends(first, &mut second).await?;
        self.close(second).await;
        let evidence = match (announced, shares) {
            (Some(announced), _) => format!(
                "it announced process {announced} at startup, and the statements ran in process {pid}"
            ),
            (None, true) => {
                "one connection's statements ran in several server processes, or two connections' in one".to_owned()
            }
            (None, false) if client_port == first.local_port() => return Ok(Between::Nothing),
            (None, false) => return Ok(Between::Relay),
        };
        let mode = match shares {
            false => PoolMode::Session,
            true => self.by_transaction_or_statement().await?,
        };
        Ok(Between::Pooler { mode, evidence })
    }

    /// Whether statements of two connections, taken in turns, met in one backend, or moved between backends.
    /// A pool that has no backend for the second while the first is there shares none.
    async fn shares_backends(
        &self,
        first: &mut Frontend,
        second: &mut Frontend,
    ) -> Result<bool, FrontendError> {
        let (mut of_first, mut of_second) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..3 {
            of_first.insert(self.backend_pid(first).await?);
            match timeout(SECOND_LIMIT, self.backend_pid(second)).await {
                Ok(Ok(pid)) => of_second.insert(pid),
                _ => return Ok(false),
            };
        }
        Ok(of_first.len() > 1 || of_second.len() > 1 || !of_first.is_disjoint(&of_second))
    }

    /// A pooler by statement refuses transaction blocks, and may end the connection for it.
    async fn by_transaction_or_statement(&self) -> Result<PoolMode, FrontendError> {
        let mut session = self.connect().await?;
        let transaction = async {
            session.query("BEGIN READ ONLY").await?;
            session.query("ROLLBACK").await
        };
        let ended = self
            .patience
            .wait("the end of a transaction", transaction)
            .await;
        self.close(session).await;
        Ok(if matches!(ended, Ok(Ok(()))) {
            PoolMode::Transaction
        } else {
            PoolMode::Statement
        })
    }

    async fn sessions(
        &self,
        session: &mut Frontend,
        pg_major: u32,
    ) -> Result<Option<SessionsRead>, FrontendError> {
        if pg_major < COUNTS_SESSIONS {
            return Ok(None);
        }
        let ours = sessions_opened();
        tokio::time::sleep(STATISTICS_DELAY).await;
        const TOTAL: &str = "SELECT coalesce(sum(sessions), 0)::bigint FROM pg_stat_database";
        let total = self.numbers(session, TOTAL).await?;
        Ok(Some(SessionsRead {
            at: Instant::now(),
            total: total[0],
            ours,
        }))
    }
}
