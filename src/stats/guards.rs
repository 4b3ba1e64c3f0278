//! Guards: reasons not to believe, or to be careful with, a contender's numbers.

use std::ops::RangeInclusive;

use super::contender::ContenderSummary;
use super::guard::Guard;
use super::statistic::Statistic;
use crate::arm::{Arm, Mode};
use crate::factor::Factors;
use crate::record::{
    Block, BlockCpu, ErrorClass, Role, Run, SLOTS_VERIFIED, SeriesKey, samples_above,
};

/// Every finding about one contender at one level, struck ones first. `burn_ratio` is the level's.
pub(super) fn findings(
    run: &Run,
    level: &Factors,
    contender: &ContenderSummary,
    burn_ratio: Option<f64>,
) -> Vec<Guard> {
    let mut found = Vec::new();
    for (&role, tally) in &contender.tallies {
        if tally.scheduled > 0 && tally.succeeded() == 0 {
            found.push(Guard::NoSuccess);
        }
        // Backlogs at the two ends of a block differ by an operation or two,
        // overload or not; over many blocks that is counting noise.
        let noise = 3.0 * (2.0 * contender.blocks as f64).sqrt();
        if tally.shortfall() as f64 > 0.01 * tally.scheduled as f64 + noise {
            let share = tally.achieved_share();
            found.push(Guard::AchievedRate { role, share });
        }
        let share = tally.error_share();
        // What failed has no response time: a percentile of the rest is a lower
        // one of what was asked for.
        let beyond = 1.0 - run.config.quoted_percentile / 100.0;
        if share > 0.01 || (role == Role::Reader && share > beyond / 2.0) {
            let errors = tally.errors.iter().map(|(class, n)| (*n, class.clone()));
            let cut_off = (tally.cut_off, ErrorClass::new("cut off"));
            let class = errors.fold(cut_off, Ord::max).1;
            found.push(Guard::Errors { role, share, class });
        } else if role == Role::Reader && share > beyond / 10.0 {
            found.push(Guard::Censored);
        }
    }
    found.extend(run.provenance.debug_build.then_some(Guard::DebugBuild));
    let blocks = run.blocks_of(contender.arm, contender.twin, level);
    found.extend(sample_guards(run, contender));
    found.extend(threshold_off(run, contender));
    if contender.arm == Arm::CpuBurn && run.mode == Mode::Server {
        found.extend(burn_guards(&blocks, burn_ratio));
    }
    found.extend(load_guards(run, &blocks, contender.starts));
    found.sort_by_key(|g| std::cmp::Reverse(g.severity()));
    found
}

/// A threshold that was meant to be the baseline's p99 must leave a quarter of that share slow, or it shows nothing, and
/// at most four times that share.
const SLOW_SHARES: RangeInclusive<f64> = 0.0025..=0.04;

/// Whether this is the baseline, and the threshold that was found for it is not its own.
fn threshold_off(run: &Run, contender: &ContenderSummary) -> Option<Guard> {
    let is_sought = run.config.slow_over_ns.is_none();
    let is_baseline = Arm::baseline(&run.config.arms) == Some(contender.arm);
    let share = contender.estimate(Statistic::SlowShare)?.value_ns;
    let is_off = is_sought && is_baseline && !SLOW_SHARES.contains(&share);
    is_off.then_some(match share < *SLOW_SHARES.start() {
        true => Guard::ThresholdTooHigh { share },
        false => Guard::ThresholdTooLow,
    })
}

fn sample_guards(run: &Run, contender: &ContenderSummary) -> Vec<Guard> {
    let (quoted, percentile) = (contender.quoted, run.config.quoted_percentile);
    let at = |key, p| contender.merged.get(&key)?.percentile_ns(p);
    let (late, tail) = (at(SeriesKey::READER_PACING, 99.0), at(quoted, percentile));
    let above = samples_above(percentile, contender.samples);
    let step_ns = run.clock.step_ns;
    let is_late = late.zip(tail).is_some_and(|(late, tail)| late * 4 > tail);
    let is_coarse = at(quoted, 50.0).is_some_and(|median| step_ns * 10 > median);
    where_true([
        (above < 10, Guard::FewSamples { percentile, above }),
        (is_late, Guard::PacingLate),
        (is_coarse, Guard::CoarseClock { step_ns }),
    ])
}

/// The findings whose condition is met.
fn where_true<const N: usize>(rules: [(bool, Guard); N]) -> Vec<Guard> {
    let met = rules.into_iter().filter(|rule| rule.0);
    met.map(|rule| rule.1).collect()
}

/// Above these shares of the machine's CPU, all of it and that of others, numbers are not those of a calm machine.
pub(super) const MOST_BUSY: f64 = 0.95;
pub(super) const MOST_OTHERS: f64 = 0.05;

/// How far `cpu-burn`'s CPU may be from `unpooled`'s.
const BURN_TOLERANCE: f64 = 0.05;

/// Whether `cpu-burn` is the control that it is taken for.
fn burn_guards(blocks: &[&Block], burn_ratio: Option<f64>) -> Vec<Guard> {
    // Without a cost of unpooled above zero there is nothing to compare with.
    let ratio = burn_ratio.filter(|ratio| *ratio > 0.0 && ratio.is_finite());
    let off = ratio.filter(|ratio| (ratio - 1.0).abs() > BURN_TOLERANCE);
    let outside = |b: &&Block| {
        b.counters
            .get("burn.outside-cgroup")
            .is_some_and(|n| *n > 0)
    };
    let mut found = Vec::from_iter(off.map(|ratio| Guard::BurnRatio { ratio }));
    found.extend(where_true([
        (ratio.is_none(), Guard::BurnUnverified),
        (blocks.iter().any(outside), Guard::BurnOutsideCgroup),
    ]));
    found
}

fn load_guards(run: &Run, blocks: &[&Block], starts: usize) -> Vec<Guard> {
    let cores = run.provenance.cores;
    let has_clients = blocks.iter().any(|b| b.arm != Arm::Quiet);
    let model = run.config.model.as_ref();
    let background = model.map_or(0, |model| model.background_threads(&run.config.factors));
    let clients = if has_clients { run.config.clients } else { 0 };
    let threads = run.config.readers + clients + background;
    let all = blocks.len().max(1) as f64;
    let mean = |of: fn(&BlockCpu) -> Option<f64>| {
        blocks.iter().filter_map(|b| of(&b.cpu)).sum::<f64>() / all
    };
    let busiest = mean(|cpu| Some(cpu.busiest_load_thread));
    let busy = mean(|cpu| cpu.machine_busy);
    let stolen = mean(|cpu| cpu.machine_stolen);
    let others: Vec<f64> = blocks.iter().filter_map(|b| other_load(run, b)).collect();
    let unsettled = blocks.iter().filter(|b| !b.settled).count();
    let is_server = run.mode == Mode::Server;
    let is_crowded = !is_server && cores > 0 && threads as usize > cores;
    let is_limit = is_server && busiest > 0.8;
    let has_others =
        !others.is_empty() && others.iter().sum::<f64>() / others.len() as f64 > MOST_OTHERS;
    let has_slots = is_server && blocks.iter().any(|b| has_unseen_slots(b));
    let blocks = blocks.len();
    where_true([
        (is_crowded, Guard::ThreadsOverCores { threads, cores }),
        (is_limit, Guard::ClientSaturated { share: busiest }),
        (busy > MOST_BUSY, Guard::MachineSaturated { share: busy }),
        (has_others, Guard::OtherLoad),
        (stolen > 0.01, Guard::CpuStolen { share: stolen }),
        (has_slots, Guard::SlotOrderUnverified),
        (starts < 3, Guard::FewStarts { starts }),
        (blocks < 8, Guard::FewBlocks { blocks }),
        (unsettled > 0, Guard::Unsettled { blocks: unsettled }),
    ])
}

/// Whether churn's slots were meant to lie somewhere, and nobody saw that they do.
fn has_unseen_slots(block: &Block) -> bool {
    block.factors.standing > 0 && block.counters.get(SLOTS_VERIFIED) != Some(&1)
}

/// Share of the machine's CPU that nobody of this run used; `None` where the
/// server's part is not known.
fn other_load(run: &Run, block: &Block) -> Option<f64> {
    if run.mode == Mode::Server && !block.cpu.used_ns.contains_key("server") {
        return None;
    }
    let used: u64 = block.cpu.used_ns.values().sum();
    let all = block.cpu.over_ns as f64 * run.provenance.cores as f64;
    (all > 0.0).then_some(block.cpu.machine_busy? - used as f64 / all)
}

#[cfg(test)]
mod tests {
    use super::super::guard::Severity;
    use super::*;
    use crate::stats::{Answer, Verdict, analyse};
    use crate::testing::sample_run;

    fn found(run: &Run, arm: Arm) -> Vec<Guard> {
        let analysis = analyse(run, Answer::Contrast, None);
        let contender = analysis.levels[0].contender(arm, false).unwrap();
        contender.guards.clone()
    }

    fn struck(run: &Run) -> Vec<Guard> {
        let found = found(run, Arm::Unpooled).into_iter();
        found.filter(|g| g.severity() == Severity::Strike).collect()
    }

    #[test]
    fn a_clean_run_is_not_struck() {
        assert_eq!(struck(&sample_run(8)), []);
    }

    #[test]
    fn a_threshold_far_above_the_baseline_s_p99_makes_nothing_smaller_than_a_bound() {
        let verdicts = |sought: bool| {
            let mut run = sample_run(12);
            run.slow_over_ns = Some(1_000_000_000);
            run.config.slow_over_ns = run.slow_over_ns.filter(|_| !sought);
            for block in &mut run.blocks {
                block.start = block.round / 2;
            }
            let level = analyse(&run, Answer::Contrast, Some(0.01)).levels.remove(0);
            let too_high = |g: &Guard| matches!(g, Guard::ThresholdTooHigh { .. });
            let base = level.contender(Arm::KeptOpen, false).unwrap();
            let found = level.found(Arm::Unpooled, Arm::KeptOpen, Statistic::SlowShare);
            (base.guards.iter().any(too_high), found.unwrap().1)
        };
        assert_eq!(verdicts(false), (false, Verdict::SmallerThan(0.01)));
        assert_eq!(verdicts(true), (true, Verdict::CannotTell));
    }

    #[test]
    fn a_threshold_far_below_the_baseline_s_p99_is_a_caution() {
        let mut run = sample_run(12);
        run.slow_over_ns = Some(1);
        let base = |run: &Run| {
            let guards = found(run, Arm::KeptOpen).into_iter();
            guards
                .filter(|g| matches!(g, Guard::ThresholdTooLow))
                .count()
        };
        assert_eq!(base(&run), 1);
        // Somebody's own threshold is his business.
        run.config.slow_over_ns = run.slow_over_ns;
        assert_eq!(base(&run), 0);
    }

    #[test]
    fn each_strike_rule_fires() {
        let mut run = sample_run(8);
        for block in run.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
            let tally = block.tallies.get_mut(&Role::Client).unwrap();
            tally.begun_in_window = 45;
            tally.recorded = 49;
            tally.errors.insert(ErrorClass::new("sqlstate-53300"), 1);
        }
        run.provenance.debug_build = true;
        run.clock.step_ns = 100_000;
        run.config.quoted_percentile = 99.9;
        let text = struck(&run)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ");
        for expected in [
            "90.0 %",
            "53300",
            "debug build",
            "clock steps",
            "only 4 samples above p99.9",
        ] {
            assert!(text.contains(expected), "{expected} not in: {text}");
        }
    }

    #[test]
    fn cpu_burn_is_held_against_what_unpooled_costs() {
        let mut run = crate::testing::sample_run_with_cpu();
        run.mode = Mode::Server;
        let found = |run: &Run| found(run, Arm::CpuBurn);
        let burning: Vec<Block> = run
            .blocks
            .iter()
            .filter(|b| b.arm == Arm::KeptOpen && !b.twin)
            .map(|b| Block {
                arm: Arm::CpuBurn,
                counters: std::collections::BTreeMap::from([("burn.outside-cgroup".into(), 1)]),
                ..b.clone()
            })
            .collect();
        run.blocks.extend(burning);
        let set = |run: &mut Run, used_ns| {
            for block in run.blocks.iter_mut().filter(|b| b.arm == Arm::CpuBurn) {
                let account = crate::record::CpuAccount {
                    used_ns,
                    ..Default::default()
                };
                block
                    .cpu
                    .groups
                    .insert(crate::record::CpuGroup::Burner, account);
            }
        };
        // An unpooled transaction costs 50 us, and there are 60 in a block.
        set(&mut run, 60 * 52_000);
        let within = found(&run);
        assert!(within.contains(&Guard::BurnOutsideCgroup), "{within:?}");
        assert!(!within.iter().any(|g| matches!(g, Guard::BurnRatio { .. })));
        set(&mut run, 60 * 60_000);
        let beyond = found(&run);
        assert!(
            beyond.contains(&Guard::BurnRatio { ratio: 1.2 }),
            "{beyond:?}"
        );
        assert_eq!(
            Guard::BurnRatio { ratio: 1.2 }.severity(),
            Severity::Caution
        );
        run.blocks.retain(|b| b.arm != Arm::Unpooled);
        assert!(found(&run).contains(&Guard::BurnUnverified));
    }

    #[test]
    fn an_arm_without_any_success_is_struck() {
        let mut run = sample_run(8);
        for block in run.blocks.iter_mut() {
            let tally = block.tallies.get_mut(&Role::Client).unwrap();
            tally.recorded = 0;
            tally.errors.insert(ErrorClass::new("connect-refused"), 50);
        }
        assert!(struck(&run).contains(&Guard::NoSuccess));
    }
}
