//! The summary as rows: for CSV, JSON and spreadsheets. Units are in the columns' names.

use itertools::Itertools;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::cpu_table::GROUPS;
use super::export::csv_line;
use crate::arm::Arm;
use crate::factor::Factor;
use crate::record::Role;
use crate::stats::{Analysis, ContenderSummary, Estimate, LevelSummary, Statistic, Unit};

/// One statistic of one arm at one level: the columns' names with their values.
#[derive(Debug, Clone, Default)]
pub struct SummaryRow(Vec<(String, Value)>);

impl SummaryRow {
    fn put(&mut self, column: &str, value: impl Into<Value>) {
        self.0.push((column.to_owned(), value.into()));
    }

    /// Three columns in ns, and three for shares (0 to 1); those that it is not in are empty.
    fn put_estimate(&mut self, of: &str, estimate: Option<Estimate>, at: Statistic) {
        for (suffix, unit) in [("ns", Unit::Ns), ("share", Unit::Share)] {
            let ends = estimate.filter(|_| at.unit() == unit);
            let value = if of.is_empty() { "value_" } else { of };
            self.put(&format!("{value}{suffix}"), ends.map(|e| e.value_ns));
            self.put(&format!("{of}low_{suffix}"), ends.map(|e| e.low_ns));
            self.put(&format!("{of}high_{suffix}"), ends.map(|e| e.high_ns));
        }
    }
}

impl Serialize for SummaryRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Every statistic of a run.
pub fn summary_rows(analysis: &Analysis) -> Vec<SummaryRow> {
    let contenders = analysis.contenders();
    let rows = contenders.flat_map(|(level, contender)| {
        let statistics = contender.reader.iter();
        statistics.map(move |(at, estimate)| row(analysis, level, contender, *at, *estimate))
    });
    rows.collect()
}

fn row(
    analysis: &Analysis,
    level: &LevelSummary,
    contender: &ContenderSummary,
    at: Statistic,
    estimate: Option<Estimate>,
) -> SummaryRow {
    let mut row = SummaryRow::default();
    row.put("run_id", analysis.run.run_id.clone());
    row.put("mode", analysis.run.mode.name());
    row.put(Factor::Standing.key(), level.factors.standing);
    for factor in Factor::beside_standing() {
        let of_level = level.factors.get(factor);
        row.put(factor.key(), of_level.or_else(|| of_run(analysis, factor)));
    }
    row.put("arm", contender.label());
    row.put("series", contender.quoted.to_string());
    row.put("statistic", at.to_string());
    row.put_estimate("", estimate, at);
    let base = Arm::baseline(&analysis.run.config.arms).filter(|_| !contender.twin);
    let contrast = base.and_then(|base| level.found(contender.arm, base, at));
    let excess = contrast.map(|c| c.0.difference);
    row.put_estimate("excess_", excess, at);
    row.put("p_value", contrast.and_then(|c| c.0.p_value));
    row.put("verdict", contrast.map(|c| c.1.words()));
    let detectable = contrast.map(|c| c.0.detectable);
    for (suffix, unit) in [("ns", Unit::Ns), ("share", Unit::Share)] {
        let value = detectable.filter(|_| at.unit() == unit);
        row.put(&format!("detectable_{suffix}"), value);
    }
    row.put("aa_p_value", level.check(at).and_then(|c| c.p_value));
    row.put("samples", contender.samples);
    row.put("blocks", contender.blocks);
    let client = contender.tallies.get(&Role::Client);
    let client = client.cloned().unwrap_or_default();
    row.put("client_scheduled", client.scheduled);
    row.put("client_succeeded", client.succeeded());
    row.put("client_errors", client.error_count());
    row.put("client_cut_off", client.cut_off);
    let cost = contender.cpu_cost.as_ref();
    for (group, name) in GROUPS {
        let ns = cost.and_then(|c| c.ns.get(&group)).copied();
        row.put(&format!("cpu_{name}_ns"), ns);
    }
    let cpu = &contender.cpu;
    let [server, load] = [false, true].map(|load| cpu.switches_per_second(load));
    row.put("server_voluntary_switches_per_s", server.map(|s| s.0));
    row.put("server_involuntary_switches_per_s", server.map(|s| s.1));
    row.put("load_voluntary_switches_per_s", load.map(|s| s.0));
    row.put("load_involuntary_switches_per_s", load.map(|s| s.1));
    let [server, load] = [false, true].map(|load| cpu.run_delay_ns_per_second(load));
    row.put("server_run_delay_ns_per_s", server);
    row.put("load_run_delay_ns_per_s", load);
    row.put("throttled_ns", cpu.throttling.map(|t| t.ns));
    row.put("struck", contender.struck().map(ToString::to_string));
    row.put("cautions", contender.caution().unwrap_or_default());
    row
}

/// What is the same at every level, and no factor of it.
fn of_run(analysis: &Analysis, factor: Factor) -> Option<String> {
    let run = &analysis.run;
    match factor {
        Factor::ClientRate => run.client_rate_per_second.map(|rate| rate.to_string()),
        Factor::Auth => {
            let auth = &run.provenance.server.as_ref()?.auth;
            (!auth.is_empty()).then(|| auth.clone())
        }
        _ => None,
    }
}

/// The rows as CSV with a header.
pub fn summary_csv(rows: &[SummaryRow]) -> String {
    let names = |row: &SummaryRow| row.0.iter().map(|c| c.0.clone()).collect_vec();
    let texts = |row: &SummaryRow| {
        let values = row.0.iter().map(|(_, value)| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        });
        values.collect_vec()
    };
    let header = rows.first().map(names).into_iter();
    let lines = header.chain(rows.iter().map(texts));
    lines.map(|line| csv_line(&line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::testing::sample_run;

    #[test]
    fn a_run_has_a_row_per_statistic() {
        let rows = summary_rows(&analyse(&sample_run(12)));
        // 2 levels, 4 contenders, mean and 4 percentiles.
        assert_eq!(rows.len(), 2 * 4 * 5);
        assert_eq!(summary_csv(&rows).lines().count(), 1 + rows.len());
    }

    /// The columns of eight factors were missing: rows that differed in authentication, TLS or the
    /// clients' rate alone could not be told apart.
    #[test]
    fn rows_that_differ_in_one_factor_differ_in_its_column() {
        for factor in Factor::beside_standing() {
            let mut run = sample_run(1);
            let value = crate::testing::some_value(factor);
            for block in run.blocks.iter_mut().filter(|b| b.factors.standing > 0) {
                block.factors.copy_from(&value, factor);
            }
            let text = value.get(factor).unwrap();
            let rows = summary_rows(&analyse(&run));
            let csv = summary_csv(&rows);
            let rows = serde_json::to_value(rows).unwrap();
            let with = rows
                .as_array()
                .unwrap()
                .iter()
                .filter(|row| row[factor.key()] == text);
            assert_eq!(
                with.count(),
                rows.as_array().unwrap().len() / 2,
                "{}",
                factor.key()
            );
            let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
            assert!(header.contains(&factor.key()), "{}", factor.key());
        }
    }
}
