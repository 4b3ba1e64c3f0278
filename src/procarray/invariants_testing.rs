//! What must hold whenever nobody is inside an exclusive section.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;

use super::array::ProcArray;
use super::dense::SharedWord;
use super::locks::SharedExclusiveLock;
use super::pgproc::{NOT_A_MEMBER, ProcNumber};
use super::xid::{FullTransactionId, TransactionId};

/// A way in which the array contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvariantViolation {
    /// `pgprocnos` is not strictly ascending.
    #[error("pgprocnos is not ascending at index {index}")]
    Unsorted {
        /// Dense index of the first of the two entries.
        index: usize,
    },
    /// A PGPROC's `pgxactoff` and its place in `pgprocnos` disagree.
    #[error("slot {slot} believes to be at {believed}, the array has it at {actual:?}")]
    WrongOffset {
        /// The slot.
        slot: ProcNumber,
        /// Its `pgxactoff`.
        believed: u32,
        /// Its index in `pgprocnos`, if it is there.
        actual: Option<usize>,
    },
    /// A dense entry differs from the copy in its PGPROC.
    #[error("{what} of slot {slot} differs between the dense array and its PGPROC")]
    Mirror {
        /// The slot.
        slot: ProcNumber,
        /// Which of the mirrored fields.
        what: &'static str,
    },
    /// An xid is running twice, or is not older than `nextXid`.
    #[error("running transaction {xid} is a duplicate or was never given out")]
    RunningXid {
        /// The xid.
        xid: TransactionId,
    },
    /// `latestCompletedXid` is not older than `nextXid`.
    #[error("latestCompletedXid {latest_completed} is not before nextXid {next}")]
    CompletedBeforeGiven {
        /// `latestCompletedXid`.
        latest_completed: u64,
        /// `nextXid`.
        next: u64,
    },
    /// A slot is free twice, or free and in the array; or there are more than `max_backends`.
    #[error("{free} free slots and {members} members of {max_backends} overlap")]
    SlotsNotConserved {
        /// Entries of the free list.
        free: usize,
        /// Entries of the array.
        members: usize,
        /// Slots altogether.
        max_backends: u32,
    },
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Checks the whole state under both locks, which are not counted for it.
    ///
    /// # Errors
    /// The first violation found.
    pub(crate) fn check_invariants(&self) -> Result<(), InvariantViolation> {
        // In the order in which those who take both take them.
        let (proc_array, xid_gen) = (
            self.proc_array_lock.uncounted(),
            self.xid_gen_lock.uncounted(),
        );
        let _guards = if self.config.ablations.xid_gen_lock {
            let outer = proc_array.acquire_exclusive();
            (outer, xid_gen.acquire_exclusive())
        } else {
            let outer = xid_gen.acquire_exclusive();
            (proc_array.acquire_exclusive(), outer)
        };
        let members: Vec<u32> = self.home().pgprocnos()[..self.num_procs()]
            .iter()
            .map(SharedWord::get)
            .collect();
        if let Some(index) = members.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(InvariantViolation::Unsorted { index });
        }
        self.check_offsets(&members)?;
        self.check_mirrors(&members)?;
        self.check_xids(&members)?;
        self.check_slots(&members)
    }

    /// Without renumbering only whether a slot is in the array is known of it.
    fn check_offsets(&self, members: &[u32]) -> Result<(), InvariantViolation> {
        let renumbers =
            self.config.profile.version().dense_arrays && self.config.ablations.renumbering;
        for slot in 0..self.config.max_backends {
            let believed = self.home().pgxactoff(slot).get();
            let actual = members.binary_search(&slot).ok();
            let agree = if renumbers {
                actual.map_or(NOT_A_MEMBER, |index| index as u32) == believed
            } else {
                actual.is_some() == (believed != NOT_A_MEMBER)
            };
            if !agree {
                let slot = ProcNumber(slot);
                return Err(InvariantViolation::WrongOffset {
                    slot,
                    believed,
                    actual,
                });
            }
        }
        Ok(())
    }

    fn check_mirrors(&self, members: &[u32]) -> Result<(), InvariantViolation> {
        let home = self.home();
        for (index, slot) in members.iter().enumerate() {
            let proc = home.proc(*slot);
            let (xid, subxid_status, flags) = if self.config.profile.version().dense_arrays {
                (
                    home.xids[index].get(),
                    home.subxid_states[index].get(),
                    home.status_flags[index].get(),
                )
            } else {
                let (xid, _, flags, subxid_status) = home.pgxact(*slot);
                (xid.0, subxid_status.0, flags)
            };
            let what = if xid != proc.xid().get() {
                "xid"
            } else if subxid_status != proc.subxid_status().0 {
                "subxidStatus"
            } else if u32::from(flags) != proc.status_flags().get() {
                "statusFlags"
            } else {
                continue;
            };
            let slot = ProcNumber(*slot);
            return Err(InvariantViolation::Mirror { slot, what });
        }
        Ok(())
    }

    fn check_xids(&self, members: &[u32]) -> Result<(), InvariantViolation> {
        let next = self.home().transam_variables().next_xid.load(Relaxed);
        let latest_completed = self
            .home()
            .transam_variables()
            .latest_completed_xid
            .load(Relaxed);
        if latest_completed >= next {
            return Err(InvariantViolation::CompletedBeforeGiven {
                latest_completed,
                next,
            });
        }
        let mut seen = HashSet::new();
        for slot in members {
            let xid = self.home().proc(*slot).top_xid();
            let given_out = xid.precedes(FullTransactionId(next).xid());
            if xid.is_valid() && !(given_out && seen.insert(xid)) {
                return Err(InvariantViolation::RunningXid { xid });
            }
        }
        Ok(())
    }

    /// Slots taken but not (or no longer) in the array are nobody's here, so the sum may be less.
    fn check_slots(&self, members: &[u32]) -> Result<(), InvariantViolation> {
        let free = self.free_procs.slots();
        let mut all: HashSet<u32> = members.iter().copied().collect();
        all.extend(free.iter().map(|slot| slot.0));
        if all.len() == free.len() + members.len() {
            return Ok(());
        }
        Err(InvariantViolation::SlotsNotConserved {
            free: free.len(),
            members: members.len(),
            max_backends: self.config.max_backends,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::ProcArrayConfig;
    use crate::procarray::locks::{LockKind, LockVisitor};

    /// Plants one fault in a sound array of four and says what the checker found.
    struct Plant(u8);
    impl LockVisitor for Plant {
        type Output = Result<(), InvariantViolation>;
        fn visit<L: SharedExclusiveLock>(self) -> Self::Output {
            let array = ProcArray::<L>::new(ProcArrayConfig::default()).unwrap();
            let slots = array.open_standing(4, 0, Default::default()).unwrap();
            let xid = array.get_new_transaction_id(slots[0]);
            array.check_invariants().unwrap();
            let my_proc = array.proc(slots[1]);
            let index = my_proc.pgxactoff().get() as usize;
            match self.0 {
                0 => {}
                1 => array.home().pgprocnos()[0].set(array.home().pgprocnos()[1].get()),
                2 => my_proc.pgxactoff().set(0),
                3 => my_proc.xid().set(77),
                4 => array.home().subxid_states[index].set(1),
                5 => my_proc.status_flags().set(2),
                6 => {
                    my_proc.xid().set(xid.0);
                    array.home().xids[index].set(xid.0);
                }
                7 => array.complete_xid(TransactionId(99)),
                8 => array.free_procs.push(slots[2]),
                _ => array.home().set_num_procs(3),
            }
            array.check_invariants()
        }
    }

    #[test]
    fn every_planted_fault_is_found() {
        use InvariantViolation as V;
        let found = |fault| LockKind::default().visit(Plant(fault));
        assert_eq!(found(0), Ok(()));
        assert!(matches!(found(1), Err(V::Unsorted { index: 0 })));
        assert!(matches!(found(2), Err(V::WrongOffset { believed: 0, .. })));
        for (fault, field) in [(3, "xid"), (4, "subxidStatus"), (5, "statusFlags")] {
            assert!(matches!(found(fault), Err(V::Mirror { what, .. }) if what == field));
        }
        assert!(matches!(found(6), Err(V::RunningXid { .. })));
        assert!(matches!(found(7), Err(V::CompletedBeforeGiven { .. })));
        assert!(matches!(found(8), Err(V::SlotsNotConserved { .. })));
        assert!(matches!(found(9), Err(V::WrongOffset { actual: None, .. })));
    }
}
