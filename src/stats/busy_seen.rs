//! What a run saw of the lock at one level, with intervals over its blocks.

use super::bootstrap::{Bootstrap, Estimate, Taken, ratio};
use super::level::LevelSummary;
use crate::arm::Arm;
use crate::config::Protocol;
use crate::factor::Factors;
use crate::record::{Block, Operation, Phase, Role, Run, RunHead, SeriesHistogram, SeriesKey};

const fn hold(operation: Operation) -> SeriesKey {
    SeriesKey::service(Role::Client, operation, Phase::Hold)
}
/// Exclusive holds, of the model's clock reads or of a trace.
pub(super) const HOLDS: [SeriesKey; 2] = [
    hold(Operation::ProcArrayAdd),
    hold(Operation::ProcArrayRemove),
];
/// Readers' waits for the lock, those included that found it free.
pub(super) const WAIT: SeriesKey =
    SeriesKey::service(Role::Reader, Operation::Snapshot, Phase::Wait);
/// Shared acquisitions of the lock.
pub(super) const SHARED: &str = "procarraylock.shared";
/// Those of them that found it busy.
pub(super) const FOUND_BUSY: &str = "procarraylock.shared-waits";

/// Fewer acquisitions than this that found the lock busy carry no conclusion about it.
pub const LEAST_BUSY: u64 = 100;

/// Connections that joined.
const JOINED: &str = "operations.procarray-add";

/// The blocks of `unpooled`, those of its twin among them: holds, waits and counts may be theirs alone.
pub(super) struct Seen<'a> {
    run: &'a Run,
    factors: &'a Factors,
    blocks: Vec<&'a Block>,
}

/// Sum in ns, rounded, and number of a series' samples.
fn sum_and_count(series: &SeriesHistogram) -> (u64, u64) {
    let samples = series.len();
    let sum = series.mean_ns().unwrap_or(0.0) * samples as f64;
    (sum.round() as u64, samples)
}

/// Snapshots of one of the readers' statements (postgres.c: planning and execution of a simple query; one more where a
/// prepared statement is bound).
pub(super) fn snapshots(run: &RunHead) -> u32 {
    let of_server = run.config.server.as_ref().map(|s| match s.protocol {
        Protocol::Simple => 2,
        Protocol::Prepared => 3,
    });
    let of_model = run.config.model.as_ref().map(|m| m.snapshots_per_statement);
    of_server.or(of_model).unwrap_or(2)
}

/// What a connection with one SELECT takes ProcArrayLock shared, where nobody counted (`accounting`; 5 since 18).
const SHARED_OF_A_CONNECTION: f64 = 6.0;

impl<'a> Seen<'a> {
    pub(super) fn of(run: &'a Run, level: &'a LevelSummary) -> Self {
        let factors = &level.factors;
        let mut blocks = run.blocks_of(Arm::Unpooled, false, factors);
        blocks.extend(run.blocks_of(Arm::Unpooled, true, factors));
        Seen {
            run,
            factors,
            blocks,
        }
    }

    /// Those blocks.
    pub(super) fn blocks(&self) -> &[&'a Block] {
        &self.blocks
    }

    fn bootstrap(&self, blocks: usize) -> Bootstrap {
        Bootstrap::new(blocks, self.run.config.seed)
    }

    /// Both holds of a connection together.
    pub(super) fn hold_ns(&self) -> Option<Estimate> {
        let of = |block: &&Block| -> Option<[(u64, u64); 2]> {
            let [add, remove] = HOLDS.map(|key| block.series.get(&key).map(sum_and_count));
            Some([add?, remove?])
        };
        let (adds, removes): (Vec<_>, Vec<_>) =
            self.blocks.iter().filter_map(of).map(Into::into).unzip();
        let mean = |pairs: &[_], taken: &[Taken]| ratio(pairs, taken, 1.0);
        self.bootstrap(adds.len())
            .estimate(|taken| Some(mean(&adds, taken)? + mean(&removes, taken)?))
    }

    /// Shared acquisitions that found the lock busy, and all, by block.
    fn acquisitions(&self) -> Vec<(u64, u64)> {
        let count = |block: &Block, name| block.counters.get(name).copied();
        let of = |b: &&Block| Some((count(b, FOUND_BUSY)?, count(b, SHARED)?));
        self.blocks.iter().filter_map(of).collect()
    }

    /// Statements that one reader begins per second.
    pub(super) fn statements_per_second(&self) -> f64 {
        let begun = |b: &&Block| b.tallies.get(&Role::Reader).map_or(0, |t| t.recorded);
        let begun: u64 = self.blocks.iter().map(begun).sum();
        let measured_ns: u64 = self.blocks.iter().map(|b| b.measured_ns).sum();
        let all = begun as f64 * 1e9 / measured_ns.max(1) as f64;
        all / f64::from(self.run.config.readers.max(1))
    }

    /// Shared acquisitions of everybody per second where so many connections come: as counted for each of these, or
    /// else by what statements and connections take.
    pub(super) fn shared_per_second(&self, connections_per_second: f64) -> f64 {
        let sum = |name| -> u64 {
            let of = self.blocks.iter().filter_map(|b| b.counters.get(name));
            of.sum()
        };
        match [sum(SHARED), sum(JOINED)] {
            [0, _] | [_, 0] => {
                let all = f64::from(self.run.config.readers) * self.statements_per_second();
                f64::from(snapshots(self.run)) * all
                    + SHARED_OF_A_CONNECTION * connections_per_second
            }
            [shared, joined] => shared as f64 / joined as f64 * connections_per_second,
        }
    }

    /// The share of them that did.
    pub(super) fn busy(&self) -> Option<Estimate> {
        let pairs = self.acquisitions();
        self.bootstrap(pairs.len())
            .estimate(|taken| ratio(&pairs, taken, 1.0))
    }

    /// How many did; `None` where nobody counted.
    pub(super) fn busy_acquisitions(&self) -> Option<u64> {
        let pairs = self.acquisitions();
        (!pairs.is_empty()).then(|| pairs.iter().map(|p| p.0).sum())
    }

    /// Mean of the readers' longest waits, as many of them as that share says: the others found the lock free.
    pub(super) fn wait_ns(&self) -> Option<Estimate> {
        let count = |block: &Block, name| block.counters.get(name).copied();
        let of = |b: &&'a Block| {
            let pair = (count(b, FOUND_BUSY)?, count(b, SHARED)?);
            Some((pair, b.series.get(&WAIT)?))
        };
        let (pairs, waits): (Vec<_>, Vec<_>) = self.blocks.iter().filter_map(of).unzip();
        let mut longest: Vec<(u64, usize, u64)> = Vec::new();
        for (block, series) in waits.iter().enumerate() {
            longest.extend(series.buckets().into_iter().map(|(ns, n)| (ns, block, n)));
        }
        longest.sort_unstable_by(|a, b| b.cmp(a));
        let samples: Vec<u64> = waits.iter().map(|series| series.len()).collect();
        self.bootstrap(pairs.len()).estimate(|taken| {
            let mut times = vec![0.0; samples.len()];
            let mut all = 0.0;
            for &(block, n) in taken {
                times[block] = f64::from(n);
                all += times[block] * samples[block] as f64;
            }
            let waited = all * ratio(&pairs, taken, 1.0)?;
            let (mut left, mut sum) = (waited, 0.0);
            for (ns, block, n) in &longest {
                if left <= 0.0 {
                    break;
                }
                let of_these = left.min(times[*block] * *n as f64);
                sum += of_these * *ns as f64;
                left -= of_these;
            }
            (waited > 0.0).then(|| sum / waited)
        })
    }

    /// Share of `unpooled`'s statements above a service time, minus that of another arm in the same rounds.
    pub(super) fn slow_excess(&self, other: Arm, slow_over_ns: u64) -> Option<Estimate> {
        let counts = |block: &Block| -> Option<(u64, u64)> {
            let series = block.series.get(&SeriesKey::READER_SERVICE)?;
            let slow = series.buckets().into_iter().filter(|b| b.0 > slow_over_ns);
            Some((slow.map(|b| b.1).sum(), series.len()))
        };
        let others = self.run.blocks_of(other, false, self.factors);
        let ours = self.run.blocks_of(Arm::Unpooled, false, self.factors);
        let pairs = ours.into_iter().filter_map(|block| {
            let other = others.iter().find(|b| b.round == block.round)?;
            Some((counts(block)?, counts(other)?))
        });
        let (ours, others): (Vec<_>, Vec<_>) = pairs.unzip();
        self.bootstrap(ours.len())
            .estimate(|taken| Some(ratio(&ours, taken, 1.0)? - ratio(&others, taken, 1.0)?))
    }
}
