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
    let count = |effect: f64, is: &dyn Fn(&Contrast) -> bool| {
        (0..RUNS).filter(|&seed| is(&run(seed, effect))).count()
    };
    let shown = |c: &Contrast| RULE.judge(c, false) == Verdict::Higher;
    let either = |c: &Contrast| shown(c) || RULE.judge(c, false) == Verdict::Lower;
    let covers = |effect: f64| {
        move |c: &Contrast| (c.difference.low_ns..=c.difference.high_ns).contains(&effect)
    };
    // At 90 % more than 20 of 200 would be missed in half of all seeds; fewer than 180 fail.
    let power = count(HALF_A_HOLD, &shown);
    assert!(power >= 180, "shown in {power} of {RUNS}");
    // At 5 % more than 20 of 200 has a probability of 0.1 %; a test that never fires would be none.
    let alarms = count(0.0, &either);
    assert!((1..=20).contains(&alarms), "{alarms} alarms in {RUNS}");
    // At 93 % fewer than 174 of 200 have a probability of 0.1 %.
    for effect in [0.0, HALF_A_HOLD] {
        let covered = count(effect, &covers(effect));
        assert!(
            covered >= 186,
            "{effect}: {covered} of {RUNS} intervals cover"
        );
    }
}

#[test]
fn a_difference_of_the_bound_is_seldom_called_smaller() {
    let smaller = |effect: f64| {
        let judged = |&seed: &u64| RULE.judge(&run(seed, effect), false);
        let verdicts =
            (1000..1000 + RUNS).filter(|seed| judged(seed) == Verdict::SmallerThan(0.01));
        verdicts.count()
    };
    // At 5 % more than 20 of 200 has a probability of 0.1 %.
    assert!(smaller(0.01) <= 20, "{}", smaller(0.01));
    // Nothing at all is found to be small in most runs.
    assert!(smaller(0.0) >= RUNS as usize / 2, "{}", smaller(0.0));
}
