//! Looks at the locks, again and again, while a partition is removed.

use std::time::Duration;

use super::record::LockSample;
use super::tables::{OLD, PARENT};
use crate::causes::on_one_line;
use crate::load::Cancel;
use crate::server::Frontend;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Of parent and old partition, before the removal: a dropped table has no name.
pub(super) struct Relations {
    parent: String,
    old: String,
}

impl Relations {
    /// # Errors
    /// What the server says.
    pub(super) async fn find(session: &mut Frontend) -> Result<Self, String> {
        let sql = format!("SELECT '{PARENT}'::regclass::oid, '{OLD}'::regclass::oid");
        let rows = session.rows(&sql).await.map_err(|e| on_one_line(&e))?;
        match &rows.into_iter().next().unwrap_or_default()[..] {
            [Some(parent), Some(old)] => Ok(Relations {
                parent: parent.clone(),
                old: old.clone(),
            }),
            _ => Err("the tables are not there".to_owned()),
        }
    }

    fn look(&self, pid: i32) -> String {
        let Relations { parent, old } = self;
        format!(
            "SELECT coalesce((SELECT wait_event_type || ':' || wait_event FROM pg_catalog.pg_stat_activity WHERE pid = {pid}), ''), \
             coalesce((SELECT string_agg(CASE relation WHEN {parent} THEN 'parent:' ELSE 'partition:' END || mode || CASE WHEN granted THEN '' ELSE '*' END, ' ' ORDER BY relation, mode) \
               FROM pg_catalog.pg_locks WHERE pid = {pid} AND locktype = 'relation' AND relation IN ({parent}, {old})), ''), \
             (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE pid <> {pid} AND query LIKE 'INSERT INTO {PARENT} %' AND wait_event_type = 'Lock' AND wait_event = 'relation')"
        )
    }

    /// Looks until it is told to stop; instants by `now_ns`.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn watch(
        &self,
        session: &mut Frontend,
        pid: i32,
        stop: &Cancel,
        now_ns: impl Fn() -> u64,
    ) -> Result<Vec<LockSample>, String> {
        let mut samples = Vec::new();
        let sql = self.look(pid);
        while !stop.is_cancelled() {
            let at_ns = now_ns();
            let rows = session.rows(&sql).await.map_err(|e| on_one_line(&e))?;
            if let [Some(wait), Some(locks), Some(waiting)] =
                &rows.into_iter().next().unwrap_or_default()[..]
            {
                samples.push(LockSample {
                    at_ns,
                    wait: wait.clone(),
                    locks: locks.split_whitespace().map(str::to_owned).collect(),
                    writers_waiting: waiting.parse().unwrap_or_default(),
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(samples)
    }
}
