//! The counters of a block, under the names they have in the run file.

use std::collections::BTreeMap;

use super::start::Measured;

/// Everything counted in one block, warm-up and drain included; `operations.reader-…` is the readers'
/// part. Wake-ups are there only for a lock that counts them.
pub(super) fn counters(measured: &Measured) -> BTreeMap<String, u64> {
    let (done, by_readers) = (&measured.counts, &measured.by_readers);
    let (locks, extremes) = (&measured.locks, &measured.extremes);
    let lock = &locks.proc_array;
    let mut counters = vec![
        ("operations.snapshot", done.snapshots()),
        ("operations.snapshot-reused", done.snapshots_reused),
        (
            "operations.snapshot-reused-without-lock",
            done.snapshots_reused_without_lock,
        ),
        ("operations.snapshot-scanned", done.snapshots_scanned),
        (
            "operations.reader-snapshot",
            by_readers.snapshots_taking_the_lock(),
        ),
        (
            "operations.reader-snapshot-reused",
            by_readers.snapshots_reused,
        ),
        ("operations.procarray-add", done.adds),
        ("operations.procarray-remove", done.removes),
        ("operations.get-new-transaction-id", done.new_xids),
        ("operations.read-next-transaction-id", done.next_xid_reads),
        ("operations.end-transaction", done.ends_with_xid()),
        ("operations.end-transaction.conditional", done.ends_at_once),
        ("operations.end-transaction.queued", done.ends_queued),
        (
            "operations.subtransaction-abort",
            done.subtransaction_aborts,
        ),
        (
            "operations.vacuum-flag",
            done.vacuum_flags_set + done.vacuum_flags_cleared,
        ),
        ("operations.horizon", done.horizons),
        ("operations.monitor-row", done.monitor_rows),
        ("operations.restored-xmin", done.restored_xmins),
        ("group-clear.groups", done.group_leaders),
        ("group-clear.members", done.group_members),
        ("group-clear.largest", done.largest_group),
        ("faults.procarray-add", done.add_faults),
        ("faults.procarray-add.largest", done.largest_add_faults),
        ("faults.procarray-remove", done.remove_faults),
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
