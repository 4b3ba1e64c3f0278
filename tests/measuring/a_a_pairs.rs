//! Twenty real pairs of the same against the same: how often is a difference reported?

use procbench::arm::Arm;
use procbench::arm::Mode;
use procbench::config::Arrivals;
use procbench::config::Config;
use procbench::config::ServerChoice;
use procbench::factor::ClientRate;
use procbench::factor::OfferedRate;
use procbench::record::{Run, SeriesHistogram};
use procbench::stats::{Contrast, Statistic, Verdict, judge, paired_contrasts};

use crate::support::{MS, config, request, run_model, run_server, server_turn, turn};

const PAIRS: u32 = 20;
const ROUNDS: u32 = 8;
/// At the stated 5 %, more than this many of twenty has a probability of 0.03 %.
const ALARMS_ALLOWED: usize = 5;
/// A difference must exceed another pair's, too: half of them do. At 2.5 %, more than this has 0.1 %.
const ALARMS_ABOVE_FLOOR_ALLOWED: usize = 3;
/// So many pairs must show what is really there.
const FOUND_AT_LEAST: usize = 18;

/// All pairs in one run, so that they share one server: eight rounds a pair.
fn pairs(mode: Mode, block_ms: u64, reader_rate: f64) -> Config {
    let mut config = config(mode, &[Arm::KeptOpen]);
    config.blocks = PAIRS * ROUNDS;
    config.duration_ns = u64::from(config.blocks) * block_ms * MS;
    config.warmup_ns = 10 * MS;
    config.reader_rate = OfferedRate::PerSecond(reader_rate);
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(500.0));
    config.arrivals = Arrivals::Poisson;
    config
}

/// The rounds of one pair, judged as a whole run is.
fn contrasts_of(run: &Run, pair: u32) -> Vec<Contrast> {
    let mut part = run.clone();
    part.blocks.retain(|b| b.round / ROUNDS == pair);
    assert_eq!(part.blocks.len() as u32, 2 * ROUNDS);
    paired_contrasts(
        &part,
        &part.levels()[0],
        (Arm::KeptOpen, false),
        (Arm::KeptOpen, true),
    )
}

fn check(run: &Run) {
    let all: Vec<Vec<Contrast>> = (0..PAIRS).map(|pair| contrasts_of(run, pair)).collect();
    for statistic in [Statistic::Percentile(50.0), Statistic::Percentile(99.0)] {
        let of_pair = |pair: usize| {
            let found = all[pair].iter().find(|c| c.statistic == statistic);
            found.unwrap_or_else(|| panic!("pair {pair} does not carry {statistic}"))
        };
        let different = |with_floor: bool| {
            (0..all.len())
                .filter(|&pair| {
                    // The pair's own A/A difference cannot be its own floor.
                    let other = of_pair((pair + 1) % all.len());
                    let floor = if with_floor {
                        other.magnitude_95_ns
                    } else {
                        0.0
                    };
                    let verdict = judge(of_pair(pair), Some(floor), false);
                    assert_ne!(verdict, Verdict::TooFewRounds);
                    matches!(verdict, Verdict::Higher | Verdict::Lower)
                })
                .count()
        };
        let (by_test, above_floor) = (different(false), different(true));
        println!(
            "{} A/A, {statistic}: {by_test} of {PAIRS} pairs differ by the test, {above_floor} above the noise floor, too",
            run.mode
        );
        assert!(by_test <= ALARMS_ALLOWED, "{by_test} of {PAIRS}");
        assert!(
            above_floor <= ALARMS_ABOVE_FLOOR_ALLOWED,
            "{above_floor} of {PAIRS} above the floor"
        );
    }
    let slower = with_twins_twice_as_slow(run.clone());
    let found = (0..PAIRS).filter(|&pair| {
        let contrasts = contrasts_of(&slower, pair);
        let median = contrasts
            .iter()
            .find(|c| c.statistic == Statistic::Percentile(50.0));
        matches!(
            judge(median.unwrap(), Some(0.0), false),
            Verdict::Higher | Verdict::Lower
        )
    });
    let found = found.count();
    assert!(
        found >= FOUND_AT_LEAST,
        "{found} of {PAIRS} doubled medians were found"
    );
}

/// The same run, with every duration of the twins doubled.
fn with_twins_twice_as_slow(mut run: Run) -> Run {
    for block in run.blocks.iter_mut().filter(|b| b.twin) {
        for histogram in block.series.values_mut() {
            let mut slower = SeriesHistogram::new();
            for (ns, count) in histogram.buckets() {
                (0..count).for_each(|_| slower.record(2 * ns));
            }
            *histogram = slower;
        }
    }
    run
}

#[test]
fn pairs_on_a_real_server_differ_no_more_often_than_stated() {
    let Some(_turn) = server_turn() else { return };
    // 1,200 samples a side: p99 has its ten samples above.
    let config = pairs(Mode::Server, 60, 2_500.0);
    check(&run_server(&config, &request(ServerChoice::Local)));
}

#[test]
fn pairs_in_the_model_differ_no_more_often_than_stated() {
    let _turn = turn();
    let config = pairs(Mode::Model, 40, 4_000.0);
    check(&run_model(&config));
}
