//! The threshold of the slow share: as given, or the baseline's p99, found before the measured blocks.

use crate::arm::Arm;
use crate::config::Config;
use crate::load::Cancel;
use crate::load::driver::{Bench, Failure};
use crate::load::plan::{BlockSpec, PlannedStart};
use crate::load::progress::Progress;
use crate::record::{RunHead, SeriesHistogram, SeriesKey};

/// So many statements at least must be behind the p99: 20 are then above it.
const ENOUGH_STATEMENTS: u64 = 2_000;
/// With so many it is sought no further.
const PLENTY_OF_STATEMENTS: u64 = 6_000;
/// The p99 is that of the middle one of so many stretches, one after another: a stall of some 100 ms,
/// which delays more than one statement in 100 of its own stretch, decides nothing.
const STRETCHES: usize = 3;
/// Longest load for it, warm-ups included, in ns.
const MOST_NS: u64 = 10_000_000_000;
/// What is offered to a server that is not ours brings too few statements.
const NOT_OURS: &str = "the server is not ours and is not calibrated";

/// How many blocks the calibration may take: no more than an arm has, and no longer than [`MOST_NS`].
fn most_blocks(config: &Config) -> u64 {
    let block_ns = config.block_ns() + config.warmup_ns;
    (MOST_NS / block_ns.max(1)).min(u64::from(config.blocks))
}

/// Statements of the readers in one block, on average; `None` in a closed loop.
fn statements_per_block(config: &Config) -> Option<f64> {
    let rate = config.reader_rate.per_second()?;
    Some(rate * config.block_ns() as f64 * 1e-9)
}

/// How many blocks of the baseline will find the threshold.
///
/// # Errors
/// Why there will be none.
pub(super) fn blocks_needed(config: &Config) -> Result<u64, String> {
    if config.server.as_ref().is_some_and(|s| s.is_url()) {
        return Err(NOT_OURS.to_owned());
    }
    let most = most_blocks(config);
    let Some(each) = statements_per_block(config) else {
        // One is mostly enough: a closed loop offers as much as is done.
        return Ok(most.min(1));
    };
    if each * most as f64 >= ENOUGH_STATEMENTS as f64 {
        return Ok(most.min((PLENTY_OF_STATEMENTS as f64 / each).ceil() as u64));
    }
    Err(format!(
        "{most} blocks of {} ms bring about {:.0} reader statements of the {ENOUGH_STATEMENTS} that a p99 needs",
        config.block_ns() / 1_000_000,
        each * most as f64
    ))
}

/// The p99 of the middle one of at most [`STRETCHES`] runs of blocks; of two, the lower one.
pub(super) fn middle_p99_ns(blocks: &[SeriesHistogram]) -> Option<u64> {
    let stretch = |blocks: &[SeriesHistogram]| {
        let mut times = SeriesHistogram::default();
        blocks.iter().for_each(|block| times.merge(block));
        times.percentile_ns(99.0)
    };
    let each = blocks.len().div_ceil(STRETCHES).max(1);
    let mut p99s: Vec<u64> = blocks.chunks(each).filter_map(stretch).collect();
    p99s.sort_unstable();
    p99s.get(p99s.len().saturating_sub(1) / 2).copied()
}

/// Finds the threshold on the first start that opens. Done once, before its first block.
#[derive(Debug, Default)]
pub(super) struct SlowOver {
    is_settled: bool,
    /// The threshold, in ns.
    pub(super) threshold_ns: Option<u64>,
    /// How it was found, or why there is none.
    pub(super) remark: Option<String>,
}

impl SlowOver {
    /// Takes what was given, or says why nothing can be found.
    pub(super) fn of(config: &Config) -> Self {
        if config.slow_over_ns.is_some() {
            return SlowOver {
                is_settled: true,
                threshold_ns: config.slow_over_ns,
                remark: None,
            };
        }
        match blocks_needed(config) {
            Ok(_) => SlowOver::default(),
            Err(why) => SlowOver::none(&why),
        }
    }

    fn none(why: &str) -> Self {
        SlowOver {
            is_settled: true,
            threshold_ns: None,
            remark: Some(format!(
                "no share of slow statements: {why}; --slow-over gives a threshold"
            )),
        }
    }

    /// Runs blocks of the baseline of `arms` on the open `start`, if the threshold is not known yet.
    ///
    /// # Errors
    /// Those of the blocks, except that the arm is lost: it will be again, in the run.
    pub(super) fn settle(
        &mut self,
        (config, arms): (&Config, &[Arm]),
        bench: &mut dyn Bench,
        start: &PlannedStart,
        (cancel, progress): (&Cancel, &Progress),
    ) -> Result<(), Failure> {
        let Some(arm) = Arm::baseline(arms).filter(|_| !self.is_settled) else {
            return Ok(());
        };
        progress.say(&format!(
            "procbench: {arm} runs before the measured blocks, to find what a slow statement is"
        ));
        let mut blocks: Vec<SeriesHistogram> = Vec::new();
        let mut statements = 0;
        let mut round = 0;
        while statements < PLENTY_OF_STATEMENTS && u64::from(round) < most_blocks(config) {
            if cancel.is_cancelled() {
                return Err(Failure::Interrupted);
            }
            let block = bench.run_block(&BlockSpec {
                // Of no round that is measured.
                index: u32::MAX,
                start: u32::MAX,
                arm,
                twin: false,
                factors: start.factors.clone(),
                round,
            });
            let series = match block {
                Ok(block) => block.series,
                Err(Failure::ArmLost(why)) => {
                    *self =
                        SlowOver::none(&format!("arm {arm} was lost in the calibration: {why}"));
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            };
            // Adjusted where something is due, service time in a closed loop.
            let found = [SeriesKey::READER_ADJUSTED, SeriesKey::READER_SERVICE]
                .iter()
                .find_map(|key| series.get(key));
            if let Some(found) = found {
                statements += found.len();
                blocks.push(found.clone());
            }
            round += 1;
        }
        *self = match middle_p99_ns(&blocks) {
            Some(p99_ns) if statements >= ENOUGH_STATEMENTS => SlowOver {
                is_settled: true,
                threshold_ns: Some(p99_ns),
                remark: Some(format!(
                    "a statement is slow over {:.1} us: the p99 of {statements} statements under {arm} before the measured blocks (the middle one of up to {STRETCHES} stretches), at {} standing connections",
                    p99_ns as f64 / 1e3,
                    start.factors.standing
                )),
            },
            _ => SlowOver::none(&format!(
                "{statements} statements in the calibration, and a p99 needs {ENOUGH_STATEMENTS}"
            )),
        };
        Ok(())
    }

    /// Enters what was found into a run.
    pub(super) fn enter(self, run: &mut RunHead) {
        run.slow_over_ns = self.threshold_ns;
        run.remarks.extend(self.remark);
    }
}
