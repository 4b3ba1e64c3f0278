//! Whole runs of the model: every count adds up against the histograms, an
//! injected hold is found again, and the seed fixes what is done.

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use procbench::arm::Arm;
use procbench::arm::Mode;
use procbench::config::KeepAwakeChoice;
use procbench::config::{Background, Config};
use procbench::execute::execute;
use procbench::experiment::analyse;
use procbench::experiment::{self, Scale};
use procbench::factor::ClientRate;
use procbench::factor::Factor;
use procbench::factor::OfferedRate;
use procbench::factor::PgSource;
use procbench::load::Cancel;
use procbench::load::progress::Progress;
use procbench::model::ModelBench;
use procbench::procarray::MappingKind;
use procbench::procarray::locks::{LockChoice, LockKind};
use procbench::procarray::{PgProfile, SlotOrder};
use procbench::record::{
    Block, ClockKind, Operation, Phase, Role, Run, SeriesHistogram, SeriesKey,
};
use procbench::report::arm_table::arm_table;
use procbench::report::section::markdown;
use procbench::report::{lock_drawing, lock_table, survival};
use procbench::stats::quoted_series;

const MS: u64 = 1_000_000;
const INJECTED_NS: u64 = 300_000;

const CONNECTING: [Arm; 3] = [Arm::Unpooled, Arm::Premapped, Arm::PremappedFew];
const JOINING: [Arm; 4] = [
    Arm::Unpooled,
    Arm::Premapped,
    Arm::PremappedFew,
    Arm::FailedLogin,
];

const ADD_HOLD: SeriesKey = SeriesKey::service(Role::Client, Operation::ProcArrayAdd, Phase::Hold);
const LOOK_WAIT: SeriesKey = SeriesKey::service(Role::Reader, Operation::Snapshot, Phase::Wait);
const LOOK_HOLD: SeriesKey = SeriesKey::service(Role::Reader, Operation::Snapshot, Phase::Hold);

/// One run at a time: spinning threads of another would only take the cores away.
fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every arm once (and the twin), without warm-up, so that all that is done is measured.
fn config() -> Config {
    let mut config = experiment::find("churn-tail")
        .unwrap()
        .config(Mode::Model, Scale::Quick);
    config.arms = Arm::all_in(Mode::Model);
    // They need forked children, which not every lock works between.
    config.arms.retain(|arm| arm.premapping().is_none());
    config.factors.mapping = vec![MappingKind::default()];
    config.readers = 2;
    config.reader_rate = OfferedRate::PerSecond(4_000.0);
    config.clients = 3;
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(600.0));
    config.pool_size = 2;
    config.factors.standing = vec![0, 200];
    config.blocks = 1;
    config.starts = 1;
    config.duration_ns = 30 * MS;
    config.warmup_ns = 0;
    config.keep_awake = KeepAwakeChoice::Off;
    let model = config.model.as_mut().unwrap();
    model.fork_cpu_ns = 20_000;
    model.session_cpu_ns = 30_000;
    config
}

fn run(config: &Config) -> Run {
    config.validate().unwrap();
    let cancel = Cancel::default();
    let mut bench = ModelBench::new(config, cancel.clone()).unwrap();
    let run = execute(
        "model",
        config,
        &mut bench,
        &cancel,
        &mut Progress::silent(),
    );
    assert_eq!(run.partial_reason(), None);
    run
}

fn samples(block: &Block, key: SeriesKey) -> u64 {
    block.series.get(&key).map_or(0, SeriesHistogram::len)
}

fn samples_above(histogram: &SeriesHistogram, ns: u64) -> u64 {
    histogram
        .buckets()
        .iter()
        .filter(|b| b.0 > ns)
        .map(|b| b.1)
        .sum()
}

/// Holds a block's tallies against its histograms and the lock's own counters.
fn check_counts(config: &Config, block: &Block) {
    let what = format!("{} at {}", block.label(), block.factors.standing);
    for (role, tally) in &block.tallies {
        assert!(tally.is_conserved(), "{what}: {role} {tally:?}");
        assert_eq!(tally.error_count(), 0, "{what}: {role} {tally:?}");
    }
    let reader = &block.tallies[&Role::Reader];
    assert!(reader.recorded > 0, "{what}");
    assert_eq!(samples(block, SeriesKey::READER_SERVICE), reader.recorded);
    assert_eq!(samples(block, SeriesKey::READER_RESPONSE), reader.recorded);
    assert_eq!(samples(block, SeriesKey::READER_ADJUSTED), reader.recorded);

    let client = block
        .tallies
        .get(&Role::Client)
        .cloned()
        .unwrap_or_default();
    let transactions = client.succeeded();
    assert_eq!(transactions > 0, block.arm != Arm::Quiet, "{what}");
    let total = |operation, clock| {
        samples(
            block,
            SeriesKey::new(Role::Client, operation, Phase::Total, clock),
        )
    };
    let whole = |clock| total(Operation::Transaction, clock);
    assert_eq!(
        (whole(ClockKind::Service), whole(ClockKind::Response)),
        (client.recorded, client.recorded),
        "{what}"
    );
    let of = |arms: &[Arm]| {
        if arms.contains(&block.arm) {
            transactions
        } else {
            0
        }
    };
    for (operation, arms) in [
        (Operation::Connect, &CONNECTING[..]),
        (Operation::Query, &CONNECTING),
        (Operation::Disconnect, &CONNECTING),
        (Operation::ProcArrayAdd, &JOINING),
        (Operation::ProcArrayRemove, &JOINING),
        (Operation::FailedLogin, &[Arm::FailedLogin]),
        (Operation::Vacuum, &[Arm::Vacuum]),
        (Operation::Commit, &[Arm::Commit]),
    ] {
        assert_eq!(
            total(operation, ClockKind::Service),
            of(arms),
            "{what}: {operation}"
        );
    }

    let model = config.model.as_ref().unwrap();
    let statement = u64::from(model.snapshots_per_statement);
    let connect_snapshots = block
        .factors
        .profile()
        .unwrap()
        .version()
        .snapshots_per_connect;
    let (joins, commits) = (of(&JOINING), of(&[Arm::Commit]));
    let by_clients = match block.arm {
        Arm::Quiet | Arm::ForkOnly | Arm::CpuBurn => 0,
        Arm::Unpooled | Arm::Premapped | Arm::PremappedFew => {
            transactions * (u64::from(connect_snapshots) + statement)
        }
        Arm::FailedLogin => 2 * transactions,
        Arm::Vacuum => 6 * transactions,
        _ => transactions * statement,
    };
    let counter = |name: &str| block.counters[name];
    assert_eq!(counter("operations.end-transaction"), commits, "{what}");
    // Followers of a group take no lock of their own.
    let commits_taking_the_lock =
        counter("operations.end-transaction.conditional") + counter("group-clear.groups");
    // A look is a snapshot of its own.
    let shared = reader.succeeded() * statement + samples(block, LOOK_HOLD) + by_clients;
    assert_eq!(
        (
            counter("procarraylock.shared"),
            counter("procarraylock.exclusive"),
            counter("xidgenlock.exclusive"),
            counter("xidgenlock.shared"),
        ),
        (
            shared,
            2 * joins + 2 * of(&[Arm::Vacuum]) + commits_taking_the_lock,
            2 * joins + commits * (1 + u64::from(model.background.subtransactions)),
            5 * of(&[Arm::Vacuum]),
        ),
        "{what}: {:?}",
        block.counters
    );
}

#[test]
fn counts_add_up_for_every_lock_and_arm() {
    let _alone = alone();
    for &lock in LockKind::ALL {
        let mut config = config();
        config.factors.lock = vec![lock.into()];
        let run = run(&config);
        // Every arm and the twin, at both numbers of standing connections.
        assert_eq!(run.blocks.len(), 2 * (config.arms.len() + 1));
        for block in &run.blocks {
            assert_eq!(block.factors.lock, Some(lock.into()));
            check_counts(&config, block);
        }
    }
}

/// The array's faults move out of the lock, and everything else stays as it is.
#[test]
fn what_forked_children_map_before_they_join_costs_no_fault_inside() {
    let _alone = alone();
    let mut config = config();
    config.arms = [&[Arm::Quiet], &CONNECTING[..]].concat();
    config.factors.mapping = vec![MappingKind::Forked];
    config.factors.standing = vec![1000];
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(100.0));
    config.duration_ns = 300 * MS;
    let of_forked = run(&config);
    assert_eq!(of_forked.absent_arms, []);
    for block in of_forked.blocks.iter().filter(|b| b.arm != Arm::Quiet) {
        check_counts(&config, block);
        let counter = |name: &str| block.counters[name];
        let (faults, adds) = (
            counter("faults.procarray-add"),
            counter("operations.procarray-add"),
        );
        match block.arm {
            Arm::Unpooled => assert!(faults >= 200 * adds, "{faults} faults, {adds} joins"),
            arm => assert!(faults <= 10 * adds, "{arm}: {faults} faults, {adds} joins"),
        }
    }
    // Elsewhere there is nothing to map: named, and the others run.
    config.factors.mapping = vec![MappingKind::Shared];
    let run = run(&config);
    let absent: Vec<Arm> = run.absent_arms.iter().map(|a| a.arm).collect();
    assert_eq!(absent, [Arm::Premapped, Arm::PremappedFew]);
    assert!(run.absent_arms[0].reason.contains("--mapping forked"));
    assert_eq!(run.blocks.len(), 3);
}

#[test]
fn the_seed_fixes_the_order_and_what_is_scheduled() {
    let _alone = alone();
    let plan_and_schedule = |seed| {
        let mut config = config();
        config.seed = seed;
        config.factors.standing = vec![0, 10];
        config.blocks = 2;
        config.duration_ns = 30 * MS;
        run(&config)
            .blocks
            .into_iter()
            .map(|b| {
                let scheduled: Vec<(Role, u64)> =
                    b.tallies.iter().map(|(r, t)| (*r, t.scheduled)).collect();
                (
                    b.index,
                    b.arm,
                    b.twin,
                    b.round,
                    b.factors.standing,
                    scheduled,
                )
            })
            .collect::<Vec<_>>()
    };
    let first = plan_and_schedule(11);
    assert_eq!(first, plan_and_schedule(11));
    assert_ne!(first, plan_and_schedule(12));
}

#[test]
fn arrivals_are_common_to_the_arms_of_a_round_and_differ_between_rounds() {
    let _alone = alone();
    let mut config = config();
    config.arms = vec![Arm::KeptOpen, Arm::Unpooled, Arm::Commit];
    config.factors.standing = vec![0, 10];
    config.blocks = 3;
    config.starts = 2;
    config.duration_ns = 3 * 30 * MS;
    let mut scheduled: BTreeMap<(u32, u32), BTreeSet<(u64, u64)>> = BTreeMap::new();
    let blocks = run(&config).blocks;
    for block in &blocks {
        let of = |role| block.tallies[&role].scheduled;
        let round = scheduled.entry((block.start, block.round)).or_default();
        round.insert((of(Role::Reader), of(Role::Client)));
    }
    assert_eq!((blocks.len(), scheduled.len()), (2 * 3 * 4, 2 * 3));
    // Of Poisson arrivals: some 120 and 18 per block.
    for (round, counts) in &scheduled {
        assert_eq!(counts.len(), 1, "{round:?}: {counts:?}");
    }
    let different: BTreeSet<_> = scheduled.values().collect();
    assert!(different.len() > 3, "{scheduled:?}");
}

#[test]
fn an_injected_hold_is_found_in_the_hold_and_in_the_readers_waits() {
    let _alone = alone();
    // Clients in a closed loop that do little else than join and leave.
    let run_with = |inject_hold_ns| {
        let mut config = config();
        config.arms = vec![Arm::Unpooled];
        config.factors.standing = vec![0];
        config.clients = 2;
        config.client_rate = ClientRate::Given(OfferedRate::Max);
        config.duration_ns = 400 * MS;
        let model = config.model.as_mut().unwrap();
        model.fork_cpu_ns = 100_000;
        model.session_cpu_ns = 0;
        model.inject_hold_ns = inject_hold_ns;
        run(&config)
    };
    let (without, with) = (run_with(0), run_with(INJECTED_NS));
    let merged = |run: &Run, key: SeriesKey| {
        let mut all = SeriesHistogram::default();
        run.blocks.iter().for_each(|b| all.merge(&b.series[&key]));
        all
    };
    let (hold_without, hold_with) = (merged(&without, ADD_HOLD), merged(&with, ADD_HOLD));
    // Not one hold is shorter than what was injected, and the median grows by it.
    assert!(hold_with.buckets()[0].0 >= INJECTED_NS);
    let median = |h: &SeriesHistogram| h.percentile_ns(50.0).unwrap();
    let shift = median(&hold_with) - median(&hold_without);
    println!(
        "ProcArrayAdd hold: p50 {} ns without, {} ns with {INJECTED_NS} ns injected",
        median(&hold_without),
        median(&hold_with)
    );
    // What the hold costs without it may differ between two runs, by itself at most.
    assert!(shift + median(&hold_without) >= INJECTED_NS);
    assert!(shift < 3 * INJECTED_NS, "shifted by {shift} ns");

    // And whoever wants a snapshot meanwhile waits for it.
    let (wait_without, wait_with) = (merged(&without, LOOK_WAIT), merged(&with, LOOK_WAIT));
    let long_share =
        |h: &SeriesHistogram| samples_above(h, INJECTED_NS / 6) as f64 / h.len() as f64;
    println!(
        "snapshot waits: max {:?} ns and {:.3} long without, max {:?} ns and {:.3} long with",
        wait_without.percentile_ns(100.0),
        long_share(&wait_without),
        wait_with.percentile_ns(100.0),
        long_share(&wait_with),
    );
    assert!(wait_with.percentile_ns(100.0).unwrap() > INJECTED_NS / 2);
    assert!(long_share(&wait_with) > 0.02);
    assert!(long_share(&wait_with) > 2.0 * long_share(&wait_without));
    let waits = |run: &Run| -> f64 {
        let sum = |name: &str| run.blocks.iter().map(|b| b.counters[name]).sum::<u64>() as f64;
        sum("procarraylock.shared-waits") / sum("procarraylock.shared")
    };
    assert!(waits(&with) > waits(&without));
}

#[test]
fn a_closed_loop_has_no_response_time_and_says_so() {
    let _alone = alone();
    let mut config = config();
    config.arms = vec![Arm::Quiet, Arm::KeptOpen];
    config.reader_rate = OfferedRate::Max;
    config.client_rate = ClientRate::Given(OfferedRate::Max);
    let run = run(&config);
    for block in &run.blocks {
        assert!(block.series.keys().all(|k| k.clock == ClockKind::Service));
        assert_eq!(quoted_series(&[block]), SeriesKey::READER_SERVICE);
        for (role, tally) in &block.tallies {
            assert!(tally.is_conserved(), "{role}: {tally:?}");
        }
        let reader = &block.tallies[&Role::Reader];
        // Timed ones are in the histogram, and the others are counted.
        assert_eq!(samples(block, SeriesKey::READER_SERVICE), reader.recorded);
        assert_eq!(reader.succeeded(), reader.scheduled);
    }
    let text = markdown(&arm_table(&analyse(&run)));
    assert!(
        text.contains("service time") && text.contains("closed loop"),
        "{text}"
    );
    assert!(!text.contains("response time"), "{text}");
}

#[test]
fn the_background_is_the_same_in_every_arm_and_adds_up() {
    let _alone = alone();
    let background = Background {
        committers: 2,
        commit_rate_per_second: 400.0,
        subtransactions: 3,
        rolled_back_subtransactions: 2,
        monitor_rate_per_second: 50.0,
        horizon_rate_per_second: 100.0,
        parallel_workers_per_second: 100.0,
    };
    let roles = [
        (Role::Committer, Operation::Commit),
        (Role::Monitor, Operation::Monitor),
        (Role::Pruner, Operation::Horizon),
        (Role::ParallelLeader, Operation::ParallelWorker),
    ];
    for &profile in PgProfile::ALL {
        let mut config = config();
        config.arms = vec![Arm::Quiet, Arm::Unpooled, Arm::Commit];
        config.factors.standing = vec![20];
        config.duration_ns = 200 * MS;
        config.factors.pg = vec![PgSource::Major(profile.major())];
        config.model.as_mut().unwrap().background = background;
        // Whether the locks' counters are what the operations must have taken, the bench checks itself.
        let run = run(&config);
        for block in &run.blocks {
            let what = format!("{} on {profile}", block.label());
            let done = |role: Role| block.tallies[&role].succeeded();
            for (role, operation) in roles {
                let tally = &block.tallies[&role];
                assert!(
                    tally.is_conserved() && tally.error_count() == 0,
                    "{what}: {tally:?}"
                );
                for clock in [ClockKind::Service, ClockKind::Response] {
                    let key = SeriesKey::new(role, operation, Phase::Total, clock);
                    assert_eq!(samples(block, key), tally.recorded, "{what}: {key}");
                }
            }
            assert!(done(Role::Committer) > 0, "{what}");
            let counter = |name: &str| block.counters[name];
            let client_commits = match block.arm {
                Arm::Commit => done(Role::Client),
                _ => 0,
            };
            let commits = done(Role::Committer) + client_commits;
            assert_eq!(counter("operations.end-transaction"), commits, "{what}");
            assert_eq!(
                counter("operations.get-new-transaction-id"),
                4 * commits,
                "{what}"
            );
            let rolled_back = counter("operations.subtransaction-abort");
            assert_eq!(rolled_back, 2 * commits, "{what}");
            assert_eq!(counter("operations.horizon"), done(Role::Pruner), "{what}");
            let workers = done(Role::ParallelLeader);
            assert_eq!(counter("operations.restored-xmin"), workers, "{what}");
            // Every view has a row for each of the standing connections at least.
            assert!(
                counter("operations.monitor-row") >= 20 * done(Role::Monitor),
                "{what}"
            );
            // No background role is a reader.
            let reader = &block.tallies[&Role::Reader];
            let statements = 2 * reader.succeeded() + samples(block, LOOK_HOLD);
            assert_eq!(counter("operations.reader-snapshot"), statements, "{what}");
        }
    }
}

#[test]
fn the_quiet_arm_has_no_client_operations() {
    let _alone = alone();
    let mut config = config();
    config.arms = vec![Arm::Quiet, Arm::Unpooled];
    let run = run(&config);
    let quiet: Vec<&Block> = run.blocks.iter().filter(|b| b.arm == Arm::Quiet).collect();
    assert!(!quiet.is_empty());
    for block in quiet {
        assert!(!block.tallies.contains_key(&Role::Client));
        assert!(block.series.keys().all(|k| k.role == Role::Reader));
        assert_eq!(block.counters["procarraylock.exclusive"], 0);
    }
}

#[test]
fn several_locks_and_slot_orders_are_levels_of_one_run() {
    let _alone = alone();
    let mut config = config();
    config.arms = vec![Arm::KeptOpen, Arm::Unpooled];
    config.factors.standing = vec![20];
    config.factors.slot_order = vec![SlotOrder::Front, SlotOrder::Behind];
    let locks = [LockKind::Std, LockKind::Sharded];
    config.factors.lock = locks.map(LockChoice::from).to_vec();
    let run = run(&config);
    let levels = run.levels();
    let names: Vec<_> = levels
        .iter()
        .map(|l| (l.slot_order.unwrap().name(), l.lock.unwrap().kind.name()))
        .collect();
    assert_eq!(
        names,
        [
            ("front", "std"),
            ("front", "sharded"),
            ("behind", "std"),
            ("behind", "sharded")
        ]
    );
    for level in &levels {
        // Two arms and the twin.
        assert_eq!(run.blocks.iter().filter(|b| b.factors == *level).count(), 3);
        assert_eq!(run.blocks_of(Arm::Unpooled, false, level).len(), 1);
    }
    for block in &run.blocks {
        check_counts(&config, block);
    }
    let summary = analyse(&run);
    assert_eq!(summary.varying, [Factor::SlotOrder, Factor::Lock]);
    assert_eq!(summary.primary_level().unwrap().factors, levels[0]);
    let text = markdown(&arm_table(&summary));
    assert!(
        text.contains("| 20 | behind | sharded | unpooled"),
        "{text}"
    );
}

#[test]
fn the_experiment_on_locks_has_every_lock_in_its_table_sentences_and_figure() {
    let _alone = alone();
    let mut config = experiment::find("locks")
        .unwrap()
        .config(Mode::Model, Scale::Quick);
    config.blocks = 2;
    config.starts = 1;
    config.duration_ns = 40 * MS;
    config.warmup_ns = 0;
    config.factors.standing = vec![20];
    // Enough that no block is without a transaction.
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(1_000.0));
    config.keep_awake = KeepAwakeChoice::Off;
    let run = run(&config);
    let locks = &config.factors.lock;
    assert_eq!(locks.len(), LockKind::ALL.len() + 1);
    // Three arms and the twin, twice each.
    assert_eq!(run.blocks.len(), locks.len() * 4 * 2);
    for block in &run.blocks {
        let reuse_check = block.factors.lock.unwrap().reuse_check;
        let joined = &block.series.get(&ADD_HOLD);
        if let Some(hold) = joined.filter(|h| !h.is_empty()) {
            assert!(hold.buckets()[0].0 >= config.model.as_ref().unwrap().inject_hold_ns);
        }
        if !reuse_check {
            check_counts(&config, block);
        }
    }
    let summary = analyse(&run);
    let sentences = survival::sentences(&summary);
    assert_eq!(sentences.len(), 4);
    let text = markdown(&lock_table::lock_tables(&summary));
    for (lock, level) in locks.iter().zip(&summary.locks) {
        assert_eq!(level.lock, lock.to_string());
        let churn = summary.churn_under(level).unwrap();
        let added = churn.counter("procarraylock.exclusive").unwrap();
        assert_eq!(added, 2 * level.writers_wait.samples);
        assert!(text.contains(&level.lock), "{text}");
        // Two short blocks let nothing be said about any lock.
        assert!(
            sentences.iter().all(|s| s.contains(&level.lock)),
            "{sentences:?}"
        );
    }
    let figure = lock_drawing::lock_tails(&summary).unwrap();
    for column in &figure.groups {
        assert_eq!(column.rows.len(), locks.len());
    }
}
