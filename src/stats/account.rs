//! How often the locks were taken, found busy and held, and what snapshots and membership did, in ratios
//! of the counters inside them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bootstrap::Unit;
use crate::config::Tracing;
use crate::record::RunHead;

/// One thing that was counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Counted {
    /// What, in words.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// The unit.
    pub unit: Unit,
}

/// How a number is made of counters.
enum Formula {
    /// A counter as it is.
    Sum(&'static str),
    /// The same, unless another one is zero.
    SumWhere(&'static str, &'static str),
    /// One counter over another, as a share.
    Share(&'static str, &'static str),
    /// The same as a number.
    Mean(&'static str, &'static str),
    /// A counter over joins and leaves, in runs without transactions that end: those count in it, too.
    PerMembership(&'static str),
    /// The same in ns.
    MeanTime(&'static str, &'static str),
    /// A counter for each client transaction, where nobody but readers and clients was counted, without
    /// what a second one says the readers took.
    PerClient(&'static str, Option<&'static str>),
    /// A counter in ns over the time of the load.
    OfLoad(&'static str),
    /// A counter in ns.
    Duration(&'static str),
}
use Formula::{Duration, Mean, MeanTime, OfLoad, PerClient, PerMembership, Share, Sum, SumWhere};

const ADD: &str = "operations.procarray-add";
const REMOVE: &str = "operations.procarray-remove";
const BY_READERS: &str = "operations.reader-snapshot";
const SNAPSHOT: &str = "operations.snapshot";
const REUSED: &str = "operations.snapshot-reused";
const ADD_FAULTS: &str = "faults.procarray-add";
const REMOVE_FAULTS: &str = "faults.procarray-remove";
const SHARED: &str = "procarraylock.shared";
const SHARED_WAITS: &str = "procarraylock.shared-waits";
const EXCLUSIVE: &str = "procarraylock.exclusive";
const EXCLUSIVE_WAITS: &str = "procarraylock.exclusive-waits";
const HELD: &str = "procarraylock.exclusive-held-ns";
const XID_SHARED: &str = "xidgenlock.shared";
const XID_EXCLUSIVE: &str = "xidgenlock.exclusive";
const QUEUE_LENGTHS: &str = "procarraylock.queue-length-sum";
const GRANTS: &str = "procarraylock.longest-starvation-grants";
const LONGEST_WAIT: &str = "procarraylock.longest-starvation-ns";
const GROUPS: &str = "group-clear.groups";

const ACCOUNT: [(&str, Formula); 18] = [
    (PROCARRAY_SHARED, PerClient(SHARED, Some(BY_READERS))),
    (PROCARRAY_EXCLUSIVE, PerClient(EXCLUSIVE, None)),
    ("XidGenLock shared / client op", PerClient(XID_SHARED, None)),
    (XID_GEN_EXCLUSIVE, PerClient(XID_EXCLUSIVE, None)),
    ("shared", Sum(SHARED)),
    (FOUND_BUSY, Share(SHARED_WAITS, SHARED)),
    ("exclusive", Sum(EXCLUSIVE)),
    ("exclusive found busy", Share(EXCLUSIVE_WAITS, EXCLUSIVE)),
    (HELD_EXCLUSIVELY, OfLoad(HELD)),
    ("XidGenLock exclusive", Sum(XID_EXCLUSIVE)),
    ("XidGenLock / add or remove", PerMembership(XID_EXCLUSIVE)),
    ("snapshots reused", Share(REUSED, SNAPSHOT)),
    ("faults / add", Mean(ADD_FAULTS, ADD)),
    ("most faults in an add", Sum("faults.procarray-add.largest")),
    ("faults / remove", Mean(REMOVE_FAULTS, REMOVE)),
    ("group size", Mean("group-clear.members", GROUPS)),
    ("largest group", SumWhere("group-clear.largest", GROUPS)),
    (PROBE, MeanTime("trace.probes-ns", "trace.probes")),
];

/// The lock's account of its queue; not every lock keeps one.
const QUEUE: [(&str, Formula); 9] = [
    ("shared barged", Sum("procarraylock.shared-barges")),
    ("exclusive barged", Sum("procarraylock.exclusive-barges")),
    ("queue, sum of lengths", Sum(QUEUE_LENGTHS)),
    ("longest queue", Sum("procarraylock.longest-queue")),
    ("most grants to others in one exclusive wait", Sum(GRANTS)),
    ("longest exclusive wait", Duration(LONGEST_WAIT)),
    ("wake-ups", Sum("procarraylock.wake-ups")),
    ("woken shared", Sum("procarraylock.woken-shared")),
    ("woken exclusive", Sum("procarraylock.woken-exclusive")),
];

/// Column: acquisitions of ProcArrayLock, shared, for each client operation.
pub const PROCARRAY_SHARED: &str = "ProcArrayLock shared / client op";
/// Column: the same, exclusive.
pub const PROCARRAY_EXCLUSIVE: &str = "exclusive / client op";
/// Column: acquisitions of XidGenLock, exclusive, for each client operation.
pub const XID_GEN_EXCLUSIVE: &str = "XidGenLock exclusive / client op";
/// Column: share of the shared acquisitions of ProcArrayLock that found it busy.
pub const FOUND_BUSY: &str = "shared found busy";
/// Column: what one probe of the trace costs.
const PROBE: &str = "one probe";
/// Column: share of the load's time for which ProcArrayLock was held exclusively.
const HELD_EXCLUSIVELY: &str = "held exclusively";

/// What is counted of every arm, in the order in which it is shown.
pub fn accounted_columns() -> impl Iterator<Item = &'static str> {
    ACCOUNT.iter().map(|c| c.0)
}

/// What is counted of a lock that is compared with others: how long it was held, and its queue.
pub fn queue_columns() -> impl Iterator<Item = &'static str> {
    std::iter::once(HELD_EXCLUSIVELY).chain(QUEUE.iter().map(|c| c.0))
}

/// Whether whatever was counted was done by readers and the arm's clients in the measured window: no
/// warm-up, nobody in the background. A trace tells a server's own processes from the others.
fn is_closed(run: &RunHead) -> bool {
    let alone = run.config.model.as_ref().is_none_or(|model| {
        let b = &model.background;
        b.committers == 0
            && b.monitor_rate_per_second == 0.0
            && b.horizon_rate_per_second == 0.0
            && b.parallel_workers_per_second == 0.0
    });
    // A traced twin's counts are not those of the block's own operations.
    let server = run.config.server.as_ref();
    let twins = server.is_some_and(|s| s.trace == Tracing::Twins);
    run.config.warmup_ns == 0 && alone && !twins
}

/// What `counters` say; `done` client transactions ended well in `load_ns`. What was not counted is
/// left out.
pub(super) fn account(
    run: &RunHead,
    counters: &BTreeMap<String, u64>,
    done: u64,
    load_ns: u64,
) -> Vec<Counted> {
    let sum = |name: &str| counters.get(name).copied();
    let ratio =
        |of: &str, over: Option<u64>| Some(sum(of)? as f64 / over.filter(|n| *n > 0)? as f64);
    let value = |formula: &Formula| -> Option<(f64, Unit)> {
        Some(match *formula {
            Sum(name) => (sum(name)? as f64, Unit::Count),
            SumWhere(name, condition) => {
                sum(condition).filter(|n| *n > 0)?;
                (sum(name)? as f64, Unit::Count)
            }
            Share(of, over) => (ratio(of, sum(over))?, Unit::Share),
            Mean(of, over) => (ratio(of, sum(over))?, Unit::Number),
            MeanTime(of, over) => (ratio(of, sum(over))?, Unit::Ns),
            PerMembership(name) => {
                let commits = sum("operations.get-new-transaction-id").unwrap_or(0);
                let over = sum(ADD)? + sum(REMOVE)?;
                let value = ratio(name, Some(over)).filter(|_| commits == 0)?;
                (value, Unit::Number)
            }
            PerClient(lock, by_readers) => {
                let by_readers = by_readers.map_or(Some(0), sum)?;
                let taken = sum(lock)?.saturating_sub(by_readers);
                if done == 0 || !is_closed(run) {
                    return None;
                }
                (taken as f64 / done as f64, Unit::Number)
            }
            OfLoad(name) => (ratio(name, Some(load_ns))?, Unit::Share),
            Duration(name) => (sum(name)? as f64, Unit::Ns),
        })
    };
    ACCOUNT
        .iter()
        .chain(&QUEUE)
        .filter_map(|(what, formula)| {
            let (value, unit) = value(formula)?;
            Some(Counted { what, value, unit })
        })
        .collect()
}
