//! The argument against connection churn, sentence by sentence, held against the runs of a chapter.

use serde::Serialize;

use super::account::{PROCARRAY_EXCLUSIVE, PROCARRAY_SHARED};
use super::analysis::Analysis;
use super::bootstrap::{Estimate, Unit};
use super::contender::ContenderSummary;
use super::finding::Value;
use super::level::{Found, LevelSummary};
use super::statistic::Statistic;
use super::verdict::Verdict;
use crate::arm::{Arm, Mode};
use crate::factor::{Factor, Factors};

/// One sentence of the argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArgumentStep {
    /// Every query takes a snapshot.
    QueriesTakeSnapshots,
    /// Connecting and disconnecting take ProcArrayLock exclusively.
    ConnectingExcludes,
    /// Churn paralyses every query.
    ChurnParalyses,
    /// Pooling cures it.
    PoolingCures,
}

/// What the runs say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// It holds as it stands, in the regime measured.
    Supported,
    /// Less than it says was shown.
    Overstated,
    /// The contrary was measured.
    Contradicted,
    /// The runs that are there do not decide it.
    Undecided,
    /// A run is missing.
    Missing,
}

/// One sentence with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArgumentRow {
    /// The sentence.
    pub step: ArgumentStep,
    /// What the runs say of it.
    pub support: Support,
    /// The level behind the numbers, with the factors that its run names.
    pub level: Option<Factors>,
    /// Client transactions per second there.
    pub per_second: Option<f64>,
    /// The numbers.
    pub values: Vec<Value>,
    /// The figure that shows it, in the chapter's directory, without extension.
    pub figure: Option<String>,
    /// What is missing, and the command that gives it.
    pub missing: Option<(&'static str, &'static str)>,
}

impl ArgumentRow {
    fn missing(step: ArgumentStep, what: &'static str, command: &'static str) -> Self {
        ArgumentRow {
            step,
            support: Support::Missing,
            level: None,
            per_second: None,
            values: Vec::new(),
            figure: None,
            missing: Some((what, command)),
        }
    }

    fn of(step: ArgumentStep, support: Support, at: (&LevelSummary, &ContenderSummary)) -> Self {
        let done = at.1.client_per_second;
        ArgumentRow {
            support,
            level: Some(at.0.factors.clone()),
            per_second: (done > 0.0).then_some(done),
            missing: None,
            ..ArgumentRow::missing(step, "", "")
        }
    }

    fn with(mut self, of: &str, estimate: impl Into<Estimate>, unit: Unit) -> Self {
        self.values.push(Value {
            of: of.to_owned(),
            estimate: estimate.into(),
            unit,
        });
        self
    }
}

/// The argument held against the runs of a chapter, in its order.
pub fn argument(runs: &[&Analysis]) -> [ArgumentRow; 4] {
    [
        counted(
            runs,
            ArgumentStep::QueriesTakeSnapshots,
            (Arm::KeptOpen, PROCARRAY_SHARED),
            "shared acquisitions for each SELECT",
            |n| n >= 1.0,
        ),
        counted(
            runs,
            ArgumentStep::ConnectingExcludes,
            (Arm::Unpooled, PROCARRAY_EXCLUSIVE),
            "exclusive acquisitions for each connection",
            |n| n == 2.0,
        ),
        paralysis(runs),
        cure(runs),
    ]
}

/// A sentence about acquisitions for each client transaction: it holds where every version's count does. A model's
/// count says what was written into it, and decides nothing.
fn counted(
    runs: &[&Analysis],
    step: ArgumentStep,
    (arm, what): (Arm, &str),
    in_words: &str,
    holds: impl Fn(f64) -> bool,
) -> ArgumentRow {
    let of_mode = |mode: Mode| -> Vec<_> {
        let runs = runs.iter().filter(|r| r.run.mode == mode);
        let levels = runs.flat_map(|r| &r.levels);
        let count = |level| {
            let contender = contender(level, arm)?;
            Some((level, contender, contender.counted(what)?.value))
        };
        levels.filter_map(count).collect()
    };
    let (traced, modelled) = (of_mode(Mode::Server), of_mode(Mode::Model));
    let found = if traced.is_empty() {
        &modelled
    } else {
        &traced
    };
    let Some((level, contender, _)) = found.first() else {
        let command = "procbench run accounting";
        return ArgumentRow::missing(step, "acquisitions counted for each transaction", command);
    };
    let support = match found.iter().all(|f| holds(f.2)) {
        _ if traced.is_empty() => Support::Undecided,
        true => Support::Supported,
        false => Support::Contradicted,
    };
    let mut row = ArgumentRow::of(step, support, (level, contender));
    if traced.is_empty() {
        let what = "a traced server: these are the model's counts";
        row.missing = Some((what, "sudo procbench run accounting --mode server"));
    }
    for (level, _, value) in found {
        let version = level.factors.get(Factor::Pg);
        let of = version.map_or(String::new(), |v| format!(", PostgreSQL {v}"));
        let of = format!("{in_words}{of}:");
        if row.values.iter().all(|v| v.of != of) {
            row = row.with(&of, *value, Unit::Number);
        }
    }
    row
}

/// An arm's blocks, unless they are struck out.
fn contender(level: &LevelSummary, arm: Arm) -> Option<&ContenderSummary> {
    let contender = level.contender(arm, false)?;
    contender.struck().is_none().then_some(contender)
}

/// The server's run of `churn-tail`, with its primary level.
fn churn_tail<'a>(runs: &[&'a Analysis]) -> Option<(&'a Analysis, &'a LevelSummary)> {
    let of_server = |r: &&&Analysis| r.run.mode == Mode::Server && r.run.experiment == "churn-tail";
    let run = *runs.iter().find(of_server)?;
    Some((run, run.primary_level()?))
}

/// The statistic that claims rest on: the slow share, if the run has a threshold.
fn outcome(run: &Analysis) -> Statistic {
    match run.run.slow_over_ns {
        Some(_) => Statistic::SlowShare,
        None => run.run.quoted_statistic(),
    }
}

const CHURN_TAIL: &str = "procbench run churn-tail --mode server";

/// Every query paralysed: half of the statements are slower under churn than 99 % of them without.
fn paralysis(runs: &[&Analysis]) -> ArgumentRow {
    let step = ArgumentStep::ChurnParalyses;
    let missing = || ArgumentRow::missing(step, "running statements beside churn", CHURN_TAIL);
    let Some((run, level)) = churn_tail(runs) else {
        return missing();
    };
    let statistic = outcome(run);
    let found = level.found(Arm::Unpooled, Arm::KeptOpen, statistic);
    let of_lock = level.found(Arm::Unpooled, Arm::Premapped, statistic);
    let Some(churned) = level.contender(Arm::Unpooled, false) else {
        return missing();
    };
    let at = |arm, p| contender(level, arm)?.estimate(Statistic::Percentile(p));
    let (half, calm) = (at(Arm::Unpooled, 50.0), at(Arm::KeptOpen, 99.0));
    let mut row = ArgumentRow::of(step, paralyses(found, half, calm), (level, churned));
    row.figure = Some("churn-tail/server/response-time".to_owned());
    if let Some((contrast, _)) = found {
        let of = format!("{statistic}, unpooled minus kept-open");
        row = row.with(&of, contrast.difference, contrast.unit);
    }
    if let Some((contrast, _)) = of_lock {
        let of = "the lock's part, unpooled minus premapped";
        row = row.with(of, contrast.difference, contrast.unit);
    }
    for (of, value) in [
        ("half of the statements beside unpooled take at most", half),
        ("99 % of those beside kept-open take at most", calm),
    ] {
        if let Some(value) = value {
            row = row.with(of, value.value_ns, Unit::Ns);
        }
    }
    match run.waits.iter().find(|w| w.factors == level.factors) {
        Some(waits) => row.with("ProcArrayLock found busy", waits.busy, Unit::Share),
        None => {
            let command = "sudo procbench run busy-share --mode server";
            row.missing = Some(("how often the lock was found busy", command));
            row
        }
    }
}

fn paralyses(found: Found, half: Option<Estimate>, calm: Option<Estimate>) -> Support {
    let (Some((_, verdict)), Some(half), Some(calm)) = (found, half, calm) else {
        return Support::Undecided;
    };
    let is_everyone = half.low_ns > calm.high_ns;
    let is_nobody = half.high_ns < calm.low_ns;
    match verdict {
        Verdict::Higher if is_everyone => Support::Supported,
        Verdict::Higher if is_nobody => Support::Overstated,
        // What could not be told contradicts nothing.
        Verdict::Lower | Verdict::SmallerThan(_) if is_nobody => Support::Contradicted,
        _ => Support::Undecided,
    }
}

/// Cured: beside a pool less is left than reconnecting did, and none of it is shown.
fn cure(runs: &[&Analysis]) -> ArgumentRow {
    let step = ArgumentStep::PoolingCures;
    let missing = |what| ArgumentRow::missing(step, what, CHURN_TAIL);
    let Some((run, level)) = churn_tail(runs) else {
        return missing("running statements beside pooled clients");
    };
    let statistic = outcome(run);
    let against = |arm| level.found(arm, Arm::KeptOpen, statistic);
    let (sick, pooled) = (against(Arm::Unpooled), against(Arm::Pool));
    let Some(pool) = level.contender(Arm::Pool, false) else {
        let what = "what running statements see beside pooled clients (the full churn-tail has it)";
        return missing(what);
    };
    let mut row = ArgumentRow::of(step, cures(sick, pooled), (level, pool));
    row.figure = Some("churn-tail/server/excess".to_owned());
    for (of, found) in [("unpooled", sick), ("pool", pooled)] {
        if let Some((contrast, _)) = found {
            let of = format!("{statistic}, {of} minus kept-open");
            row = row.with(&of, contrast.difference, contrast.unit);
        }
    }
    row
}

fn cures(sick: Found, pooled: Found) -> Support {
    let (Some((sick, Verdict::Higher)), Some((pooled, left))) = (sick, pooled) else {
        return Support::Undecided;
    };
    let is_less = pooled.difference.high_ns < sick.difference.low_ns;
    match left {
        Verdict::Higher if is_less => Support::Overstated,
        Verdict::Higher => Support::Contradicted,
        v if v.is_usable() && is_less => Support::Supported,
        _ => Support::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Run;
    use crate::stats::{Answer, analyse};
    use crate::testing::{sample_block_like, sample_run};

    /// A server's `churn-tail` whose arms are slower by these factors; `pool` runs in `quiet`'s blocks.
    fn churned(scales: &[(Arm, u64)]) -> Run {
        let mut run = sample_run(12);
        run.mode = Mode::Server;
        run.experiment = "churn-tail".to_owned();
        run.config.arms = vec![Arm::Pool, Arm::KeptOpen, Arm::Unpooled];
        for block in &mut run.blocks {
            if block.arm == Arm::Quiet {
                block.arm = Arm::Pool;
            }
            let scale = scales.iter().find(|s| s.0 == block.arm);
            *block = sample_block_like(block, scale.map_or(1, |s| s.1));
            block.start = block.round / 2;
        }
        run
    }

    fn supports(run: &Run) -> [Support; 4] {
        let analysis = analyse(run, Answer::Contrast, None);
        argument(&[&analysis]).map(|row| row.support)
    }

    #[test]
    fn without_runs_every_row_says_which_command_gives_it() {
        for row in argument(&[]) {
            assert_eq!(row.support, Support::Missing, "{row:?}");
            assert!(row.missing.unwrap().1.starts_with("procbench run "));
        }
    }

    #[test]
    fn churn_that_slows_everyone_is_told_from_churn_that_slows_some_or_none() {
        let of = |scales: &[_]| supports(&churned(scales))[2];
        // Three times slower: the median is above every statement beside kept connections.
        assert_eq!(of(&[(Arm::Unpooled, 3)]), Support::Supported);
        assert_eq!(of(&[(Arm::KeptOpen, 3)]), Support::Contradicted);
        assert_eq!(of(&[]), Support::Undecided);
        let mut some = churned(&[]);
        for block in some.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
            for series in block.series.values_mut() {
                (0..50).for_each(|_| series.record(9_000));
            }
        }
        assert_eq!(supports(&some)[2], Support::Overstated);
        let mut few = churned(&[(Arm::Unpooled, 3)]);
        few.blocks.retain(|b| b.round < 4);
        assert_eq!(supports(&few)[2], Support::Undecided);
    }

    #[test]
    fn a_pool_cures_in_full_in_part_or_not() {
        let of = |scales: &[_]| supports(&churned(scales))[3];
        assert_eq!(of(&[(Arm::Unpooled, 4)]), Support::Supported);
        assert_eq!(
            of(&[(Arm::Unpooled, 4), (Arm::Pool, 2)]),
            Support::Overstated
        );
        assert_eq!(
            of(&[(Arm::Unpooled, 4), (Arm::Pool, 4)]),
            Support::Contradicted
        );
        // Nothing was slowed, so nothing is cured.
        assert_eq!(of(&[]), Support::Undecided);
        let mut without = churned(&[]);
        without.blocks.retain(|b| b.arm != Arm::Pool);
        assert_eq!(supports(&without)[3], Support::Missing);
    }

    /// The counts of one version's transactions, in a run without warm-up.
    fn counted_run(mode: Mode, shared: u64, exclusive: u64) -> Run {
        let mut run = crate::testing::run_under_locks(8, &[("std", 1)]);
        run.mode = mode;
        run.config.warmup_ns = 0;
        for block in &mut run.blocks {
            let counts = match block.arm {
                Arm::KeptOpen => [("shared", 50 * shared), ("exclusive", 0)],
                _ => [("shared", 300), ("exclusive", 50 * exclusive)],
            };
            let named = counts.map(|(name, n)| (format!("procarraylock.{name}"), n));
            block.counters = named.into();
            block
                .counters
                .insert("operations.reader-snapshot".to_owned(), 0);
        }
        run
    }

    #[test]
    fn only_a_server_s_counts_decide() {
        use Support::{Contradicted, Supported, Undecided};
        let of = |mode, shared, exclusive| {
            let [queries, connections, ..] = supports(&counted_run(mode, shared, exclusive));
            [queries, connections]
        };
        assert_eq!(of(Mode::Server, 2, 2), [Supported, Supported]);
        assert_eq!(of(Mode::Server, 0, 1), [Contradicted, Contradicted]);
        assert_eq!(of(Mode::Model, 2, 2), [Undecided, Undecided]);
    }
}
