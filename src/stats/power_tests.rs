//! What a run of the declared size can show: simulated blocks with the start's and the block's own chance.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::contrast::{Cell, Contrast, contrasts};
use super::rounds::Rounds;
use super::statistic::Statistic;
use super::verdict::{Rule, STARTS_NEEDED, Verdict};

/// The declared size: rounds, starts, statements in a block.
const ROUNDS: u32 = 24;
const STARTS: u32 = 8;
const STATEMENTS: u64 = 500;
/// ProcArrayLock is held 6 % of the time, and half of each hold is over the threshold.
const HALF_A_HOLD: f64 = 0.06 / 2.0;
/// Share of slow statements without churn: 1 % by choice of the threshold.
const WITHOUT: f64 = 0.01;
const RUNS: u64 = 200;
const RULE: Rule = Rule {
    smaller_than: Some(0.01),
    starts: STARTS_NEEDED,
};

fn normal(rng: &mut Pcg64) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// A factor with mean one, whose logarithm has this standard deviation.
fn mood(rng: &mut Pcg64, sigma: f64) -> f64 {
    (sigma * normal(rng) - sigma * sigma / 2.0).exp()
}

/// Slow ones among a block's statements, each with this probability: a Poisson number, as rare events are.
fn slow(rng: &mut Pcg64, share: f64) -> u64 {
    let (least, mut product, mut n) = ((-share * STATEMENTS as f64).exp(), 1.0, 0);
    loop {
        product *= 1.0 - rng.random::<f64>();
        if product <= least {
            return n;
        }
        n += 1;
    }
}

/// The slow share's contrast in one made-up run. Starts and blocks are as uneven as those of the stored runs: the
/// slow share of one arm's blocks varies by a half, the lock's part from start to start by a quarter.
fn run(seed: u64, effect: f64) -> Contrast {
    let mut rng = Pcg64::seed_from_u64(seed);
    let (mut first, mut second, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for start in 0..STARTS {
        let (of_start, of_effect) = (mood(&mut rng, 0.3), mood(&mut rng, 0.25));
        for _ in 0..ROUNDS / STARTS {
            let block = |rng: &mut Pcg64, effect: f64| {
                let without = WITHOUT * of_start * mood(rng, 0.5);
                let with = effect * of_effect * mood(rng, 0.4);
                slow(rng, without + with)
            };
            first.push(block(&mut rng, effect));
            second.push(block(&mut rng, 0.0));
            starts.push(start);
        }
    }
    let counts = [first, second].concat();
    let blocks = Rounds::of_counts(vec![STATEMENTS; counts.len()], counts);
    let cell = Cell::of_rounds(blocks, starts);
    contrasts(&cell, &[Statistic::SlowShare], seed).remove(0)
}

#[test]
fn half_a_hold_is_shown_and_nothing_is_not() {
    let runs = |effect: f64| -> Vec<Contrast> { (0..RUNS).map(|seed| run(seed, effect)).collect() };
    let (with, without) = (runs(HALF_A_HOLD), runs(0.0));
    let count = |runs: &[Contrast], verdict: Verdict| {
        let judged = runs.iter().map(|c| RULE.judge(c, false));
        judged.filter(|v| *v == verdict).count()
    };
    let power = count(&with, Verdict::Higher);
    assert!(power >= 180, "shown in {power} of {RUNS}");
    // At 5 % more than 20 of 200 has a probability of 0.1 %; a test that never fires would be none.
    let alarms = count(&without, Verdict::Higher) + count(&without, Verdict::Lower);
    assert!((1..=20).contains(&alarms), "{alarms} alarms in {RUNS}");
    for (runs, effect) in [(&with, HALF_A_HOLD), (&without, 0.0)] {
        let covers = |c: &&Contrast| (c.difference.low_ns..=c.difference.high_ns).contains(&effect);
        let covered = runs.iter().filter(covers).count();
        assert!(
            covered >= 186,
            "{effect}: {covered} of {RUNS} intervals cover"
        );
    }
    // Nothing at all is found to be small in most runs.
    let small = count(&without, Verdict::SmallerThan(0.01));
    assert!(small >= RUNS as usize / 2, "{small} of {RUNS}");
}

#[test]
fn a_difference_of_the_bound_is_seldom_called_smaller() {
    let judged = (0..RUNS).map(|seed| RULE.judge(&run(seed, 0.01), false));
    let small = judged.filter(|v| *v == Verdict::SmallerThan(0.01)).count();
    // At 5 % more than 20 of 200 has a probability of 0.1 %.
    assert!(small <= 20, "{small} of {RUNS}");
}
