//! How often the locks were taken, found busy and held, and what snapshots and membership did, in ratios
//! of the counters inside them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::unit::Unit;
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
    /// Counters over counters.
    Ratio(&'static [&'static str], &'static [&'static str], Unit),
    /// The same in runs without transactions that end: commits take the lock, too.
    RatioWithoutCommits(&'static [&'static str], &'static [&'static str]),
    /// A counter without what a second one says the readers took, for each client transaction. Only
    /// where nobody but readers and clients was counted.
    PerClient(&'static str, Option<&'static str>),
    /// A counter in ns over the time of the load.
    OfLoad(&'static str),
    /// A counter in ns.
    Duration(&'static str),
}
use Formula::{Duration, OfLoad, PerClient, Ratio, RatioWithoutCommits, Sum, SumWhere};

const ADD: &str = "operations.procarray-add";
const REMOVE: &str = "operations.procarray-remove";
const SHARED: &str = "procarraylock.shared";
const EXCLUSIVE: &str = "procarraylock.exclusive";
const XID_GEN: &str = "xidgenlock.exclusive";
const GROUPS: &str = "group-clear.groups";

const ACCOUNT: [(&str, Formula); 17] = [
    (
        "ProcArrayLock shared / client op",
        PerClient(SHARED, Some("operations.reader-snapshot")),
    ),
    ("exclusive / client op", PerClient(EXCLUSIVE, None)),
    (
        "XidGenLock shared / client op",
        PerClient("xidgenlock.shared", None),
    ),
    ("XidGenLock exclusive / client op", PerClient(XID_GEN, None)),
    ("shared", Sum(SHARED)),
    (
        "shared found busy",
        Ratio(&["procarraylock.shared-waits"], &[SHARED], Unit::Share),
    ),
    ("exclusive", Sum(EXCLUSIVE)),
    (
        "exclusive found busy",
        Ratio(
            &["procarraylock.exclusive-waits"],
            &[EXCLUSIVE],
            Unit::Share,
        ),
    ),
    (
        "held exclusively",
        OfLoad("procarraylock.exclusive-held-ns"),
    ),
    ("XidGenLock exclusive", Sum(XID_GEN)),
    (
        "XidGenLock / add or remove",
        RatioWithoutCommits(&[XID_GEN], &[ADD, REMOVE]),
    ),
    (
        "snapshots reused",
        Ratio(
            &["operations.snapshot-reused"],
            &["operations.snapshot"],
            Unit::Share,
        ),
    ),
    (
        "faults / add",
        Ratio(&["faults.procarray-add"], &[ADD], Unit::Number),
    ),
    ("most faults in an add", Sum("faults.procarray-add.largest")),
    (
        "faults / remove",
        Ratio(&["faults.procarray-remove"], &[REMOVE], Unit::Number),
    ),
    (
        "group size",
        Ratio(&["group-clear.members"], &[GROUPS], Unit::Number),
    ),
    ("largest group", SumWhere("group-clear.largest", GROUPS)),
];

/// The lock's account of its queue; not every lock keeps one.
const QUEUE: [(&str, Formula); 9] = [
    ("shared barged", Sum("procarraylock.shared-barges")),
    ("exclusive barged", Sum("procarraylock.exclusive-barges")),
    (
        "queue, sum of lengths",
        Sum("procarraylock.queue-length-sum"),
    ),
    ("longest queue", Sum("procarraylock.longest-queue")),
    (
        "most grants to others in one exclusive wait",
        Sum("procarraylock.longest-starvation-grants"),
    ),
    (
        "longest exclusive wait",
        Duration("procarraylock.longest-starvation-ns"),
    ),
    ("wake-ups", Sum("procarraylock.wake-ups")),
    ("woken shared", Sum("procarraylock.woken-shared")),
    ("woken exclusive", Sum("procarraylock.woken-exclusive")),
];

/// What is counted of every arm, in the order in which it is shown.
pub fn accounted_columns() -> impl Iterator<Item = &'static str> {
    ACCOUNT.iter().map(|c| c.0)
}

/// What is counted of a lock that is compared with others: how long it was held, and its queue.
pub fn queue_columns() -> impl Iterator<Item = &'static str> {
    std::iter::once("held exclusively").chain(QUEUE.iter().map(|c| c.0))
}

/// Whether whatever was counted was done by readers and the arm's clients in the measured window: no
/// warm-up, nobody in the background.
fn is_closed(run: &RunHead) -> bool {
    run.config.model.as_ref().is_some_and(|model| {
        let b = &model.background;
        run.config.warmup_ns == 0
            && b.committers == 0
            && b.monitor_rate_per_second == 0.0
            && b.horizon_rate_per_second == 0.0
            && b.parallel_workers_per_second == 0.0
    })
}

/// What `counters` say; `done` client transactions ended well in `load_ns`. What was not counted is
/// left out.
pub(super) fn account(
    run: &RunHead,
    counters: &BTreeMap<String, u64>,
    done: u64,
    load_ns: u64,
) -> Vec<Counted> {
    let sum = |names: &[&str]| -> Option<u64> { names.iter().map(|n| counters.get(*n)).sum() };
    let ratio = |of: &[&str], over: &[&str]| {
        let over = sum(over).filter(|n| *n > 0)?;
        Some(sum(of)? as f64 / over as f64)
    };
    let value = |formula: &Formula| -> Option<(f64, Unit)> {
        Some(match *formula {
            Sum(name) => (sum(&[name])? as f64, Unit::Count),
            SumWhere(name, condition) => {
                sum(&[condition]).filter(|n| *n > 0)?;
                (sum(&[name])? as f64, Unit::Count)
            }
            Ratio(of, over, unit) => (ratio(of, over)?, unit),
            RatioWithoutCommits(of, over) => {
                let commits = sum(&["operations.get-new-transaction-id"]).unwrap_or(0);
                let value = ratio(of, over).filter(|_| commits == 0)?;
                (value, Unit::Number)
            }
            PerClient(lock, by_readers) => {
                let by_readers = by_readers.map_or(Some(0), |name| sum(&[name]))?;
                let taken = sum(&[lock])?.saturating_sub(by_readers);
                if done == 0 || !is_closed(run) {
                    return None;
                }
                (taken as f64 / done as f64, Unit::Number)
            }
            OfLoad(name) => {
                let held = sum(&[name]).filter(|_| load_ns > 0)?;
                (held as f64 / load_ns as f64, Unit::Share)
            }
            Duration(name) => (sum(&[name])? as f64, Unit::Ns),
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
