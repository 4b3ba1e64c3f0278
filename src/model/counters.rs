//! The counters of a block, under the names they have in the run file.

use std::collections::BTreeMap;

use super::start::Measured;

/// Everything counted in one block, warm-up and drain included; `operations.reader-…` is the readers'
/// part. Wake-ups are there only for a lock that counts them.
pub(super) fn counters(measured: &Measured) -> BTreeMap<String, u64> {
    let (done, by_readers) = (&measured.counts, &measured.by_readers);
    let (lock, xid_gen) = (&measured.locks.proc_array, &measured.locks.xid_gen);
    let worst = &measured.extremes;
    let vacuum_flags = done.vacuum_flags_set + done.vacuum_flags_cleared;
    let without_lock = done.snapshots_reused_without_lock;
    let by_readers_locking = by_readers.snapshots_taking_the_lock();
    let operations = vec![
        ("snapshot", done.snapshots()),
        ("snapshot-reused", done.snapshots_reused),
        ("snapshot-reused-without-lock", without_lock),
        ("snapshot-scanned", done.snapshots_scanned),
        ("reader-snapshot", by_readers_locking),
        ("reader-snapshot-reused", by_readers.snapshots_reused),
        ("procarray-add", done.adds),
        ("procarray-remove", done.removes),
        ("get-new-transaction-id", done.new_xids),
        ("read-next-transaction-id", done.next_xid_reads),
        ("end-transaction", done.ends_with_xid()),
        ("end-transaction.conditional", done.ends_at_once),
        ("end-transaction.queued", done.ends_queued),
        ("subtransaction-abort", done.subtransaction_aborts),
        ("vacuum-flag", vacuum_flags),
        ("horizon", done.horizons),
        ("monitor-row", done.monitor_rows),
        ("restored-xmin", done.restored_xmins),
    ];
    let group_clear = vec![
        ("groups", done.group_leaders),
        ("members", done.group_members),
        ("largest", done.largest_group),
    ];
    let faults = vec![
        ("procarray-add", done.add_faults),
        ("procarray-add.largest", done.largest_add_faults),
        ("procarray-remove", done.remove_faults),
    ];
    let mut proc_array_lock = vec![
        ("shared", lock.shared),
        ("exclusive", lock.exclusive),
        ("conditional-failures", lock.exclusive_conditional_failures),
        ("shared-waits", lock.shared_waits),
        ("exclusive-waits", lock.exclusive_waits),
        ("shared-barges", lock.shared_barges),
        ("exclusive-barges", lock.exclusive_barges),
        ("queue-length-sum", lock.queue_length_sum),
        ("longest-queue", worst.longest_queue),
        ("longest-starvation-grants", worst.longest_starvation_grants),
        ("longest-starvation-ns", worst.longest_starvation_ns),
        ("exclusive-held-ns", lock.exclusive_held_ns),
    ];
    if let Some(wakes) = measured.locks.proc_array_wakes {
        proc_array_lock.extend([
            ("wake-ups", wakes.wake_ups),
            ("woken-shared", wakes.woken_shared),
            ("woken-exclusive", wakes.woken_exclusive),
            ("passed-over", wakes.passed_over),
            ("most-woken", wakes.most_woken),
        ]);
    }
    let xid_gen_lock = vec![("shared", xid_gen.shared), ("exclusive", xid_gen.exclusive)];
    let groups = [
        ("operations", operations),
        ("group-clear", group_clear),
        ("faults", faults),
        ("procarraylock", proc_array_lock),
        ("xidgenlock", xid_gen_lock),
    ];
    let named = |(group, counts): (&'static str, Vec<(&'static str, u64)>)| {
        let names = counts.into_iter();
        names.map(move |(name, count)| (format!("{group}.{name}"), count))
    };
    groups.into_iter().flat_map(named).collect()
}
