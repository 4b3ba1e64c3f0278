//! Whole executions on a bench that does as it is told.

use super::*;
use crate::arm::Mode;
use crate::experiment::{self, Scale};
use crate::factor::{ClientRate, OfferedRate};
use crate::load::ClientRates;
use crate::load::plan::{BlockSpec, PlannedStart};
use crate::record::{AbsentArm, AbsentLevel, Role, SeriesHistogram, ServerProvenance};
use crate::testing::sample_block;

/// A bench with made-up blocks.
#[derive(Default)]
struct Scripted {
    absent_arms: Vec<Arm>,
    /// Levels with so many standing connections are absent.
    absent_standing: Option<u32>,
    /// What each arm sustains in a closed loop; none is asked where it is empty.
    sustained: BTreeMap<Arm, f64>,
    /// This block fails.
    fails_at: Option<u32>,
    /// The client operations of this arm fail.
    unsuccessful: Option<Arm>,
    /// The counts of this block do not add up.
    miscounted: Option<u32>,
    rates: Option<ClientRates>,
    slow_over_ns: Option<u64>,
    /// Blocks before the measured ones.
    calibrated: Vec<Arm>,
    /// This arm is lost whenever it runs.
    lost: Option<Arm>,
}

impl Bench for Scripted {
    fn prepare(&mut self) -> Result<Vec<AbsentArm>, Failure> {
        let absent = |&arm: &Arm| AbsentArm {
            arm,
            reason: "not here".to_owned(),
            lost: false,
        };
        Ok(self.absent_arms.iter().map(absent).collect())
    }

    fn absent_levels(&mut self, levels: &[Factors]) -> Vec<AbsentLevel> {
        let absent = |l: &&Factors| Some(l.standing) == self.absent_standing;
        let named = |l: &Factors| AbsentLevel {
            factors: l.clone(),
            reason: "no room".to_owned(),
            wanted: true,
        };
        levels.iter().filter(absent).map(named).collect()
    }

    fn set_client_rates(&mut self, rates: ClientRates) {
        self.rates = Some(rates);
    }

    fn set_slow_over(&mut self, slow_over_ns: Option<u64>) {
        self.slow_over_ns = slow_over_ns;
    }

    fn sustained_per_second(&mut self, arm: Arm) -> Result<f64, Failure> {
        let known = self.sustained.get(&arm).copied();
        known.ok_or_else(|| Failure::ArmLost("no rate".to_owned()))
    }

    fn describe(&self) -> (Option<ServerProvenance>, Vec<String>) {
        (None, vec!["scripted".to_owned()])
    }

    fn open_start(&mut self, _start: &PlannedStart) -> Result<(), Failure> {
        Ok(())
    }

    fn run_block(&mut self, spec: &BlockSpec) -> Result<Block, Failure> {
        if self.lost == Some(spec.arm) {
            return Err(Failure::ArmLost("no core".to_owned()));
        }
        if spec.index == u32::MAX {
            self.calibrated.push(spec.arm);
        }
        if self.fails_at == Some(spec.index) {
            return Err(Failure::Fatal("the server is gone".to_owned()));
        }
        let mut block = sample_block(spec, 1);
        if self.unsuccessful == Some(spec.arm)
            && let Some(tally) = block.tallies.get_mut(&Role::Client)
        {
            tally.recorded = 0;
            tally.cut_off = tally.scheduled;
        }
        if self.miscounted == Some(spec.index) {
            block.tallies.entry(Role::Reader).or_default().scheduled += 1;
        }
        Ok(block)
    }

    fn close_start(&mut self) {}
}

fn config(rate: ClientRate) -> Config {
    let mut config = experiment::find("churn-tail")
        .unwrap()
        .config(Mode::Model, Scale::Quick);
    config.arms = vec![Arm::Quiet, Arm::KeptOpen, Arm::Unpooled];
    config.client_rate = rate;
    config.factors.standing = vec![0, 500];
    config
}

fn executed(bench: &mut Scripted, rate: ClientRate) -> Run {
    let config = config(rate);
    let cancel = Cancel::default();
    execute(
        "churn-tail",
        &config,
        bench,
        &cancel,
        &mut Progress::silent(),
    )
}

const GIVEN: ClientRate = ClientRate::Given(OfferedRate::PerSecond(100.0));

#[test]
fn a_run_in_which_all_went_well_is_complete() {
    let run = executed(&mut Scripted::default(), GIVEN);
    assert_eq!(run.status, RunStatus::Complete);
    assert_eq!(
        run.blocks.len(),
        4 * run.config.blocks as usize * run.config.levels().len()
    );
    assert_eq!(run.client_rate_per_second, Some(100.0));
    assert_eq!(
        (run.calibration.as_ref(), run.remarks.last()),
        (None, Some(&"scripted".to_owned()))
    );
}

#[test]
fn what_is_missing_makes_it_partial_and_is_named() {
    type Change = fn(&mut Scripted);
    let cases: [(Change, &str); 5] = [
        (
            |b| b.absent_standing = Some(500),
            "a level was not available: no room",
        ),
        (|b| b.fails_at = Some(5), "the server is gone after 5 of"),
        (
            |b| b.unsuccessful = Some(Arm::Unpooled),
            "arm unpooled has no success",
        ),
        (
            |b| b.miscounted = Some(3),
            "counts of block 3 do not add up",
        ),
        (
            |b| b.absent_arms = vec![Arm::Quiet, Arm::KeptOpen, Arm::Unpooled],
            "no arm is left to run",
        ),
    ];
    for (change, expected) in cases {
        let mut bench = Scripted::default();
        change(&mut bench);
        let run = executed(&mut bench, GIVEN);
        let reason = run.partial_reason().unwrap_or_default();
        assert!(reason.starts_with(expected), "{expected}: {reason}");
        assert_eq!(
            run.blocks.is_empty(),
            expected.starts_with("no arm"),
            "{expected}"
        );
    }
}

#[test]
fn an_absent_arm_is_told_and_the_others_run() {
    let mut bench = Scripted {
        absent_arms: vec![Arm::Unpooled],
        ..Scripted::default()
    };
    let run = executed(&mut bench, GIVEN);
    assert_eq!(run.absent_arms[0].arm, Arm::Unpooled);
    assert!(!run.blocks.is_empty() && run.blocks.iter().all(|b| b.arm != Arm::Unpooled));
}

#[test]
fn clients_run_at_half_of_what_the_weakest_arm_sustains() {
    let mut bench = Scripted {
        sustained: BTreeMap::from([(Arm::KeptOpen, 9_000.0), (Arm::Unpooled, 401.0)]),
        ..Scripted::default()
    };
    let run = executed(&mut bench, ClientRate::Auto);
    let calibration = run.calibration.clone().unwrap();
    assert_eq!(
        (calibration.weakest, calibration.standing),
        (Arm::Unpooled, 500)
    );
    assert_eq!(calibration.client_rate_per_second, 201.0);
    assert_eq!(run.client_rate_per_second, Some(201.0));
    assert_eq!(bench.rates.unwrap().base, OfferedRate::PerSecond(201.0));
    // No arm with a rate: nothing can be calibrated, nothing is run.
    let run = executed(&mut Scripted::default(), ClientRate::Auto);
    assert!(
        run.partial_reason()
            .unwrap()
            .contains("no arm completed a transaction")
    );
}

fn executed_as(bench: &mut Scripted, change: impl FnOnce(&mut Config)) -> Run {
    let mut config = config(GIVEN);
    change(&mut config);
    let cancel = Cancel::default();
    let mut progress = Progress::silent();
    execute("churn-tail", &config, bench, &cancel, &mut progress)
}

#[test]
fn a_slow_statement_is_over_the_p99_of_the_baseline_before_the_measured_blocks() {
    let mut bench = Scripted::default();
    let run = executed_as(&mut bench, |_| {});
    // 500 statements each, and 6,000 are plenty: once, not on every start.
    assert_eq!(bench.calibrated, [Arm::KeptOpen; 12]);
    let service = &run.blocks[0].series[&crate::record::SeriesKey::READER_SERVICE];
    assert_eq!(run.slow_over_ns, service.percentile_ns(99.0));
    assert_eq!(bench.slow_over_ns, run.slow_over_ns);
    let remark = &run.remarks[0];
    assert!(
        remark.contains("p99 of 6000 statements under kept-open"),
        "{remark}"
    );
    assert!(run.blocks.iter().all(|b| b.index != u32::MAX));
}

#[test]
fn a_stall_in_one_stretch_of_the_calibration_does_not_decide_the_threshold() {
    let times = |all: &[u64]| {
        let mut series = SeriesHistogram::default();
        all.iter().for_each(|ns| series.record(*ns));
        series
    };
    let calm = times(&Vec::from_iter((1..=2_000).map(|i| 100 * i)));
    let stalled = times(&Vec::from_iter(
        (1..=2_000).map(|i| if i < 1_900 { 100 * i } else { 40_000_000 }),
    ));
    let p99 = calm.percentile_ns(99.0);
    // Of four blocks there are two stretches.
    for before in 0..3 {
        let mut blocks = vec![calm.clone(); 3];
        blocks.insert(before, stalled.clone());
        assert_eq!(slow_over::middle_p99_ns(&blocks), p99);
        assert_eq!(slow_over::middle_p99_ns(&blocks[..3]), p99);
    }
    assert_eq!(slow_over::middle_p99_ns(&[calm]), p99);
    assert_eq!(slow_over::middle_p99_ns(&[]), None);
}

#[test]
fn a_given_threshold_is_taken_as_it_is() {
    let mut bench = Scripted::default();
    let run = executed_as(&mut bench, |c| c.slow_over_ns = Some(200_000));
    assert_eq!(
        (run.slow_over_ns, bench.calibrated.len()),
        (Some(200_000), 0)
    );
    assert_eq!(run.remarks, ["scripted"]);
}

#[test]
fn without_enough_statements_there_is_no_threshold_and_a_remark_says_why() {
    type Change = fn(&mut Config);
    let url = |c: &mut Config| {
        let server = experiment::find("churn-tail").unwrap();
        c.server = server.config(Mode::Server, Scale::Quick).server;
        let url = "postgres://me@h:5432/d".parse().unwrap();
        c.server.as_mut().unwrap().server = crate::config::ServerChoice::Url(url);
    };
    let cases: [(Change, Option<Arm>, &str); 4] = [
        (
            |c| (c.blocks, c.duration_ns) = (9, 900_000_000),
            None,
            "9 blocks of 100 ms bring about 900 reader statements of the 2000",
        ),
        (
            // 2,000 would take 20 s.
            |c| {
                c.reader_rate = OfferedRate::PerSecond(100.0);
                (c.blocks, c.duration_ns) = (9, 90_000_000_000);
                c.warmup_ns = 0;
            },
            None,
            "1 blocks of 10000 ms bring about 1000",
        ),
        (url, None, "the server is not ours"),
        (
            |_| {},
            Some(Arm::KeptOpen),
            "arm kept-open was lost in the calibration: no core",
        ),
    ];
    for (change, lost, expected) in cases {
        let mut bench = Scripted {
            lost,
            ..Scripted::default()
        };
        let run = executed_as(&mut bench, change);
        assert_eq!(
            (run.slow_over_ns, bench.calibrated.len()),
            (None, 0),
            "{expected}"
        );
        let remark = &run.remarks[0];
        assert!(
            remark.contains(expected) && remark.contains("--slow-over"),
            "{remark}"
        );
        assert!(!run.blocks.is_empty());
    }
}
