//! Twenty real pairs of the same against the same: how often is a difference reported?

use std::collections::BTreeMap;

use procbench::arm::Arm;
use procbench::arm::Mode;
use procbench::config::Arrivals;
use procbench::config::Config;
use procbench::config::ServerChoice;
use procbench::factor::ClientRate;
use procbench::factor::OfferedRate;
use procbench::record::{Run, SeriesHistogram, SeriesKey};
use procbench::stats::{Contrast, ERROR_RATE, Statistic, paired_contrasts};

use crate::support::{MS, config, run_model, run_server, server_turn, turn};

const PAIRS: u32 = 20;
const ROUNDS: u32 = 8;
/// Of copied pairs, which are all alike: each is its own copy.
const FEW: u32 = 4;
/// At the stated 5 %, more than this many of twenty has a probability of 0.03 %.
const ALARMS_ALLOWED: usize = 5;
/// How many times as long everything takes where a difference of medians must be found: more than what this
/// machine may do to single blocks.
const SLOWER: u64 = 1_000;

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
    let blocks = run.blocks.iter().filter(|b| b.round / ROUNDS == pair);
    let part = Run {
        head: run.head.clone(),
        blocks: blocks.cloned().collect(),
    };
    assert_eq!(part.blocks.len() as u32, 2 * ROUNDS);
    paired_contrasts(
        &part,
        &part.levels()[0],
        (Arm::KeptOpen, false, None),
        (Arm::KeptOpen, true, None),
    )
}

/// Whether the permutation test fires.
fn differs(contrast: &Contrast) -> bool {
    contrast.p_value.unwrap() <= ERROR_RATE
}

fn check(mut run: Run) {
    // All that is looked at: a series of a block takes a quarter of a MB.
    for block in &mut run.blocks {
        block
            .series
            .retain(|key, _| *key == SeriesKey::READER_ADJUSTED);
    }
    let run = &run;
    let all: Vec<Vec<Contrast>> = (0..PAIRS).map(|pair| contrasts_of(run, pair)).collect();
    for statistic in [Statistic::Percentile(50.0), Statistic::Percentile(99.0)] {
        let of_pair = |pair: usize| {
            let found = all[pair].iter().find(|c| c.statistic == statistic);
            found.unwrap_or_else(|| panic!("pair {pair} does not carry {statistic}"))
        };
        let alarms = (0..all.len())
            .filter(|&pair| differs(of_pair(pair)))
            .count();
        println!(
            "{} A/A, {statistic}: {alarms} of {PAIRS} pairs differ by the test",
            run.mode
        );
        assert!(alarms <= ALARMS_ALLOWED, "{alarms} of {PAIRS}");
    }
    let mut few = run.clone();
    few.blocks.retain(|b| b.round / ROUNDS < FEW);
    for (times, is_found) in [(1, false), (SLOWER, true)] {
        let copied = with_twins_copied(few.clone(), times);
        for pair in 0..FEW {
            let contrasts = contrasts_of(&copied, pair);
            let median = |c: &&Contrast| c.statistic == Statistic::Percentile(50.0);
            for contrast in contrasts.iter().filter(|c| !is_found || median(c)) {
                assert_eq!(differs(contrast), is_found, "pair {pair}, {contrast:?}");
            }
        }
    }
}

/// The same run, with every duration of a twin that of the block it is paired with, or so many times as long.
fn with_twins_copied(mut run: Run, times: u64) -> Run {
    let slower = |histogram: &SeriesHistogram| {
        let mut slower = SeriesHistogram::default();
        for (ns, count) in histogram.buckets() {
            (0..count).for_each(|_| slower.record(times * ns));
        }
        slower
    };
    let originals: BTreeMap<u32, _> = run
        .blocks
        .iter()
        .filter(|b| !b.twin)
        .map(|b| (b.round, b.series.clone()))
        .collect();
    for block in run.blocks.iter_mut().filter(|b| b.twin) {
        let series = originals[&block.round].iter();
        block.series = series.map(|(key, h)| (*key, slower(h))).collect();
    }
    run
}

#[test]
fn pairs_on_a_real_server_differ_no_more_often_than_stated() {
    let Some(_turn) = server_turn() else { return };
    // 1,200 samples a side: p99 has its ten samples above.
    let config = pairs(Mode::Server, 60, 2_500.0);
    check(run_server(&config, ServerChoice::Local));
}

#[test]
fn pairs_in_the_model_differ_no_more_often_than_stated() {
    let _turn = turn();
    let config = pairs(Mode::Model, 40, 4_000.0);
    check(run_model(&config));
}
