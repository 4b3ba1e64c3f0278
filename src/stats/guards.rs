//! Guards: reasons not to believe, or to be careful with, a contender's numbers.

use std::fmt;

use super::percentile::{percentile_name, samples_above};
use crate::arm::Arm;
use crate::load::connection_cost::ConnectionCost;
use crate::record::{Block, ClockKind, Mode, Role, RoleTally, Run, SeriesKey};

/// What a guard does to the numbers it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Kept, with a dagger and the reason.
    Caution,
    /// Struck out: hollow in figures, not to be quoted.
    Strike,
}

/// One finding about one contender.
#[derive(Debug, Clone, PartialEq)]
pub enum Guard {
    /// The achieved rate is under 99 % of the offered one, by more than counting noise.
    AchievedRate {
        /// Whose operations.
        role: Role,
        /// Share that was achieved, 0 to 1.
        share: f64,
    },
    /// Over 1 % of the operations failed or were cut off.
    Errors {
        /// Whose operations.
        role: Role,
        /// Share that failed, 0 to 1.
        share: f64,
        /// The most frequent class.
        class: String,
    },
    /// Fewer than ten samples above the quoted percentile.
    FewSamples {
        /// The percentile.
        percentile: f64,
        /// Samples above it.
        above: u64,
    },
    /// Not an optimised build.
    DebugBuild,
    /// The clock steps by more than a tenth of the median.
    CoarseClock {
        /// The step, in ns.
        step_ns: u64,
    },
    /// The arm has not one success.
    NoSuccess,
    /// More runnable load threads than cores.
    ThreadsOverCores {
        /// Load threads.
        threads: u32,
        /// Cores.
        cores: usize,
    },
    /// A load thread used most of a core.
    ClientSaturated {
        /// The busiest load thread's share of one core.
        share: f64,
    },
    /// Some statements failed or were cut off and are missing above.
    Censored,
    /// The reader threads themselves began late.
    PacingLate,
    /// Processes that do not belong to the run used CPU.
    OtherLoad,
    /// The machine's cores were nearly all busy.
    MachineSaturated {
        /// Busy share of all cores.
        share: f64,
    },
    /// The hypervisor gave the machine's CPU to others.
    CpuStolen {
        /// Share of all CPU time.
        share: f64,
    },
    /// `cpu-burn` did not use as much CPU as `unpooled` does.
    BurnRatio {
        /// Its CPU an operation over that of `unpooled`'s.
        ratio: f64,
    },
    /// Whether `cpu-burn` used as much CPU as `unpooled` does cannot be told.
    BurnUnverified,
    /// `cpu-burn` ran outside of the server's cgroup.
    BurnOutsideCgroup,
    /// Where churn's slots lie was arranged but not verified.
    SlotOrderUnverified,
    /// Fewer fresh starts than a printed claim needs.
    FewStarts {
        /// How many there were.
        starts: usize,
    },
    /// Fewer blocks than a quoted effect needs.
    FewBlocks {
        /// How many there were.
        blocks: usize,
    },
    /// Blocks that began although the settle rule was not met.
    Unsettled {
        /// How many.
        blocks: usize,
    },
}

impl Guard {
    /// Whether the finding strikes the numbers out.
    pub fn severity(&self) -> Severity {
        match self {
            Guard::AchievedRate { .. }
            | Guard::Errors { .. }
            | Guard::FewSamples { .. }
            | Guard::DebugBuild
            | Guard::CoarseClock { .. }
            | Guard::NoSuccess => Severity::Strike,
            _ => Severity::Caution,
        }
    }
}

impl Guard {
    /// The finding without the number that was measured, so that many levels share one.
    pub fn gist(&self) -> String {
        match self {
            Guard::AchievedRate { role, .. } => {
                format!("{role}: under 99 % of the offered rate was achieved")
            }
            Guard::Errors { role, class, .. } => {
                format!("{role}: over 1 % of the operations failed, mostly {class}")
            }
            Guard::FewSamples { percentile, .. } => format!(
                "fewer than 10 samples above {}",
                percentile_name(*percentile)
            ),
            Guard::ClientSaturated { .. } => {
                "a load thread used most of a core: the client may be the limit".to_owned()
            }
            Guard::Unsettled { .. } => "blocks began before the server had settled".to_owned(),
            Guard::BurnRatio { .. } => {
                "cpu-burn's CPU an operation is not within 5 % of unpooled's".to_owned()
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Guard::AchievedRate { role, share } => write!(
                f,
                "{role}: only {:.1} % of the offered rate was achieved (99 % needed)",
                share * 100.0
            ),
            Guard::Errors { role, share, class } => write!(
                f,
                "{role}: {:.1} % of the operations failed, mostly {class} (1 % allowed)",
                share * 100.0
            ),
            Guard::FewSamples { percentile, above } => write!(
                f,
                "only {above} samples above {} (10 needed)",
                percentile_name(*percentile)
            ),
            Guard::DebugBuild => f.write_str("debug build"),
            Guard::CoarseClock { step_ns } => {
                write!(
                    f,
                    "the clock steps by {step_ns} ns, over a tenth of the median"
                )
            }
            Guard::NoSuccess => f.write_str("not one operation succeeded"),
            Guard::ThreadsOverCores { threads, cores } => write!(
                f,
                "{threads} load threads on {cores} cores: tails include the scheduler"
            ),
            Guard::ClientSaturated { share } => write!(
                f,
                "a load thread used {:.0} % of a core: the client may be the limit",
                share * 100.0
            ),
            Guard::Censored => f.write_str(
                "more statements failed or were cut off than a tenth of those above the quoted percentile",
            ),
            Guard::PacingLate => f.write_str(
                "the readers' own pacing error (p99) is over a quarter of the quoted percentile: see service time too",
            ),
            Guard::OtherLoad => f.write_str(
                "other processes used over 5 % of the machine's CPU: this was not an idle machine",
            ),
            // Without the share, so that arms that differ in the last digit share a note.
            Guard::MachineSaturated { .. } => f.write_str(
                "over 95 % of the machine's CPU was busy: the tail includes plain CPU queueing",
            ),
            Guard::CpuStolen { .. } => f.write_str(
                "the hypervisor took over 1 % of the CPU away: tails include other machines' load",
            ),
            Guard::BurnRatio { ratio } => write!(
                f,
                "cpu-burn used {ratio:.2} times the server CPU of an unpooled operation (0.95 to 1.05 wanted)"
            ),
            Guard::BurnUnverified => f.write_str(
                "cpu-burn cannot be compared with unpooled's CPU: it needs blocks of quiet and unpooled beside it",
            ),
            Guard::BurnOutsideCgroup => {
                f.write_str("cpu-burn ran outside of the server's cgroup")
            }
            Guard::SlotOrderUnverified => f.write_str("slot order was arranged but not verified"),
            Guard::FewStarts { starts } => {
                write!(f, "{starts} fresh start(s) (3 needed for a printed claim)")
            }
            Guard::FewBlocks { blocks } => {
                write!(
                    f,
                    "{blocks} blocks (8 needed for a quoted effect, 10 for print)"
                )
            }
            Guard::Unsettled { blocks } => {
                write!(f, "{blocks} blocks began before the server had settled")
            }
        }
    }
}

/// Every finding about the blocks of one contender, struck ones first.
pub fn findings(run: &Run, blocks: &[&Block]) -> Vec<Guard> {
    let mut found = Vec::new();
    let mut tallies: std::collections::BTreeMap<Role, RoleTally> = Default::default();
    for block in blocks {
        for (role, tally) in &block.tallies {
            tallies.entry(*role).or_default().merge(tally);
        }
    }
    for (&role, tally) in &tallies {
        if tally.scheduled > 0 && tally.succeeded() == 0 {
            found.push(Guard::NoSuccess);
        }
        // Backlogs at the two ends of a block differ by an operation or two,
        // overload or not; over many blocks that is counting noise.
        let noise = 3.0 * (2.0 * blocks.len() as f64).sqrt();
        if tally.shortfall() as f64 > 0.01 * tally.scheduled as f64 + noise {
            found.push(Guard::AchievedRate {
                role,
                share: tally.achieved_share(),
            });
        }
        let share = tally.error_share();
        // What failed has no response time: a percentile of the rest is a lower
        // one of what was asked for.
        let beyond = 1.0 - run.config.quoted_percentile / 100.0;
        if share > 0.01 || (role == Role::Reader && share > beyond / 2.0) {
            let class = tally
                .errors
                .iter()
                .map(|(class, count)| (*count, class.0.as_str()))
                .chain([(tally.cut_off, "cut off")])
                .max()
                .map_or_else(String::new, |(_, class)| class.to_owned());
            found.push(Guard::Errors { role, share, class });
        } else if role == Role::Reader && share > beyond / 10.0 {
            found.push(Guard::Censored);
        }
    }
    if run.provenance.debug_build {
        found.push(Guard::DebugBuild);
    }
    found.extend(sample_guards(run, blocks));
    found.extend(load_guards(run, blocks));
    found.sort_by_key(|g| std::cmp::Reverse(g.severity()));
    found
}

/// The series whose tail is quoted: response time, or service time in a closed loop.
pub fn quoted_series(blocks: &[&Block]) -> SeriesKey {
    let open = blocks
        .iter()
        .any(|b| b.series.contains_key(&SeriesKey::READER_RESPONSE));
    SeriesKey {
        clock: if open {
            ClockKind::Response
        } else {
            ClockKind::Service
        },
        ..SeriesKey::READER_RESPONSE
    }
}

fn sample_guards(run: &Run, blocks: &[&Block]) -> Vec<Guard> {
    let key = quoted_series(blocks);
    let mut merged = crate::record::SeriesHistogram::new();
    blocks
        .iter()
        .filter_map(|b| b.series.get(&key))
        .for_each(|s| merged.merge(s));
    let mut found = Vec::new();
    let percentile = run.config.quoted_percentile;
    let above = samples_above(percentile, merged.len());
    if above < 10 {
        found.push(Guard::FewSamples { percentile, above });
    }
    let pacing_key = SeriesKey {
        clock: ClockKind::Pacing,
        ..SeriesKey::READER_RESPONSE
    };
    let mut pacing = crate::record::SeriesHistogram::new();
    blocks
        .iter()
        .filter_map(|b| b.series.get(&pacing_key))
        .for_each(|s| pacing.merge(s));
    if let (Some(late), Some(quoted)) =
        (pacing.percentile_ns(99.0), merged.percentile_ns(percentile))
        && late * 4 > quoted
    {
        found.push(Guard::PacingLate);
    }
    if let Some(median) = merged.percentile_ns(50.0)
        && run.clock.step_ns * 10 > median
    {
        found.push(Guard::CoarseClock {
            step_ns: run.clock.step_ns,
        });
    }
    found
}

/// How far `cpu-burn`'s CPU may be from `unpooled`'s.
const BURN_TOLERANCE: f64 = 0.05;

/// Whether `cpu-burn` is the control that it is taken for.
fn burn_guards(run: &Run, blocks: &[&Block]) -> Vec<Guard> {
    let burning = |b: &&&Block| b.arm == Arm::CpuBurn && run.mode == Mode::Server;
    let Some(first) = blocks.iter().find(burning) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut cost = ConnectionCost::default();
    let same = |b: &&Block| b.factors == first.factors && !b.twin;
    for block in run.blocks.iter().filter(same) {
        cost.add(block.arm, &block.cpu, &block.tallies, 0);
    }
    match cost.burn_ratio() {
        None => found.push(Guard::BurnUnverified),
        Some(ratio) if (ratio - 1.0).abs() > BURN_TOLERANCE => {
            found.push(Guard::BurnRatio { ratio });
        }
        Some(_) => {}
    }
    let outside = |b: &&Block| {
        b.counters
            .get("burn.outside-cgroup")
            .is_some_and(|n| *n > 0)
    };
    if blocks.iter().any(outside) {
        found.push(Guard::BurnOutsideCgroup);
    }
    found
}

fn load_guards(run: &Run, blocks: &[&Block]) -> Vec<Guard> {
    let mut found = burn_guards(run, blocks);
    let cores = run.provenance.cores;
    let has_clients = blocks.iter().any(|b| b.arm != Arm::Quiet);
    let model = run.config.model.as_ref();
    let background = model.map_or(0, |model| model.background_threads());
    let clients = if has_clients { run.config.clients } else { 0 };
    let threads = run.config.readers + clients + background;
    if run.mode == Mode::Model && cores > 0 && threads as usize > cores {
        found.push(Guard::ThreadsOverCores { threads, cores });
    }
    let count = blocks.len().max(1) as f64;
    let share = blocks
        .iter()
        .map(|b| b.cpu.busiest_load_thread)
        .sum::<f64>()
        / count;
    if run.mode == Mode::Server && share > 0.8 {
        found.push(Guard::ClientSaturated { share });
    }
    let share = blocks
        .iter()
        .filter_map(|b| b.cpu.machine_busy)
        .sum::<f64>()
        / count;
    if share > 0.95 {
        found.push(Guard::MachineSaturated { share });
    }
    let others: Vec<f64> = blocks.iter().filter_map(|b| other_load(run, b)).collect();
    if !others.is_empty() && others.iter().sum::<f64>() / others.len() as f64 > 0.05 {
        found.push(Guard::OtherLoad);
    }
    let share = blocks
        .iter()
        .filter_map(|b| b.cpu.machine_stolen)
        .sum::<f64>()
        / count;
    if share > 0.01 {
        found.push(Guard::CpuStolen { share });
    }
    let standing = blocks.iter().any(|b| b.factors.standing > 0);
    if run.mode == Mode::Server && standing {
        found.push(Guard::SlotOrderUnverified);
    }
    let starts: std::collections::BTreeSet<u32> = blocks.iter().map(|b| b.visit).collect();
    if starts.len() < 3 {
        found.push(Guard::FewStarts {
            starts: starts.len(),
        });
    }
    if blocks.len() < 8 {
        found.push(Guard::FewBlocks {
            blocks: blocks.len(),
        });
    }
    let unsettled = blocks.iter().filter(|b| !b.settled).count();
    if unsettled > 0 {
        found.push(Guard::Unsettled { blocks: unsettled });
    }
    found
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
    use super::*;
    use crate::record::{ErrorClass, Factors};
    use crate::testing::sample_run;

    fn struck(run: &Run) -> Vec<Guard> {
        findings(
            run,
            &run.blocks_of(Arm::Unpooled, false, &Factors::standing(0)),
        )
        .into_iter()
        .filter(|g| g.severity() == Severity::Strike)
        .collect()
    }

    #[test]
    fn a_clean_run_is_not_struck() {
        assert_eq!(struck(&sample_run(8)), []);
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
        let found = |run: &Run| {
            let level = Factors::standing(0);
            findings(run, &run.blocks_of(Arm::CpuBurn, false, &level))
        };
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
