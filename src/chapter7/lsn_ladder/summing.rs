//! Numbers that a run gives.

use itertools::Itertools;

use super::arms::Fault;
use super::record::{Block, Freeze, LsnLadder, Sample};
use crate::chapter7::level::Level;
use crate::record::SeriesHistogram;

/// What a fault must add to a commit that waits for it, as a share of its length.
pub(super) const FELT_SHARE: f64 = 0.9;

/// Places in [`super::record::POSITIONS`].
pub(super) const INSERT: usize = 0;
pub(super) const FLUSH: usize = 2;
pub(super) const SENT: usize = 3;
pub(super) const STANDBY_WRITE: usize = 4;
pub(super) const STANDBY_FLUSH: usize = 5;
pub(super) const REPLAY: usize = 6;

impl Fault {
    /// Its length in ns.
    pub(super) fn injected_ns(self) -> f64 {
        self.injected().as_nanos() as f64
    }
}

fn of(run: &LsnLadder, fault: Fault) -> impl Iterator<Item = &Block> {
    run.blocks.iter().filter(move |b| b.fault == fault)
}

/// Service times of all blocks together.
pub(super) fn service(run: &LsnLadder, fault: Fault, level: Level) -> SeriesHistogram {
    let mut all = SeriesHistogram::default();
    let cells = of(run, fault).flat_map(|b| &b.cells);
    let cells = cells.filter(|c| c.level == level);
    cells.for_each(|c| all.merge(&c.service));
    all
}

/// The middle service time, in ns.
pub(super) fn p50(run: &LsnLadder, fault: Fault, level: Level) -> Option<f64> {
    let p50 = service(run, fault, level).percentile_ns(50.0);
    p50.map(|ns| ns as f64)
}

/// By how much the p50 of the control's blocks differ (A/A), in ns.
pub(super) fn noise(run: &LsnLadder, level: Level) -> f64 {
    let cells = of(run, Fault::None).flat_map(|b| &b.cells);
    let cells = cells.filter(|c| c.level == level);
    let p50 = cells.filter_map(|c| c.service.percentile_ns(50.0));
    let ends = p50.minmax().into_option();
    ends.map_or(0.0, |(least, most)| (most - least) as f64)
}

/// Whether a fault is felt at a level: `None` where that was not measured.
pub(super) fn is_felt(run: &LsnLadder, fault: Fault, level: Level) -> Option<bool> {
    p50(run, fault, level).map(|p50| p50 >= FELT_SHARE * fault.injected_ns())
}

/// Whether a level below a fault stays where the control has it, within what the control's own blocks differ by, or
/// half of what the fault adds if that is more.
pub(super) fn stays(run: &LsnLadder, fault: Fault, level: Level) -> Option<bool> {
    let (control, p50) = (p50(run, Fault::None, level)?, p50(run, fault, level)?);
    let room = noise(run, level).max(fault.injected_ns() / 2.0);
    Some(p50 < control + room)
}

/// The first level at which a fault is felt.
pub(super) fn first_felt(run: &LsnLadder, fault: Fault) -> Option<Level> {
    let mut levels = Level::ALL.iter().copied();
    levels.find(|level| is_felt(run, fault, *level) == Some(true))
}

/// The middle distance in bytes from one position to another, beside a steady load.
pub(super) fn gap(run: &LsnLadder, fault: Fault, from: usize, to: usize) -> Option<u64> {
    let samples = of(run, fault).flat_map(|b| &b.samples);
    let gaps = samples.map(|s| s.positions[from].saturating_sub(s.positions[to]));
    let gaps = gaps.sorted_unstable().collect_vec();
    gaps.get(gaps.len() / 2).copied()
}

/// The middle of a lag column, in ns: `write_lag`, `flush_lag`, `replay_lag`.
pub(super) fn lag_ns(run: &LsnLadder, fault: Fault, column: usize) -> Option<f64> {
    let samples = of(run, fault).flat_map(|b| &b.samples);
    let lags = samples.filter_map(|s| s.lags_us[column]);
    let lags = lags.sorted_unstable().collect_vec();
    lags.get(lags.len() / 2).map(|us| *us as f64 * 1e3)
}

/// Commits per second in a closed loop.
pub(super) fn per_second(run: &LsnLadder, fault: Fault, level: Level) -> Option<f64> {
    let closed = of(run, fault).flat_map(|b| &b.closed);
    let closed = closed.filter(|c| c.level == level);
    let (commits, ns) = closed.fold((0, 0), |(n, ns), c| (n + c.commits, ns + c.elapsed_ns));
    (ns > 0).then(|| commits as f64 * 1e9 / ns as f64)
}

/// Reads that came too early, and all; `None` where there were none.
pub(super) fn stale(run: &LsnLadder, fault: Fault, level: Level) -> Option<(u32, u32)> {
    let reads = of(run, fault).flat_map(|b| &b.reads);
    let reads = reads.filter(|r| r.level == level);
    let sum = reads.fold((0, 0), |(stale, all), r| (stale + r.stale, all + r.all));
    (sum.1 > 0).then_some(sum)
}

impl Freeze {
    /// The last look before the receiver went on. On a busy machine the answer to a look can come later than that: the
    /// receiver has replied meanwhile.
    pub(super) fn last(&self) -> Option<&Sample> {
        let (from, until) = self.frozen_ns;
        let replied = |s: &Sample| {
            let age_us = s.reply_age_us.unwrap_or(u64::MAX);
            age_us.saturating_mul(1_000) < (s.at_ns - from) / 2
        };
        let mut looks = self.samples.iter();
        looks.rfind(|s| from < s.at_ns && s.at_ns < until && !replied(s))
    }

    /// For how long the standby has lacked something that was on the primary's disk, at a look, in ns.
    pub(super) fn behind_ns(&self, sample: &Sample) -> u64 {
        let has = sample.positions[STANDBY_FLUSH];
        let mut earlier = self.samples.iter();
        let lacked = earlier.find(|s| s.positions[FLUSH] > has);
        lacked.map_or(0, |s| sample.at_ns.saturating_sub(s.at_ns))
    }

    /// Whether the commit at `remote_write` was acknowledged while the receiver stood still.
    pub(super) fn acknowledged_meanwhile(&self) -> bool {
        self.commit_ns.1 < self.frozen_ns.1
    }
}
