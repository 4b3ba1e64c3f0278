//! What pgbench prints.

use anyhow::Context;

/// The lines of `printResults` (pgbench.c, 13 to 18) that are needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Transactions that succeeded.
    pub transactions: u64,
    /// Transactions that failed (reported since 15).
    pub failed: u64,
    /// Transactions a second; with `-C` the time to connect is in it (13 prints two rates: the first).
    pub per_second: f64,
}

impl Report {
    /// Reads pgbench's standard output.
    ///
    /// # Errors
    /// When a line is missing, or no transaction succeeded.
    pub fn parse(printed: &str) -> anyhow::Result<Self> {
        let value = |label: &str| {
            let line = printed.lines().find_map(|line| line.strip_prefix(label));
            line.and_then(|rest| rest.split([' ', '/']).find(|word| !word.is_empty()))
        };
        let needed = |label: &str| {
            value(label).with_context(|| format!("pgbench did not print \"{label}\":\n{printed}"))
        };
        let report = Report {
            transactions: needed("number of transactions actually processed:")?.parse()?,
            failed: value("number of failed transactions:").map_or(Ok(0), str::parse)?,
            per_second: needed("tps =")?.parse()?,
        };
        anyhow::ensure!(report.transactions > 0, "pgbench did no transaction");
        Ok(report)
    }
}
