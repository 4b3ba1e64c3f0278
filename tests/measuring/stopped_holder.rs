//! The trace held against a known cause: holders of ProcArrayLock that are stopped, so often and so long.

use std::time::Duration;

use procbench::arm::{Arm, Mode};
use procbench::config::{ServerChoice, Tracing};
use procbench::experiment::analyse;
use procbench::record::{Block, Role, StatementClass, StatementPart};

use crate::stopper::Stopper;
use crate::support::{MS, config, run_server, server_turn};
use crate::traced::wanted;

/// Stops per second, and their length.
const PER_SECOND: u64 = 5;
const STOPPED: Duration = Duration::from_millis(50);
/// Measured time of a block, in ns.
const BLOCK_NS: u64 = 2_100 * MS;
/// Each reader begins a statement every 10 ms: in each stop one of its statements waits, for between 40 and 50 ms.
const READERS: u64 = 2;
const PERIOD_NS: u64 = 10 * MS;
/// Longer than a statement waits for anything else.
const SLOW_OVER_NS: u64 = 30 * MS;

/// Counts and their order, whatever else this machine does.
fn near(what: &str, found: u64, predicted: f64) {
    let ratio = found as f64 / predicted;
    assert!((0.6..1.7).contains(&ratio), "{what}: {found} {predicted}");
}

/// Both sides of an A/A pair of `unpooled` whose holders are stopped show what the stops predict: how many statements
/// are slow by the lock, and how long they waited for a holder that was off the CPU. `fork-only`, in which nobody
/// joins, shows nothing of it.
#[test]
fn stopped_holders_are_found_as_often_and_as_long_as_they_were_stopped() {
    let Some(_turn) = server_turn() else { return };
    if !wanted() {
        return;
    }
    let mut config = config(Mode::Server, &[Arm::Unpooled, Arm::ForkOnly]);
    config.warmup_ns = 0;
    config.duration_ns = BLOCK_NS;
    config.slow_over_ns = Some(SLOW_OVER_NS);
    config.server.as_mut().unwrap().trace = Tracing::EveryBlock;
    let every = Duration::from_millis(1_000 / PER_SECOND);
    let stopper = Stopper::start(every, STOPPED);
    let run = run_server(&config, ServerChoice::Local);
    let stops = stopper.end();
    assert_eq!(run.remarks.iter().find(|r| r.contains("traced")), None);
    let stopped_ns = stops.iter().sum::<u64>() as f64 / stops.len() as f64;
    assert!(stopped_ns >= STOPPED.as_nanos() as f64, "{stopped_ns}");

    // In both blocks of `unpooled`: one alone has so few that a machine that stands still for a moment halves them.
    let waits = 2.0 * (BLOCK_NS * PER_SECOND * READERS) as f64 / 1e9;
    let (mut slow, mut waited_ns, mut off_ns) = (0, 0, 0);
    let counted = |block: &Block, name: &str| block.counters.get(name).copied().unwrap_or(0);
    for block in &run.blocks {
        let count = |class: StatementClass| counted(block, &class.counter());
        let (statements, by_lock) = (
            count(StatementClass::All),
            count(StatementClass::SlowByLock),
        );
        assert_eq!(statements, block.tallies[&Role::Reader].succeeded());
        if block.arm == Arm::ForkOnly {
            // None but for an accident.
            let busy = counted(block, "procarraylock.shared-waits");
            assert!(by_lock == 0 && busy <= 2, "{by_lock} {busy}");
            continue;
        }
        let lock_ns = |p: &StatementPart| counted(block, &p.counter(StatementClass::All));
        slow += by_lock;
        waited_ns += StatementPart::LOCK.iter().map(lock_ns).sum::<u64>();
        off_ns += lock_ns(&StatementPart::HolderOff);
    }
    assert_eq!(run.blocks.len(), 3);
    near("statements slow by the lock", slow, waits);
    // The statement begins at any time of the first period of the stop.
    let each_ns = stopped_ns - PERIOD_NS as f64 / 2.0;
    near(
        "waited for a holder off the CPU",
        off_ns,
        slow as f64 * each_ns,
    );
    assert!(off_ns > waited_ns / 2, "{off_ns} {waited_ns}");
    let part = &analyse(&run).lock_parts[0];
    let share = |arm| part.traced(arm).unwrap().value_ns;
    let statements = (2 * BLOCK_NS / PERIOD_NS * READERS) as f64;
    near(
        "share slow by the lock, of 10,000",
        (share(Arm::Unpooled) * 1e4) as u64,
        waits / statements * 1e4,
    );
    assert_eq!(share(Arm::ForkOnly), 0.0);
}
