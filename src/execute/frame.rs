//! How a run begins and ends, whatever is measured in between.

use crate::clock::{Clock, ClockQuality, MonotonicClock};
use crate::config::Config;
use crate::load::driver::Bench;
use crate::record::{Block, Provenance, Run, RunHead, RunStatus, SCHEMA_VERSION};

/// A short random name for a run, from the clock and the process id.
pub fn run_id() -> String {
    let mix = crate::seed::derive_seed(MonotonicClock.now_ns(), &[u64::from(std::process::id())]);
    format!("{:06x}", mix & 0xff_ffff)
}

/// A run that has nothing yet.
pub(super) fn begin(experiment: &str, config: &Config) -> Run {
    Run {
        head: RunHead {
            schema_version: SCHEMA_VERSION,
            run_id: run_id(),
            experiment: experiment.to_owned(),
            mode: config.mode,
            status: RunStatus::Complete,
            started_at: jiff::Timestamp::now()
                .round(jiff::Unit::Second)
                .map_or_else(|_| String::new(), |t| t.to_string()),
            elapsed_ns: 0,
            config: config.clone(),
            client_rate_per_second: None,
            slow_over_ns: None,
            calibration: None,
            clock: ClockQuality::measure(),
            provenance: Provenance::collect(),
            absent_arms: Vec::new(),
            absent_levels: Vec::new(),
            remarks: Vec::new(),
        },
        blocks: Vec::new(),
    }
}

/// Enters what is known at the end: the server, whether counts add up, how long it took.
pub(super) fn finish(run: &mut Run, bench: &dyn Bench, began_ns: u64) {
    let (server, remarks) = bench.describe();
    run.provenance.server = server;
    run.remarks.extend(remarks);
    let conserved = |b: &&Block| b.tallies.values().all(|t| t.is_conserved());
    if let Some(block) = run.blocks.iter().find(|b| !conserved(b)) {
        let index = block.index;
        let reason = format!("counts of block {index} do not add up: a bug in procbench");
        run.status = RunStatus::Partial { reason };
    }
    run.elapsed_ns = MonotonicClock.now_ns() - began_ns;
}
