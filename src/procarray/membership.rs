//! Joining and leaving: `InitProcess`, `ProcArrayAdd`, `ProcArrayRemove`, `ProcKill`.

use std::hint::spin_loop;
use std::time::Instant;

use super::array::ProcArray;
use super::dense::{SharedWord, close_gap, open_gap};
use super::locks::SharedExclusiveLock;
use super::pgproc::{NOT_A_MEMBER, ProcNumber, SubxidStatus};
use super::probe::{LockProbe, NoProbe};
use super::view::View;
use super::xid::TransactionId;

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Takes a free PGPROC (proc.c `InitProcess`), under the free list's lock only.
    ///
    /// None when all are taken: PostgreSQL's "sorry, too many clients already",
    /// which costs no LWLock.
    pub fn init_process(&self) -> Option<ProcNumber> {
        self.init_process_through(self.home())
    }

    /// As [`init_process`](Self::init_process), by one who sees the memory through `view`.
    pub fn init_process_through(&self, view: &View) -> Option<ProcNumber> {
        let slot = self.free_procs.pop()?;
        Self::reset_proc(view, slot);
        Some(slot)
    }

    /// The stores of `InitProcess` to the own PGPROC.
    fn reset_proc(view: &View, slot: ProcNumber) {
        let proc = view.proc(slot.0);
        proc.xid().set(TransactionId::INVALID.0);
        proc.xmin().set(TransactionId::INVALID.0);
        proc.latest_xid().set(TransactionId::INVALID.0);
        proc.status_flags().set(0);
        proc.set_subxid_status(SubxidStatus::default());
        view.mirror_in_pgxact(proc);
        // Any number that no other living backend has.
        proc.pid().set(slot.0 + 1);
    }

    /// Repeats the stores of `InitProcess` to the own PGPROC, by the child that the slot is for.
    pub(crate) fn touch_own_proc(&self, slot: ProcNumber) {
        Self::reset_proc(self.home(), slot);
    }

    /// Returns the PGPROC to the free list (proc.c `ProcKill`), after [`Self::remove`].
    pub fn proc_kill(&self, slot: ProcNumber) {
        debug_assert!(
            self.pgxactoff(slot).is_none(),
            "slot {slot} is killed while in the array"
        );
        self.proc(slot).pid().set(0);
        self.free_procs.push(slot);
    }

    /// Enters the array (procarray.c `ProcArrayAdd`).
    ///
    /// Takes ProcArrayLock and since 14 inside it XidGenLock, both exclusively; finds the
    /// place by linear search. Up to 13 one move of `pgprocnos` is all. Since 14 the tails of
    /// the three dense arrays move, too, and a new `pgxactoff` goes into the PGPROC of
    /// **every following** backend. With the low slots free that is all of them. Touches no
    /// transaction counter, so cached snapshots stay valid.
    pub fn add(&self, slot: ProcNumber) {
        self.add_through(self.home(), slot, &mut NoProbe);
    }

    /// As [`add`](Self::add), by one who sees the memory through `view` and is told of the lock.
    pub fn add_through(&self, view: &View, slot: ProcNumber, probe: &mut impl LockProbe) {
        self.exclusively(probe, || {
            debug_assert!(self.pgxactoff(slot).is_none(), "slot {slot} is added twice");
            let num_procs = view.num_procs();
            let pgprocnos = view.pgprocnos();
            let index = pgprocnos[..num_procs]
                .iter()
                .position(|number| number.get() > slot.0)
                .unwrap_or(num_procs);
            let proc = view.proc(slot.0);
            open_gap(pgprocnos, index, num_procs);
            pgprocnos[index].set(slot.0);
            // Up to 13 there is no such field; here it says that the slot is in the array.
            proc.pgxactoff().set(index as u32);
            if self.config.profile.version().dense_arrays {
                open_gap(&view.xids, index, num_procs);
                open_gap(&view.subxid_states, index, num_procs);
                open_gap(&view.status_flags, index, num_procs);
                view.xids[index].set(proc.xid().get());
                view.subxid_states[index].set(proc.subxid_status().0);
                view.status_flags[index].set(proc.status_flags().get() as u8);
            }
            view.set_num_procs(num_procs + 1);
            self.renumber_from(view, index + 1);
            self.spin_injected_hold();
        });
    }

    /// Leaves the array (procarray.c `ProcArrayRemove`).
    ///
    /// The same locks. Since 14 the place is known from `pgxactoff`, up to 13 it is searched for.
    /// `latest_xid` is none for a backend that exits: its transaction has ended before, and
    /// nothing is invalidated. With an xid (PostgreSQL: COMMIT PREPARED) it also completes that
    /// transaction, and every cached snapshot becomes stale.
    pub fn remove(&self, slot: ProcNumber, latest_xid: Option<TransactionId>) {
        self.remove_through(self.home(), slot, latest_xid, &mut NoProbe);
    }

    /// As [`remove`](Self::remove), by one who sees the memory through `view` and is told of the lock.
    pub fn remove_through(
        &self,
        view: &View,
        slot: ProcNumber,
        latest_xid: Option<TransactionId>,
        probe: &mut impl LockProbe,
    ) {
        self.exclusively(probe, || {
            let num_procs = view.num_procs();
            let pgprocnos = view.pgprocnos();
            let proc = view.proc(slot.0);
            let dense = self.config.profile.version().dense_arrays;
            let index = if dense {
                view.offset_of(proc)
            } else {
                pgprocnos[..num_procs]
                    .iter()
                    .position(|number| number.get() == slot.0)
                    .unwrap_or(num_procs)
            };
            debug_assert!(
                pgprocnos[..num_procs].get(index).map(SharedWord::get) == Some(slot.0),
                "slot {slot} is removed but not in the array"
            );
            if let Some(latest_xid) = latest_xid {
                view.set_xid(proc, TransactionId::INVALID);
                Self::clear_subxids(view, proc);
                self.complete_xid(latest_xid);
            } else {
                debug_assert!(!proc.top_xid().is_valid(), "slot {slot} leaves with an xid");
            }
            view.set_status_flags(proc, 0);
            close_gap(pgprocnos, index, num_procs);
            if dense {
                close_gap(&view.xids, index, num_procs);
                close_gap(&view.subxid_states, index, num_procs);
                close_gap(&view.status_flags, index, num_procs);
            }
            view.set_num_procs(num_procs - 1);
            self.renumber_from(view, index);
            // PostgreSQL leaves the old offset in place; here it shows a misuse.
            proc.pgxactoff().set(NOT_A_MEMBER);
        });
    }

    /// Does `change` under ProcArrayLock, and inside it XidGenLock where the profile nests it,
    /// both exclusive.
    #[inline]
    fn exclusively(&self, probe: &mut impl LockProbe, change: impl FnOnce()) {
        probe.requesting();
        let guard = self.proc_array_lock.acquire_exclusive();
        probe.acquired();
        let nested = self.nests_xid_gen_lock();
        let nested = nested.then(|| self.xid_gen_lock.acquire_exclusive());
        change();
        drop(nested);
        probe.releasing();
        drop(guard);
    }

    /// Tells every backend from dense index `first` on where it stands now: one store
    /// into each of their PGPROCs. Not before 14.
    fn renumber_from(&self, view: &View, first: usize) {
        if !(self.config.profile.version().dense_arrays && self.config.ablations.renumbering) {
            return;
        }
        let moved = &view.pgprocnos()[first..view.num_procs()];
        for (offset, number) in moved.iter().enumerate() {
            view.pgxactoff(number.get()).set((first + offset) as u32);
        }
    }

    fn spin_injected_hold(&self) {
        if !self.config.inject_hold.is_zero() {
            let begin = Instant::now();
            while begin.elapsed() < self.config.inject_hold {
                spin_loop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::ProcArrayConfig;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use std::time::Duration;

    /// What is seen of XidGenLock at each moment: how often it was taken by then.
    struct Trace<'a, L>(&'a ProcArray<L>, Vec<(&'static str, u64)>);
    impl<L: SharedExclusiveLock> Trace<'_, L> {
        fn note(&mut self, moment: &'static str) {
            drop(
                self.0
                    .xid_gen_lock
                    .uncounted()
                    .try_acquire_exclusive()
                    .unwrap(),
            );
            self.1
                .push((moment, self.0.lock_counts().xid_gen.exclusive));
        }
    }
    impl<L: SharedExclusiveLock> LockProbe for Trace<'_, L> {
        fn requesting(&mut self) {
            self.note("requesting");
        }
        fn acquired(&mut self) {
            assert!(
                self.0
                    .proc_array_lock
                    .uncounted()
                    .try_acquire_shared()
                    .is_none()
            );
            self.note("acquired");
        }
        fn releasing(&mut self) {
            assert!(
                self.0
                    .proc_array_lock
                    .uncounted()
                    .try_acquire_shared()
                    .is_none()
            );
            self.note("releasing");
        }
    }

    struct NestsXidGen;
    impl LockVisitor for NestsXidGen {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = ProcArray::<L>::new(ProcArrayConfig::default()).unwrap();
            let slot = array.init_process().unwrap();
            let mut trace = Trace(&array, Vec::new());
            array.add_through(array.home(), slot, &mut trace);
            array.remove_through(array.home(), slot, None, &mut trace);
            let once = |before| {
                [
                    ("requesting", before),
                    ("acquired", before),
                    ("releasing", before + 1),
                ]
            };
            assert_eq!(trace.1, [once(0), once(1)].concat());
        }
    }

    #[test]
    fn xid_gen_lock_nests_inside_proc_array_lock() {
        LockKind::default().visit(NestsXidGen);
    }

    struct Fills;
    impl LockVisitor for Fills {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let array = ProcArray::<L>::new(ProcArrayConfig {
                max_backends: 5,
                ..ProcArrayConfig::default()
            })
            .unwrap();
            let slots: Vec<_> = std::iter::from_fn(|| array.init_process()).collect();
            assert_eq!(slots.len(), 5, "then: sorry, too many clients already");
            assert_eq!(array.lock_counts().proc_array.exclusive, 0);
            for slot in &slots {
                // First allocation descends: every newcomer lands in front of all.
                array.add(*slot);
                assert_eq!(array.pgxactoff(*slot), Some(0));
                array.check_invariants().unwrap();
            }
            array.remove(slots[2], None);
            array.check_invariants().unwrap();
            array.proc_kill(slots[2]);
            assert_eq!(array.init_process(), Some(slots[2]), "last in, first out");
            array.add(slots[2]);
            assert_eq!(array.pgxactoff(slots[2]), Some(2));
            array.check_invariants().unwrap();
        }
    }

    #[test]
    fn slots_are_sorted_and_recycled() {
        LockKind::default().visit(Fills);
    }

    /// Reads the clock where a measuring caller does.
    struct HoldTime(Option<Instant>, Duration);
    impl LockProbe for HoldTime {
        fn requesting(&mut self) {}
        fn acquired(&mut self) {
            self.0 = Some(Instant::now());
        }
        fn releasing(&mut self) {
            self.1 = self.0.map_or(Duration::ZERO, |acquired| acquired.elapsed());
        }
    }

    struct InjectedHold;
    impl LockVisitor for InjectedHold {
        type Output = ();
        fn visit<L: SharedExclusiveLock>(self) {
            let inject_hold = Duration::from_millis(2);
            let array = ProcArray::<L>::new(ProcArrayConfig {
                inject_hold,
                ..ProcArrayConfig::default()
            })
            .unwrap();
            let slot = array.init_process().unwrap();
            let mut hold = HoldTime(None, Duration::ZERO);
            array.add_through(array.home(), slot, &mut hold);
            // A lower bound only: the spin cannot end early, whatever the machine does.
            assert!(hold.1 >= inject_hold);
        }
    }

    #[test]
    fn an_injected_hold_lies_between_acquired_and_releasing() {
        LockKind::default().visit(InjectedHold);
    }
}
