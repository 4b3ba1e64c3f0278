//! The summary as rows: for CSV, JSON and spreadsheets. Units are in the names.

use serde::Serialize;

use crate::arm::Arm;
use crate::record::{CpuGroup, Role};
use crate::stats::Analysis;

use super::export::csv_line;

/// One statistic of one arm at one level.
#[derive(Debug, Clone, Serialize)]
pub struct SummaryRow {
    /// Run id.
    pub run_id: String,
    /// `model` or `server`.
    pub mode: String,
    /// Standing connections.
    pub standing: u32,
    /// PostgreSQL major version, or the model's version profile.
    pub pg: Option<String>,
    /// Where churn finds its slots.
    pub slot_order: Option<String>,
    /// The model's lock.
    pub lock: Option<String>,
    /// `tcp` or `unix`.
    pub transport: Option<String>,
    /// Size of the pages that hold shared memory.
    pub page_size: Option<String>,
    /// How the mapping of shared memory comes to a new process.
    pub mapping: Option<String>,
    /// The arm; the A/A twin is marked.
    pub arm: String,
    /// The series, such as `reader.statement.total.response`.
    pub series: String,
    /// `mean`, `p50`, ...
    pub statistic: String,
    /// The value.
    pub value_ns: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low_ns: Option<f64>,
    /// Upper end.
    pub high_ns: Option<f64>,
    /// Difference to the baseline arm.
    pub excess_ns: Option<f64>,
    /// Lower end of its 95 % interval.
    pub excess_low_ns: Option<f64>,
    /// Upper end.
    pub excess_high_ns: Option<f64>,
    /// p-value of the permutation test.
    pub p_value: Option<f64>,
    /// Verdict on the difference.
    pub verdict: Option<String>,
    /// Noise floor of this statistic.
    pub noise_floor_ns: Option<f64>,
    /// Reader samples.
    pub samples: u64,
    /// Blocks.
    pub blocks: usize,
    /// Client operations scheduled.
    pub client_scheduled: u64,
    /// Client operations that ended well.
    pub client_succeeded: u64,
    /// Client operations that failed.
    pub client_errors: u64,
    /// Client operations cut off.
    pub client_cut_off: u64,
    /// The postmaster's CPU of one client transaction, without what the readers cost in `quiet`.
    pub cpu_postmaster_ns: Option<f64>,
    /// The backends' likewise.
    pub cpu_backends_ns: Option<f64>,
    /// PgBouncer's likewise.
    pub cpu_pooler_ns: Option<f64>,
    /// That of the helper of `cpu-burn`.
    pub cpu_burner_ns: Option<f64>,
    /// The client's load thread's.
    pub cpu_client_ns: Option<f64>,
    /// Voluntary context switches of the server's processes and PgBouncer, per second of load.
    pub server_voluntary_switches_per_s: Option<f64>,
    /// Involuntary ones.
    pub server_involuntary_switches_per_s: Option<f64>,
    /// Voluntary context switches of the load threads.
    pub load_voluntary_switches_per_s: Option<f64>,
    /// Involuntary ones.
    pub load_involuntary_switches_per_s: Option<f64>,
    /// Time the server's processes and PgBouncer waited for a core, per second of load.
    pub server_run_delay_ns_per_s: Option<f64>,
    /// Time the load threads did.
    pub load_run_delay_ns_per_s: Option<f64>,
    /// Time for which the cgroups of server and load were held back.
    pub throttled_ns: Option<u64>,
    /// Why it is struck out.
    pub struck: Option<String>,
    /// Cautions, `; ` between them.
    pub cautions: String,
}

/// Every statistic of a run.
pub fn summary_rows(analysis: &Analysis) -> Vec<SummaryRow> {
    let run = &analysis.run;
    let mut rows = Vec::new();
    let base = Arm::baseline(&run.config.arms);
    for level in &analysis.levels {
        for contender in &level.contenders {
            let client = contender
                .tallies
                .get(&Role::Client)
                .cloned()
                .unwrap_or_default();
            let effect = level
                .effects
                .iter()
                .find(|e| e.first == contender.arm && Some(e.second) == base && !contender.twin);
            let cautions: Vec<String> = contender
                .guards
                .iter()
                .filter(|g| g.severity() == crate::stats::Severity::Caution)
                .map(ToString::to_string)
                .collect();
            let cpu = |group| {
                contender
                    .cpu_cost
                    .as_ref()
                    .and_then(|c| c.ns.get(&group))
                    .copied()
            };
            let switches = |load| contender.cpu.switches_per_second(load);
            let (server, load) = (switches(false), switches(true));
            for (statistic, estimate) in &contender.reader {
                let contrast = effect.and_then(|e| e.at(*statistic));
                rows.push(SummaryRow {
                    run_id: run.run_id.clone(),
                    mode: run.mode.to_string(),
                    standing: level.factors.standing,
                    pg: level.factors.pg.clone(),
                    slot_order: level.factors.slot_order.clone(),
                    lock: level.factors.lock.clone(),
                    transport: level.factors.transport.clone(),
                    page_size: level.factors.page_size.clone(),
                    mapping: level.factors.mapping.clone(),
                    arm: contender.label(),
                    series: contender.quoted.to_string(),
                    statistic: statistic.to_string(),
                    value_ns: estimate.map(|e| e.value_ns),
                    low_ns: estimate.map(|e| e.low_ns),
                    high_ns: estimate.map(|e| e.high_ns),
                    excess_ns: contrast.map(|c| c.0.difference.value_ns),
                    excess_low_ns: contrast.map(|c| c.0.difference.low_ns),
                    excess_high_ns: contrast.map(|c| c.0.difference.high_ns),
                    p_value: contrast.and_then(|c| c.0.p_value),
                    verdict: contrast.map(|c| c.1.words().to_owned()),
                    noise_floor_ns: level.noise_floor_ns(*statistic),
                    samples: contender.samples,
                    blocks: contender.blocks,
                    client_scheduled: client.scheduled,
                    client_succeeded: client.succeeded(),
                    client_errors: client.error_count(),
                    client_cut_off: client.cut_off,
                    cpu_postmaster_ns: cpu(CpuGroup::Postmaster),
                    cpu_backends_ns: cpu(CpuGroup::Backends),
                    cpu_pooler_ns: cpu(CpuGroup::Pooler),
                    cpu_burner_ns: cpu(CpuGroup::Burner),
                    cpu_client_ns: cpu(CpuGroup::Client),
                    server_voluntary_switches_per_s: server.map(|s| s.0),
                    server_involuntary_switches_per_s: server.map(|s| s.1),
                    load_voluntary_switches_per_s: load.map(|s| s.0),
                    load_involuntary_switches_per_s: load.map(|s| s.1),
                    server_run_delay_ns_per_s: contender.cpu.run_delay_ns_per_second(false),
                    load_run_delay_ns_per_s: contender.cpu.run_delay_ns_per_second(true),
                    throttled_ns: contender.cpu.throttling.map(|t| t.ns),
                    struck: contender.struck().map(ToString::to_string),
                    cautions: cautions.join("; "),
                });
            }
        }
    }
    rows
}

/// The rows as CSV with a header.
pub fn summary_csv(rows: &[SummaryRow]) -> String {
    let mut out = String::new();
    for (i, row) in rows.iter().enumerate() {
        let value = serde_json::to_value(row).unwrap_or_default();
        let Some(object) = value.as_object() else {
            continue;
        };
        if i == 0 {
            out += &csv_line(&HEADER);
        }
        let fields: Vec<String> = HEADER
            .iter()
            .map(|name| match object.get(*name) {
                Some(serde_json::Value::String(text)) => text.clone(),
                None | Some(serde_json::Value::Null) => String::new(),
                Some(other) => other.to_string(),
            })
            .collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        out += &csv_line(&fields);
    }
    out
}

const HEADER: [&str; 41] = [
    "run_id",
    "mode",
    "standing",
    "pg",
    "slot_order",
    "lock",
    "transport",
    "page_size",
    "mapping",
    "arm",
    "series",
    "statistic",
    "value_ns",
    "low_ns",
    "high_ns",
    "excess_ns",
    "excess_low_ns",
    "excess_high_ns",
    "p_value",
    "verdict",
    "noise_floor_ns",
    "samples",
    "blocks",
    "client_scheduled",
    "client_succeeded",
    "client_errors",
    "client_cut_off",
    "cpu_postmaster_ns",
    "cpu_backends_ns",
    "cpu_pooler_ns",
    "cpu_burner_ns",
    "cpu_client_ns",
    "server_voluntary_switches_per_s",
    "server_involuntary_switches_per_s",
    "load_voluntary_switches_per_s",
    "load_involuntary_switches_per_s",
    "server_run_delay_ns_per_s",
    "load_run_delay_ns_per_s",
    "throttled_ns",
    "struck",
    "cautions",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::testing::sample_run;

    #[test]
    fn every_field_has_its_column() {
        let run = sample_run(8);
        let rows = summary_rows(&analyse(&run));
        // 2 levels, 4 contenders, mean and 4 percentiles.
        assert_eq!(rows.len(), 2 * 4 * 5);
        let value = serde_json::to_value(&rows[0]).unwrap();
        let mut fields: Vec<&str> = value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut header = HEADER.to_vec();
        fields.sort_unstable();
        header.sort_unstable();
        assert_eq!(fields, header);
        let csv = summary_csv(&rows);
        assert_eq!(csv.lines().count(), 41);
    }
}
