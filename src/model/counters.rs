//! The counters of a block, under the names they have in the run file.

use std::collections::BTreeMap;

use super::roles::OperationCounts;
use crate::procarray::ProcArrayCounts;
use crate::procarray::locks::LockExtremes;

/// Everything counted in one block, warm-up and drain included. Wake-ups are there only for a
/// lock that counts them.
pub(super) fn counters(
    operations: &OperationCounts,
    locks: &ProcArrayCounts,
    extremes: &LockExtremes,
) -> BTreeMap<String, u64> {
    let lock = &locks.proc_array;
    let mut counters = vec![
        ("operations.snapshot", operations.snapshots()),
        ("operations.snapshot-reused", operations.snapshots_reused),
        (
            "operations.snapshot-reused-without-lock",
            operations.snapshots_reused_without_lock,
        ),
        ("operations.snapshot-scanned", operations.snapshots_scanned),
        ("operations.procarray-add", operations.adds),
        ("operations.procarray-remove", operations.removes),
        ("procarraylock.shared", lock.shared),
        ("procarraylock.exclusive", lock.exclusive),
        ("procarraylock.shared-waits", lock.shared_waits),
        ("procarraylock.exclusive-waits", lock.exclusive_waits),
        ("procarraylock.shared-barges", lock.shared_barges),
        ("procarraylock.exclusive-barges", lock.exclusive_barges),
        ("procarraylock.queue-length-sum", lock.queue_length_sum),
        ("procarraylock.longest-queue", extremes.longest_queue),
        (
            "procarraylock.longest-starvation-grants",
            extremes.longest_starvation_grants,
        ),
        (
            "procarraylock.longest-starvation-ns",
            extremes.longest_starvation_ns,
        ),
        ("procarraylock.exclusive-held-ns", lock.exclusive_held_ns),
        ("xidgenlock.exclusive", locks.xid_gen.exclusive),
    ];
    if let Some(wakes) = locks.proc_array_wakes {
        counters.extend([
            ("procarraylock.wake-ups", wakes.wake_ups),
            ("procarraylock.woken-shared", wakes.woken_shared),
            ("procarraylock.woken-exclusive", wakes.woken_exclusive),
            ("procarraylock.passed-over", wakes.passed_over),
            ("procarraylock.most-woken", wakes.most_woken),
        ]);
    }
    let named = counters.into_iter();
    named
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

/// The readers' own snapshots, so that those of others can be told from them.
pub(super) fn reader_counters(readers: &OperationCounts) -> [(String, u64); 2] {
    [
        ("operations.reader-snapshot", readers.snapshots()),
        (
            "operations.reader-snapshot-reused",
            readers.snapshots_reused + readers.snapshots_reused_without_lock,
        ),
    ]
    .map(|(name, count)| (name.to_owned(), count))
}
