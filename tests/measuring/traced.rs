//! A traced server: acquisitions counted exactly, holds and faults where PostgreSQL has them.
//!
//! Needs root and bpftrace besides: `procbench doctor --install`, or `PROCBENCH_TESTS_NO_TRACE=1` to deselect these.

use procbench::arm::{Arm, Mode};
use procbench::config::{ServerChoice, Tracing};
use procbench::experiment::analyse;
use procbench::procarray::SlotOrder;
use procbench::record::{Role, Run, SeriesKey, StatementClass};
use procbench::server::trace::missing;
use procbench::stats::{PROCARRAY_EXCLUSIVE, PROCARRAY_SHARED, XID_GEN_EXCLUSIVE};

use crate::support::{MS, config, counting_turn, run_server, series, server_turn};

/// Whether traced tests run; fails with the instruction when they should and cannot.
pub fn wanted() -> bool {
    if std::env::var("PROCBENCH_TESTS_NO_TRACE").is_ok_and(|v| v == "1") {
        return false;
    }
    if let Some(missing) = missing() {
        panic!("{missing}, or set PROCBENCH_TESTS_NO_TRACE=1");
    }
    true
}

/// A traced run of these arms without warm-up.
fn run(arms: &[Arm], standing: u32, slots: &[SlotOrder]) -> Run {
    run_of(arms, standing, slots, Tracing::EveryBlock)
}

fn run_of(arms: &[Arm], standing: u32, slots: &[SlotOrder], tracing: Tracing) -> Run {
    let mut config = config(Mode::Server, arms);
    config.warmup_ns = 0;
    config.duration_ns = 500 * MS;
    config.factors.standing = vec![standing];
    config.factors.slot_order = slots.to_vec();
    config.server.as_mut().unwrap().trace = tracing;
    let run = run_server(&config, ServerChoice::Local);
    assert_eq!(run.remarks.iter().find(|r| r.contains("traced")), None);
    run
}

/// The twins' probes: two snapshots for each statement of a reader, one joining and one leaving for each connection. A lost
/// event would show, or one of a function that is not probed.
#[test]
fn twins_see_every_snapshot_and_every_connection() {
    let Some(_turn) = counting_turn() else { return };
    if !wanted() {
        return;
    }
    let arms = [Arm::KeptOpen, Arm::Unpooled];
    let run = run_of(&arms, 10, &[SlotOrder::Front], Tracing::Twins);
    for block in &run.blocks {
        let counted = |name: &str| block.counters.get(name).copied();
        let statements = counted(&StatementClass::All.counter()).unwrap();
        assert!(statements > 0);
        assert_eq!(counted("operations.reader-snapshot"), Some(2 * statements));
        let [joined, left] =
            ["add", "remove"].map(|of| counted(&format!("operations.procarray-{of}")));
        // One that comes or goes at the edge of a block may be seen on its one side only.
        let (joined, left) = (joined.unwrap(), left.unwrap());
        assert!(joined.abs_diff(left) <= 1, "{}: {joined} {left}", block.arm);
        assert_eq!(joined > 1, block.arm == Arm::Unpooled, "{joined}");
        assert_eq!(counted("procarraylock.exclusive"), Some(joined + left));
        // Not seen by them.
        assert_eq!(counted("xidgenlock.exclusive"), None);
    }
}

/// Two exclusive and six shared acquisitions for each connection with a SELECT (five since 18), two of XidGenLock since
/// 14; two shared for a SELECT on a kept connection. Whole numbers: a lost event would show.
#[test]
fn every_acquisition_of_every_connection_is_counted() {
    let Some(_turn) = counting_turn() else { return };
    if !wanted() {
        return;
    }
    let run = run(&[Arm::KeptOpen, Arm::Unpooled], 10, &[SlotOrder::Front]);
    let analysis = analyse(&run);
    let level = &analysis.levels[0];
    let major = level.factors.profile().unwrap().major();
    let since = |first: u32| f64::from(u8::from(major >= first));
    let counts = |arm: Arm| {
        let contender = level.contender(arm, false).unwrap();
        [PROCARRAY_SHARED, PROCARRAY_EXCLUSIVE, XID_GEN_EXCLUSIVE]
            .map(|lock| contender.counted(lock).unwrap().value)
    };
    assert_eq!(counts(Arm::KeptOpen), [2.0, 0.0, 0.0]);
    let connection = [6.0 - since(18), 2.0, 2.0 * since(14)];
    assert_eq!(counts(Arm::Unpooled), connection);
    for block in &run.blocks {
        // Two snapshots for each reader's statement.
        let statements = block.tallies[&Role::Reader].succeeded();
        assert_eq!(block.counters["operations.reader-snapshot"], 2 * statements);
    }
}

/// The negative control: a child of a bare fork joins nothing, so that readers find the lock busy no more often than
/// without clients, but for an accident or two.
#[test]
fn a_bare_fork_makes_readers_wait_for_the_lock_no_more_than_quiet() {
    let Some(_turn) = server_turn() else { return };
    if !wanted() {
        return;
    }
    let run = run(&[Arm::Quiet, Arm::ForkOnly], 400, &[SlotOrder::Front]);
    let waits = |arm: Arm| {
        let of_arm = run.blocks.iter().filter(|b| b.arm == arm);
        let waits = of_arm.map(|b| {
            assert!(b.counters["procarraylock.shared"] > 0, "{arm}");
            b.counters["procarraylock.shared-waits"]
        });
        waits.max().unwrap()
    };
    let [quiet, forks] = [Arm::Quiet, Arm::ForkOnly].map(waits);
    assert!(forks <= quiet + 2, "{forks} {quiet}");
}

/// Since 14 a backend that joins in front of others renumbers them, and faults in a page for every four or five. Behind
/// them it does not, and one that leaves faults in nothing.
#[test]
fn joining_faults_in_the_pages_of_those_that_stand_behind() {
    let Some(_turn) = counting_turn() else { return };
    if !wanted() {
        return;
    }
    let standing = 400;
    let run = run(
        &[Arm::Unpooled],
        standing,
        &[SlotOrder::Front, SlotOrder::Behind],
    );
    for slots in [SlotOrder::Front, SlotOrder::Behind] {
        let block = run
            .blocks
            .iter()
            .find(|b| b.factors.slot_order == Some(slots))
            .unwrap();
        let counted = |name: &str| block.counters[name];
        let joined = counted("operations.procarray-add");
        assert_eq!(joined, block.tallies[&Role::Client].succeeded());
        assert_eq!(counted("operations.procarray-remove"), joined);
        let hold: SeriesKey = "client.procarray-add.hold.service".parse().unwrap();
        assert_eq!(series(block, hold).len(), joined);
        // 400 PGPROCs of 832 to 896 bytes; some pages hold other things that were touched before.
        let pages = u64::from(standing) * 832 / 4096;
        let faults = counted("faults.procarray-add") / joined;
        let renumbers = block.factors.profile().unwrap().major() >= 14;
        match (slots, renumbers) {
            (SlotOrder::Front, true) => assert!(faults > pages * 9 / 10, "{faults}"),
            _ => assert!(faults < pages / 4, "{faults}"),
        }
        let leaving = counted("faults.procarray-remove") as f64 / joined as f64;
        assert!(leaving < 1.0, "{leaving}");
    }
}
