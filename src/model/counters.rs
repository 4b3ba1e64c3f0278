//! The counters of a block, under the names they have in the run file.

use std::collections::BTreeMap;

use super::operation_counts::OperationCounts;
use crate::procarray::ProcArrayCounts;
use crate::procarray::locks::LockExtremes;

/// Everything counted in one block, warm-up and drain included; `reader_snapshots` are those of
/// `operations` that readers took under the lock. Wake-ups are there only for a
/// lock that counts them.
pub(super) fn counters(
    operations: &OperationCounts,
    reader_snapshots: u64,
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
        ("operations.reader-snapshot", reader_snapshots),
        ("operations.procarray-add", operations.adds),
        ("operations.procarray-remove", operations.removes),
        ("operations.get-new-transaction-id", operations.new_xids),
        (
            "operations.read-next-transaction-id",
            operations.next_xid_reads,
        ),
        ("operations.end-transaction", operations.ends_with_xid()),
        (
            "operations.end-transaction.conditional",
            operations.ends_at_once,
        ),
        ("operations.end-transaction.queued", operations.ends_queued),
        (
            "operations.subtransaction-abort",
            operations.subtransaction_aborts,
        ),
        (
            "operations.vacuum-flag",
            operations.vacuum_flags_set + operations.vacuum_flags_cleared,
        ),
        ("operations.horizon", operations.horizons),
        ("operations.monitor-row", operations.monitor_rows),
        ("operations.restored-xmin", operations.restored_xmins),
        ("group-clear.groups", operations.group_leaders),
        ("group-clear.members", operations.group_members),
        ("group-clear.largest", operations.largest_group),
        ("faults.procarray-add", operations.add_faults),
        (
            "faults.procarray-add.largest",
            operations.largest_add_faults,
        ),
        ("faults.procarray-remove", operations.remove_faults),
        ("procarraylock.shared", lock.shared),
        ("procarraylock.exclusive", lock.exclusive),
        (
            "procarraylock.conditional-failures",
            lock.exclusive_conditional_failures,
        ),
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
        ("xidgenlock.shared", locks.xid_gen.shared),
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
