//! Verdicts on made-up runs.

use super::*;
use crate::chapter7::assessment::{Claim, ClaimVerdict, Must};
use crate::chapter7::lsn_ladder::record::{Block, Cell, Closed, Freeze, Reads, Sample};
use crate::record::SeriesHistogram;

const MS: u64 = 1_000_000;

/// Commits as PostgreSQL makes them: 1 ms, and what they wait for.
fn cell(fault: Fault, level: Level) -> Cell {
    let mut service = SeriesHistogram::default();
    let base_ns = (1 + level as u64) * MS / 2;
    let waits = fault.is_felt_at(level);
    let added_ns = if waits {
        fault.injected().as_nanos() as u64
    } else {
        0
    };
    (0..24).for_each(|n| service.record(base_ns + added_ns + n * 1_000));
    Cell {
        level,
        service,
        looks: 100,
        waiting: if level.is_remote() { 40 } else { 0 },
        not_synchronous: 0,
    }
}

fn sample(n: u64, lag_ns: u64) -> Sample {
    let done = |behind: u64| 10_000 + 100 * n - behind;
    Sample {
        at_ns: n * 20 * MS,
        positions: [
            done(0),
            done(0),
            done(0),
            done(0),
            done(50),
            done(60),
            done(70),
        ],
        own: [done(10), done(20)],
        lags_us: [Some(lag_ns / 1_000); 3],
        reply_age_us: Some(10),
    }
}

fn block(fault: Fault) -> Block {
    let reads = |level: Level| Reads {
        level,
        all: 100,
        stale: [100, 90, 40, 3, 0][level as usize],
    };
    let closed = |level: Level| Closed {
        level,
        commits: match fault.is_felt_at(level)
            || level == Level::RemoteWrite && fault != Fault::None
        {
            true => 100,
            false => 3_000,
        },
        elapsed_ns: 1_000 * MS,
    };
    let levels = || Level::ALL.iter().copied();
    Block {
        fault,
        samples: (0..50).map(|n| sample(n, 300_000)).collect(),
        cells: levels().map(|level| cell(fault, level)).collect(),
        closed: levels().map(closed).collect(),
        reads: levels().map(reads).collect(),
    }
}

/// From the 20th look on the standby has no more than it had.
fn freeze() -> Freeze {
    let held = sample(20, 0).positions;
    let samples = (0..120).map(|n| {
        let mut sample = sample(n, 500_000);
        if n >= 20 {
            sample.positions[4..].copy_from_slice(&held[4..]);
            sample.reply_age_us = Some((n - 20) * 20_000 + 10);
        }
        sample
    });
    Freeze {
        frozen_ns: (400 * MS, 2_400 * MS),
        samples: samples.collect(),
        commit_ns: (700 * MS, 2_410 * MS),
    }
}

fn run() -> LsnLadder {
    let blocks = Fault::ALL.iter().copied().chain([Fault::None]);
    LsnLadder {
        server_version: "17.2".to_owned(),
        file_system: "ext4".to_owned(),
        defaults: ("on".to_owned(), String::new()),
        acknowledged_without_list: Some(true),
        rate_per_second: 300.0,
        blocks: blocks.map(block).collect(),
        freeze: Some(freeze()),
    }
}

fn verdicts(run: &LsnLadder) -> Vec<ClaimVerdict> {
    claims(run).into_iter().map(|c| c.verdict).collect()
}

fn broken(run: &LsnLadder) -> Vec<&'static str> {
    let checks = checks(run).into_iter();
    checks
        .filter(|c| !c.violations.is_empty())
        .map(|c| c.rule)
        .collect()
}

/// The run, with every block changed.
fn with(change: fn(&mut Block)) -> LsnLadder {
    let mut run = run();
    run.blocks.iter_mut().for_each(change);
    run
}

/// The run, with every cell changed.
fn with_cells(change: fn(Fault, &mut Cell)) -> LsnLadder {
    let mut run = run();
    for block in &mut run.blocks {
        block.cells.iter_mut().for_each(|c| change(block.fault, c));
    }
    run
}

#[test]
fn the_claims_are_judged_by_what_was_measured() {
    use ClaimVerdict::{Confirmed, InPart, NotMeasured, Refuted};
    let mut run = run();
    let usual = [InPart, Refuted, Refuted, Refuted, Refuted, InPart];
    assert_eq!(verdicts(&run), usual);
    let found = |run: &LsnLadder, n: usize| -> Claim { claims(run).swap_remove(n) };
    assert!(
        found(&run, 1).found.contains("acknowledged after 1.71 s"),
        "{:?}",
        found(&run, 1)
    );
    assert!(
        found(&run, 3).found.contains("not there yet: 6 of 200"),
        "{:?}",
        found(&run, 3)
    );
    assert!(
        found(&run, 4).found.contains("500 µs"),
        "{:?}",
        found(&run, 4)
    );
    run.defaults.0 = "local".to_owned();
    let freeze = run.freeze.as_mut().unwrap();
    freeze.commit_ns.1 = 800 * MS;
    for sample in &mut freeze.samples {
        sample.lags_us[2] = Some(3_000_000);
    }
    for block in &mut run.blocks {
        block.reads.iter_mut().for_each(|r| r.stale = 0);
        block.closed.iter_mut().for_each(|c| c.commits = 3_000);
    }
    let other = [
        InPart, Confirmed, Confirmed, Confirmed, Confirmed, Confirmed,
    ];
    assert_eq!(verdicts(&run), other);
    assert_eq!(verdicts(&LsnLadder::default()), [NotMeasured; 6]);
    assert_eq!(assess(&LsnLadder::default()).answer.len(), 3);
    // A network that only remote_apply waits for pairs with another level.
    let moved = with_cells(|fault, c| {
        if fault == Fault::Network && c.level != Level::RemoteApply {
            *c = cell(Fault::None, c.level);
        }
    });
    assert_eq!(verdicts(&moved)[0], Refuted);
}

#[test]
fn every_rule_holds_in_a_run_as_postgresql_makes_it() {
    let run = run();
    assert_eq!(broken(&run), [""; 0]);
    for check in checks(&run) {
        assert!(check.looked_at > 0, "{}", check.rule);
    }
    let answer = assess(&run).answer;
    assert!(answer[1].starts_with("Each fault is felt"), "{answer:?}");
    assert!(
        answer[2].contains("6 of 200 at on (3 of 100 with a late replay), 0 of 200"),
        "{answer:?}"
    );
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let must = |must: Must, run: &LsnLadder| -> Vec<String> {
        let checks = checks(run).into_iter();
        let checks = checks.filter(|c| c.must == must && !c.violations.is_empty());
        checks.map(|c| c.rule.to_owned()).collect()
    };
    let hold = |run: &LsnLadder| must(Must::Hold, run);
    let one = |rules: Vec<String>, words: &str| {
        assert_eq!(rules.len(), 1, "{rules:?}");
        assert!(rules[0].contains(words), "{rules:?}");
    };
    one(
        hold(&with(|b| b.samples[7].positions[3] += 1_000_000)).split_off(1),
        "goes back",
    );
    one(
        hold(&with(|b| b.samples[7].positions = [5; 7])),
        "goes back",
    );
    one(
        hold(&with(|b| b.samples[7].positions[0] -= 1)),
        "before the one",
    );
    one(
        hold(&with(|b| b.samples[7].own[1] = 1)),
        "has what it reports",
    );
    one(
        hold(&with(|b| b.reads[4].stale = 1)),
        "every acknowledged row",
    );
    one(
        hold(&with_cells(|_, c| c.not_synchronous = 1)),
        "stays synchronous",
    );
    one(hold(&with_cells(|_, c| c.waiting = 1)), "never wait");
    let mut early = run();
    early.freeze.as_mut().unwrap().commit_ns.1 = 800 * MS;
    one(hold(&early), "receiver stands still");
    assert!(early_is_partial(&early));

    let show = |run: &LsnLadder| must(Must::Show, run);
    let calm = with_cells(|_, c| *c = cell(Fault::None, c.level));
    one(show(&calm), "0.9 of the delay");
    let all_wait = with_cells(|fault, c| {
        if fault != Fault::None {
            *c = Cell {
                level: c.level,
                ..cell(fault, Level::RemoteApply)
            };
        }
    });
    assert_eq!(
        show(&all_wait).len(),
        2,
        "not below the fault, and off is not faster"
    );
    one(show(&with(|b| b.reads[1].stale = 0)), "at local some");
    one(show(&with_cells(|_, c| c.waiting = 0)), "SyncRep");
    let mut kept_up = run();
    for sample in &mut kept_up.freeze.as_mut().unwrap().samples {
        sample.positions = [sample.positions[0]; 7];
    }
    one(show(&kept_up), "falls behind");
}

fn early_is_partial(run: &LsnLadder) -> bool {
    assess(run)
        .violation()
        .is_some_and(|v| v.contains("remote_write"))
}

#[test]
fn what_the_standby_lacks_is_timed_from_when_it_was_on_the_disk() {
    let mut freeze = freeze();
    let mut late = *freeze.last().unwrap();
    assert_eq!(late.at_ns, 2_380 * MS);
    // Asked before the receiver went on, and answered afterwards.
    (late.at_ns, late.reply_age_us) = (2_390 * MS, Some(1_300));
    let place = freeze.samples.partition_point(|s| s.at_ns < late.at_ns);
    freeze.samples.insert(place, late);
    let last = freeze.last().unwrap();
    assert_eq!(last.at_ns, 2_380 * MS);
    // It has what the primary had 60 bytes ago: everything of the look before the stop.
    assert_eq!(freeze.behind_ns(last), 2_380 * MS - 400 * MS);
    assert!(!freeze.acknowledged_meanwhile());
    assert_eq!(Freeze::default().last(), None);
}
