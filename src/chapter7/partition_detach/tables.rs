//! The tables: a parent of six partitions by range, the oldest filled.

use super::arms::{Aim, Removal};

/// The parent, and its oldest partition.
pub(super) const PARENT: &str = "measurement";
pub(super) const OLD: &str = "measurement_p0";

/// Partitions; each holds one bucket.
const PARTITIONS: u32 = 6;

/// How long DROP waits for its locks before it gives up, and how long until it is tried again, in ms.
pub(super) const LOCK_TIMEOUT_MS: u64 = 100;
pub(super) const PAUSE_MS: u64 = 250;

/// Makes them anew, without anything that an earlier arm left.
pub(super) fn make(old_rows: u32) -> Vec<String> {
    let mut statements = vec![
        format!("DROP TABLE IF EXISTS {PARENT}, {OLD} CASCADE"),
        format!(
            "CREATE TABLE {PARENT} (bucket int NOT NULL, number bigint NOT NULL, payload text NOT NULL) PARTITION BY RANGE (bucket)"
        ),
        format!("CREATE TABLE {OLD} (LIKE {PARENT}) WITH (autovacuum_enabled = off)"),
        // Negative numbers: those of the load are positive.
        format!(
            "INSERT INTO {OLD} SELECT 0, -n, repeat('x', 100) FROM generate_series(1, {old_rows}) AS n"
        ),
    ];
    for p in 0..PARTITIONS {
        let (name, end) = (format!("{PARENT}_p{p}"), p + 1);
        let (make, bound) = match p {
            0 => (format!("ALTER TABLE {PARENT} ATTACH PARTITION {name}"), p),
            _ => (format!("CREATE TABLE {name} PARTITION OF {PARENT}"), p),
        };
        statements.push(format!("{make} FOR VALUES FROM ({bound}) TO ({end})"));
    }
    statements
}

/// The load's statement.
pub(super) fn insert(aim: Aim) -> String {
    let bucket = match aim {
        Aim::Newest => PARTITIONS - 1,
        Aim::Removed => 0,
    };
    format!(
        "INSERT INTO {PARENT} (bucket, number, payload) VALUES ({bucket}, $1, repeat('x', 100))"
    )
}

/// What makes an autovacuum of the old partition due, and take longer than anything here.
pub(super) fn invite_autovacuum() -> String {
    format!(
        "ALTER TABLE {OLD} SET (autovacuum_enabled, autovacuum_vacuum_insert_threshold = 0, autovacuum_vacuum_insert_scale_factor = 0, \
         autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
    )
}

/// What lets autovacuums come, and keeps them away; a superuser sends it.
pub(super) const AUTOVACUUM: [&str; 3] = [
    "ALTER SYSTEM SET autovacuum_naptime = 1",
    "ALTER SYSTEM SET autovacuum = on",
    RELOAD,
];
pub(super) const NO_AUTOVACUUM: [&str; 2] = ["ALTER SYSTEM SET autovacuum = off", RELOAD];
const RELOAD: &str = "SELECT pg_catalog.pg_reload_conf()";

/// Whether one of the old partition is under way.
pub(super) fn is_vacuumed() -> String {
    format!(
        "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE 'autovacuum: %.{OLD}%'"
    )
}

/// What stands in front: a read of another partition through the parent, or of the old one alone.
pub(super) const READ_PARENT: &str = "SELECT count(*) FROM measurement WHERE bucket = 3";
pub(super) const READ_OLD: &str = "SELECT count(*) FROM measurement_p0";

/// The command.
pub(super) fn removal(removal: Removal) -> Option<String> {
    let detach = format!("ALTER TABLE {PARENT} DETACH PARTITION {OLD}");
    Some(match removal {
        Removal::None => return None,
        Removal::Drop | Removal::DropAgain => format!("DROP TABLE {OLD}"),
        Removal::Detach => detach,
        Removal::Concurrently | Removal::CutOff => format!("{detach} CONCURRENTLY"),
    })
}

/// What ends a detach that was cut off.
pub(super) fn finalize() -> String {
    format!("ALTER TABLE {PARENT} DETACH PARTITION {OLD} FINALIZE")
}

/// Whether the old partition is half detached.
pub(super) const IS_PENDING: &str =
    "SELECT count(*) FROM pg_catalog.pg_inherits WHERE inhdetachpending";

/// The load's rows in a table.
pub(super) fn count_of(table: &str) -> String {
    format!("SELECT count(DISTINCT number) FROM {table} WHERE number > 0")
}
