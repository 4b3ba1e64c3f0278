//! The summary as rows: for CSV, JSON and spreadsheets. Units are in the columns' names.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::export::csv_line;
use crate::arm::Arm;
use crate::factor::{Factor, Factors};
use crate::record::{CpuGroup, Role};
use crate::stats::{Analysis, ContenderSummary, Estimate, LevelSummary};

/// One statistic of one arm at one level: the columns' names with their values.
#[derive(Debug, Clone)]
pub struct SummaryRow(Vec<(&'static str, Value)>);

impl Serialize for SummaryRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Every statistic of a run.
pub fn summary_rows(analysis: &Analysis) -> Vec<SummaryRow> {
    let base = Arm::baseline(&analysis.run.config.arms);
    let contenders = analysis.contenders();
    contenders
        .flat_map(|(level, contender)| rows_of(analysis, level, contender, base))
        .collect()
}

/// The factors' columns.
fn factor_columns(factors: &Factors) -> impl Iterator<Item = (&'static str, Value)> {
    let standing = Value::from(factors.standing);
    let others = Factor::beside_standing().map(|f| (f.key(), Value::from(factors.get(f))));
    std::iter::once((Factor::Standing.key(), standing)).chain(others)
}

fn rows_of(
    analysis: &Analysis,
    level: &LevelSummary,
    contender: &ContenderSummary,
    base: Option<Arm>,
) -> Vec<SummaryRow> {
    let base = base.filter(|_| !contender.twin);
    let tally = contender.tallies.get(&Role::Client);
    let client = tally.cloned().unwrap_or_default();
    let cost = contender.cpu_cost.as_ref();
    let cpu = |group| Value::from(cost.and_then(|c| c.ns.get(&group)).copied());
    let switches = |load| contender.cpu.switches_per_second(load);
    let (server, load) = (switches(false), switches(true));
    let row = |(statistic, estimate): &(_, Option<Estimate>)| {
        let contrast = base.and_then(|base| level.found(contender.arm, base, *statistic));
        let difference = contrast.map(|c| c.0.difference);
        let mut columns = vec![
            ("run_id", Value::from(analysis.run.run_id.clone())),
            ("mode", Value::from(analysis.run.mode.name())),
        ];
        columns.extend(factor_columns(&level.factors));
        columns.extend([
            ("arm", Value::from(contender.label())),
            ("series", Value::from(contender.quoted.to_string())),
            ("statistic", Value::from(statistic.to_string())),
            ("value_ns", Value::from(estimate.map(|e| e.value_ns))),
            ("low_ns", Value::from(estimate.map(|e| e.low_ns))),
            ("high_ns", Value::from(estimate.map(|e| e.high_ns))),
            ("excess_ns", Value::from(difference.map(|d| d.value_ns))),
            ("excess_low_ns", Value::from(difference.map(|d| d.low_ns))),
            ("excess_high_ns", Value::from(difference.map(|d| d.high_ns))),
            ("p_value", Value::from(contrast.and_then(|c| c.0.p_value))),
            ("verdict", Value::from(contrast.map(|c| c.1.words()))),
            (
                "noise_floor_ns",
                Value::from(level.noise_floor_ns(*statistic)),
            ),
            ("samples", Value::from(contender.samples)),
            ("blocks", Value::from(contender.blocks)),
            ("client_scheduled", Value::from(client.scheduled)),
            ("client_succeeded", Value::from(client.succeeded())),
            ("client_errors", Value::from(client.error_count())),
            ("client_cut_off", Value::from(client.cut_off)),
            ("cpu_postmaster_ns", cpu(CpuGroup::Postmaster)),
            ("cpu_backends_ns", cpu(CpuGroup::Backends)),
            ("cpu_pooler_ns", cpu(CpuGroup::Pooler)),
            ("cpu_burner_ns", cpu(CpuGroup::Burner)),
            ("cpu_client_ns", cpu(CpuGroup::Client)),
            (
                "server_voluntary_switches_per_s",
                Value::from(server.map(|s| s.0)),
            ),
            (
                "server_involuntary_switches_per_s",
                Value::from(server.map(|s| s.1)),
            ),
            (
                "load_voluntary_switches_per_s",
                Value::from(load.map(|s| s.0)),
            ),
            (
                "load_involuntary_switches_per_s",
                Value::from(load.map(|s| s.1)),
            ),
            (
                "server_run_delay_ns_per_s",
                Value::from(contender.cpu.run_delay_ns_per_second(false)),
            ),
            (
                "load_run_delay_ns_per_s",
                Value::from(contender.cpu.run_delay_ns_per_second(true)),
            ),
            (
                "throttled_ns",
                Value::from(contender.cpu.throttling.map(|t| t.ns)),
            ),
            (
                "struck",
                Value::from(contender.struck().map(ToString::to_string)),
            ),
            (
                "cautions",
                Value::from(contender.caution().unwrap_or_default()),
            ),
        ]);
        SummaryRow(columns)
    };
    contender.reader.iter().map(row).collect()
}

/// The rows as CSV with a header.
pub fn summary_csv(rows: &[SummaryRow]) -> String {
    let header = rows.first().map(|row| {
        let names: Vec<&str> = row.0.iter().map(|c| c.0).collect();
        csv_line(&names)
    });
    let line = |row: &SummaryRow| {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let fields: Vec<String> = row.0.iter().map(|(_, value)| text(value)).collect();
        csv_line(&fields)
    };
    header.into_iter().chain(rows.iter().map(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::testing::sample_run;

    #[test]
    fn a_run_has_a_row_per_statistic() {
        let rows = summary_rows(&analyse(&sample_run(8)));
        // 2 levels, 4 contenders, mean and 4 percentiles.
        assert_eq!(rows.len(), 2 * 4 * 5);
        assert_eq!(summary_csv(&rows).lines().count(), 1 + rows.len());
    }

    /// The columns of eight factors were missing: rows that differed in authentication, TLS or the
    /// clients' rate alone could not be told apart.
    #[test]
    fn rows_that_differ_in_one_factor_differ_in_its_column() {
        for factor in Factor::beside_standing() {
            let mut run = sample_run(8);
            let value = crate::testing::some_value(factor);
            for block in run.blocks.iter_mut().filter(|b| b.factors.standing > 0) {
                block.factors.copy_from(&value, factor);
            }
            let text = value.get(factor).unwrap();
            let rows = serde_json::to_value(summary_rows(&analyse(&run))).unwrap();
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
            let csv = summary_csv(&summary_rows(&analyse(&run)));
            let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
            assert!(header.contains(&factor.key()), "{}", factor.key());
        }
    }
}
