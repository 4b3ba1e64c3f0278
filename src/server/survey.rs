//! A look at a server by URL with ordinary rights, before any load: settings, who is there, and whether
//! the address is a pooler's. Only SELECTs are sent (and, where one was recognised that hands out
//! connections by transaction or statement, one BEGIN and ROLLBACK). No SET: it would stay behind in a pooler's
//! server connection.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::frontend::{Frontend, FrontendError, Row};
use super::patience::Patience;
use super::provision::{Endpoint, ProvisionError};
use super::target::{Target, event_loop};
use crate::causes::on_one_line;
use crate::config::Disconnect;
use crate::record::{Between, Census, OthersConnections, PoolMode, Seen, ServerSettings, Survey};

/// How long a second connection may wait for a backend while the first one keeps its own.
const SECOND_LIMIT: Duration = Duration::from_secs(2);
/// Statistics of 14 may be half a second old (pgstat.c `PGSTAT_STAT_INTERVAL`); later ones are not.
const STATISTICS_DELAY: Duration = Duration::from_millis(600);
/// First major version with `pg_stat_database.sessions`.
const COUNTS_SESSIONS: u32 = 14;
/// What is said of a second look that was not, or could not be, taken.
const UNREAD: &str = "the server's counters could not be read a second time, after the load";

// Every name is qualified: a search_path may put others before.
const IS_STANDBY: &str = "SELECT pg_catalog.pg_is_in_recovery()";
const READS_ALL_STATS: &str = "SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'usage')";
const SETTINGS: &str = "SELECT pg_catalog.current_setting('max_connections'), \
    pg_catalog.current_setting('is_superuser'), \
    pg_catalog.current_setting('superuser_reserved_connections'), \
    coalesce(pg_catalog.current_setting('reserved_connections', true), '0'), \
    pg_catalog.current_setting('shared_buffers'), pg_catalog.current_setting('huge_pages'), \
    pg_catalog.current_setting('huge_pages_status', true)";
/// `datid`, `usename` and `application_name` of every row are anybody's to see; states are not, and are null then
/// (pgstatfuncs.c `pg_stat_get_activity`). Operators, too, are looked up in the search_path.
const CENSUS: &str = "SELECT pg_catalog.count(*), pg_catalog.count(state), \
    pg_catalog.count(*) FILTER (WHERE state OPERATOR(pg_catalog.=) 'idle') \
    FROM pg_catalog.pg_stat_activity \
    WHERE datid IS NOT NULL AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
    AND NOT (coalesce(application_name, '') OPERATOR(pg_catalog.=) pg_catalog.current_setting('application_name') \
    AND coalesce(usename, '') OPERATOR(pg_catalog.=) current_user)";
const BACKEND: &str = "SELECT pg_catalog.pg_backend_pid(), pg_catalog.inet_client_port()";
const SESSIONS: &str = "SELECT coalesce(pg_catalog.sum(sessions), 0)::pg_catalog.int8 FROM pg_catalog.pg_stat_database";

/// `pg_stat_database.sessions` over all databases at one time.
#[derive(Debug, Clone, Copy)]
struct SessionsRead {
    at: Instant,
    /// What the server has counted.
    total: u64,
    /// What this process has opened at this address.
    ours: u64,
}

/// A server that was looked at, to be looked at again after the load.
pub(super) struct Surveyed {
    endpoint: Endpoint,
    patience: Patience,
    /// What was seen.
    pub(super) survey: Survey,
    at_first: Option<SessionsRead>,
}

impl Surveyed {
    /// Looks at the server. What cannot be seen is not known, with the reason.
    pub(super) fn look(endpoint: &Endpoint, pg_major: u32, patience: Patience) -> Self {
        let looked = with_looker(endpoint, &patience, async |looker, session| {
            let mut survey = Survey {
                pg_major,
                settings: seen(looker.settings(session).await),
                standby: seen(looker.truth(session, IS_STANDBY).await),
                census: seen(looker.census(session).await),
                between: seen(looker.between(session).await),
                reads_all_stats: seen(looker.truth(session, READS_ALL_STATS).await),
                others: Err(UNREAD.to_owned()),
            };
            // Last: it waits, and a server may end who is idle.
            match looker.sessions(session, pg_major).await {
                Ok(at_first) => (survey, Some(at_first)),
                Err(why) => {
                    survey.others = Err(why);
                    (survey, None)
                }
            }
        });
        let (survey, at_first) =
            looked.unwrap_or_else(|e| (Survey::unknown(pg_major, &on_one_line(&e)), None));
        Surveyed {
            endpoint: endpoint.clone(),
            patience,
            survey,
            at_first,
        }
    }

    /// Looks again: what the server's other users did since. Beside an arm through a pooler, the sessions that the
    /// pooler opened meanwhile are among theirs: nobody can tell for whom.
    pub(super) fn look_again(&mut self, beside_pooler: bool) {
        let Some(at_first) = self.at_first else {
            return;
        };
        let pg_major = self.survey.pg_major;
        let again = with_looker(&self.endpoint, &self.patience, async |looker, session| {
            looker.sessions(session, pg_major).await
        });
        let again = seen(again).flatten();
        let again = again.map_err(|why| format!("{UNREAD} ({why})"));
        let is_direct = !self.survey.is_pooler();
        let others = again.and_then(|again| grown(at_first, again, is_direct));
        self.survey.others = others.map(|others| OthersConnections {
            without_ours: is_direct && !beside_pooler,
            ..others
        });
    }
}

/// Whether what answers there may be a pooler.
///
/// # Errors
/// When it is PostgreSQL itself, or could not be looked at.
pub(super) fn check_pooler(endpoint: &Endpoint, patience: &Patience) -> Result<(), ProvisionError> {
    let between = with_looker(endpoint, patience, async |looker, session| {
        looker.between(session).await
    });
    match between.flatten() {
        Ok(Between::Nothing) => Err(ProvisionError::new(format!(
            "--pgbouncer: {endpoint} is no pooler, PostgreSQL itself answers there"
        ))),
        // A pooler may pass on the process of its server: not every one is recognised.
        Ok(_) => Ok(()),
        Err(problem) => Err(ProvisionError::new(format!("--pgbouncer: {problem}"))),
    }
}

/// What `work` sees on a connection of its own.
fn with_looker<T>(
    endpoint: &Endpoint,
    patience: &Patience,
    work: impl AsyncFnOnce(&Looker<'_>, &mut Frontend) -> T,
) -> Result<T, FrontendError> {
    let target = &Target::new(endpoint)?;
    let looker = Looker { target, patience };
    event_loop()?.block_on(async {
        let mut session = looker.connect().await?;
        let saw = work(&looker, &mut session).await;
        looker.close(session).await;
        Ok(saw)
    })
}

/// Sessions of others between two readings.
fn grown(
    at_first: SessionsRead,
    again: SessionsRead,
    without_ours: bool,
) -> Seen<OthersConnections> {
    let ours = u64::from(without_ours) * (again.ours - at_first.ours);
    match again.total.checked_sub(at_first.total) {
        // Ours alone are more: some were forgotten meanwhile.
        Some(grown) if grown >= ours => Ok(OthersConnections {
            count: grown - ours,
            over_s: (again.at - at_first.at).as_secs_f64(),
            without_ours,
        }),
        _ => Err("the server's counters went back during the run: it was restarted after a crash, or its statistics were reset".to_owned()),
    }
}

/// What a look gave, or in words why not.
fn seen<T>(looked: Result<T, FrontendError>) -> Seen<T> {
    looked.map_err(|e| on_one_line(&e))
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
        if session.is_closed() {
            return Err(FrontendError::Protocol(
                "an earlier look lost the connection".to_owned(),
            ));
        }
        let rows = self
            .patience
            .wait("an answer to a look at the server", session.rows(sql))
            .await??;
        let row = rows.into_iter().next();
        row.ok_or_else(|| FrontendError::Protocol("a SELECT without a row".to_owned()))
    }

    /// The columns of that row.
    async fn columns<const N: usize>(
        &self,
        session: &mut Frontend,
        sql: &str,
    ) -> Result<[Option<String>; N], FrontendError> {
        let row = self.row(session, sql).await?;
        row.try_into().map_err(|row: Row| {
            FrontendError::Protocol(format!("{} columns instead of {N}", row.len()))
        })
    }

    async fn truth(&self, session: &mut Frontend, sql: &str) -> Result<bool, FrontendError> {
        let [answer] = self.columns(session, sql).await?;
        Ok(answer.as_deref() == Some("t"))
    }

    /// The process that runs a connection's statements, and the port that it sees.
    async fn backend(&self, session: &mut Frontend) -> Result<(i32, Option<u16>), FrontendError> {
        let [pid, port] = self.columns(session, BACKEND).await?;
        Ok((number(&pid)?, port.and_then(|p| p.parse().ok())))
    }

    async fn settings(&self, session: &mut Frontend) -> Result<ServerSettings, FrontendError> {
        let [
            most,
            superuser,
            for_superusers,
            reserved,
            buffers,
            huge,
            status,
        ] = self.columns(session, SETTINGS).await?;
        // `reserved_connections` since 16.
        let reserved = number::<u64>(&for_superusers)? + number::<u64>(&reserved)?;
        Ok(ServerSettings {
            max_connections: number(&most)?,
            reserved: match superuser.as_deref() {
                Some("on") => 0,
                _ => reserved,
            },
            shared_buffers: buffers.unwrap_or_default(),
            huge_pages: huge.unwrap_or_default(),
            huge_pages_status: status,
        })
    }

    /// Who is there.
    async fn census(&self, session: &mut Frontend) -> Result<Census, FrontendError> {
        let [connections, state_visible, idle] = self.columns(session, CENSUS).await?;
        Ok(Census {
            connections: number(&connections)?,
            state_visible: number(&state_visible)?,
            idle: number(&idle)?,
        })
    }

    /// What stands in between. A pooler answers the startup itself, with a process id of its own making
    /// (PgBouncer: random), and may run the statements of one client in the backend of another; something that only
    /// passes bytes on shows by its port.
    async fn between(&self, first: &mut Frontend) -> Result<Between, FrontendError> {
        let (pid, client_port) = self.backend(first).await?;
        let announced = first.process_id.filter(|&id| id != pid);
        let mut second = self.connect().await?;
        let shares = self.shares_backends(first, &mut second).await?;
        self.close(second).await;
        let evidence = match (announced, shares) {
            (Some(_), _) => "the statements did not run in the process that it announced at startup".to_owned(),
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
            of_first.insert(self.backend(first).await?.0);
            match timeout(SECOND_LIMIT, self.backend(second)).await {
                Ok(Ok((pid, _))) => of_second.insert(pid),
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

    async fn sessions(&self, session: &mut Frontend, pg_major: u32) -> Seen<SessionsRead> {
        if pg_major < COUNTS_SESSIONS {
            return Err(format!(
                "versions before {COUNTS_SESSIONS} do not count them"
            ));
        }
        let ours = self.target.sessions_opened();
        tokio::time::sleep(STATISTICS_DELAY).await;
        let [total] = seen(self.columns(session, SESSIONS).await)?;
        Ok(SessionsRead {
            at: Instant::now(),
            total: seen(number(&total))?,
            ours,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_that_went_back_count_nobody() {
        let read = |seconds, total, ours| SessionsRead {
            at: Instant::now() + Duration::from_secs(seconds),
            total,
            ours,
        };
        let at_first = read(0, 1_000, 5);
        let others = grown(at_first, read(10, 1_130, 105), true).unwrap();
        assert_eq!((others.count, others.over_s.round()), (30, 10.0));
        assert_eq!(
            grown(at_first, read(10, 1_130, 105), false).unwrap().count,
            130
        );
        // Less than before, or less than what this process alone has opened.
        for total in [0, 999, 1_050] {
            let why = grown(at_first, read(10, total, 105), true).unwrap_err();
            assert!(why.contains("went back"), "{why}");
        }
    }
}
