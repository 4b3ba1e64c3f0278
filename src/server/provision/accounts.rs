//! The table of pgbench's select-only script.

use super::bootstrap::execute;
use super::error::ProvisionError;
use super::running::RunningServer;

/// Rows per unit of scale (`naccounts`, pgbench.c).
const ACCOUNTS_PER_SCALE: i64 = 100_000;

/// Makes and fills `pgbench_accounts` as `pgbench -i` does (`initCreateTables`,
/// `initGenerateDataServerSide`, `initCreatePKeys`, `initVacuum` in pgbench.c): 100,000 rows per unit
/// of scale, `filler char(84)`, primary key, VACUUM ANALYZE. Replaces an existing one.
///
/// # Errors
/// On a server given by URL, which is never changed; when a statement fails.
pub fn init_pgbench_accounts(
    server: &RunningServer,
    scale: u32,
    progress: &dyn Fn(&str),
) -> Result<(), ProvisionError> {
    if server.admin_endpoint().is_none() {
        return Err(ProvisionError::new(
            "initialising pgbench_accounts is only done on a server procbench started itself, not on one given by URL",
        ));
    }
    let rows = ACCOUNTS_PER_SCALE * i64::from(scale.max(1));
    progress(&format!("filling pgbench_accounts with {rows} rows"));
    let insert = format!(
        "INSERT INTO pgbench_accounts (aid, bid, abalance, filler) \
         SELECT aid, (aid - 1) / {ACCOUNTS_PER_SCALE} + 1, 0, '' \
         FROM generate_series(1, {rows}) AS aid"
    );
    // One at a time: VACUUM may not share a simple query with others.
    let statements = [
        "DROP TABLE IF EXISTS pgbench_accounts",
        "CREATE TABLE pgbench_accounts (aid int NOT NULL, bid int, abalance int, filler char(84)) \
         WITH (fillfactor=100)",
        &insert,
        "ALTER TABLE pgbench_accounts ADD PRIMARY KEY (aid)",
        "VACUUM ANALYZE pgbench_accounts",
    ];
    execute(server.endpoint(), &statements.map(|s| (s, s)))
}
