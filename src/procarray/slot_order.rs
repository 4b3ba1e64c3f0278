//! Where standing connections stand relative to those that come and go.

use super::array::ProcArray;
use super::locks::SharedExclusiveLock;
use super::pgproc::ProcNumber;

use crate::names::named_enum;

named_enum! {
    /// Place of churning connections in the array, seen from the standing ones. It
    /// decides how many entries a connect has to move and renumber.
    #[derive(Default)]
    pub enum SlotOrder: "slot order" {
        /// Churn in front of all standing connections: every one moves at each connect.
        #[default]
        Front = "front",
        /// Churn behind all of them: none moves.
        Behind = "behind",
        /// Churn spread evenly between them.
        Spread = "spread",
    }
}

impl<L: SharedExclusiveLock> ProcArray<L> {
    /// Opens `standing` connections in a fresh array so that the next `churning`
    /// concurrent ones get slots in the given `order`: placeholders are opened after,
    /// before or between the standing ones and closed again, and free slots are
    /// recycled among themselves. None when there are not slots enough for both.
    ///
    /// From 16 on free slots take turns, so those beyond `standing` and `churning` are taken out
    /// of use: afterwards there are `churning` and no more. Up to 15 they stay at the tail.
    ///
    /// The connects made here are in the lock counters.
    pub fn open_standing(
        &self,
        standing: usize,
        churning: usize,
        order: SlotOrder,
    ) -> Option<Vec<ProcNumber>> {
        let free = self.free_procs.len();
        let spare = free.checked_sub(standing.saturating_add(churning))?;
        let mut placeholders = Vec::with_capacity(churning);
        let mut opened = Vec::with_capacity(standing);
        let total = standing + churning;
        for i in 0..total {
            // From the last place in the array to the first. Up to 16 first allocation descends:
            // what is opened first is behind.
            let from_behind = if self.config.profile.version().allocates_ascending {
                total - 1 - i
            } else {
                i
            };
            let is_standing = match order {
                SlotOrder::Front => from_behind < standing,
                SlotOrder::Behind => from_behind >= churning,
                // A placeholder where the running share of placeholders steps up.
                SlotOrder::Spread => {
                    (from_behind + 1) * churning / total == from_behind * churning / total
                }
            };
            let slot = self.init_process()?;
            self.add(slot);
            let kind = if is_standing {
                &mut opened
            } else {
                &mut placeholders
            };
            kind.push(slot);
        }
        if self.config.profile.version().recycles_fifo {
            // Returned slots queue behind the spare ones, which would have their turn first.
            for _ in 0..spare {
                self.free_procs.pop()?;
            }
        }
        for slot in placeholders {
            self.remove(slot, None);
            self.proc_kill(slot);
        }
        Some(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procarray::locks::{LockKind, LockVisitor};
    use crate::procarray::{PgProfile, ProcArrayConfig};

    struct Places(SlotOrder, PgProfile);
    impl LockVisitor for Places {
        type Output = Vec<usize>;
        /// Dense indexes that four concurrent churners get among 12 standing connections.
        fn visit<L: SharedExclusiveLock>(self) -> Vec<usize> {
            let array = ProcArray::<L>::new(ProcArrayConfig {
                max_backends: 20,
                profile: self.1,
                ..ProcArrayConfig::default()
            })
            .unwrap();
            assert!(array.open_standing(18, 3, self.0).is_none());
            assert_eq!(array.open_standing(12, 4, self.0).unwrap().len(), 12);
            array.check_invariants().unwrap();
            // More connects than slots, so that they are recycled.
            for _ in 0..9 {
                let slot = array.init_process().unwrap();
                array.add(slot);
                array.remove(slot, None);
                array.proc_kill(slot);
            }
            let churners: Vec<_> = (0..4)
                .map(|_| {
                    let slot = array.init_process().unwrap();
                    array.add(slot);
                    slot
                })
                .collect();
            array.check_invariants().unwrap();
            let mut places: Vec<_> = churners
                .iter()
                .map(|slot| array.pgxactoff(*slot).unwrap())
                .collect();
            places.sort_unstable();
            places
        }
    }

    #[test]
    fn churners_land_where_the_order_says_on_every_version() {
        for &profile in PgProfile::ALL {
            let places = |order| LockKind::default().visit(Places(order, profile));
            assert_eq!(places(SlotOrder::Front), [0, 1, 2, 3]);
            assert_eq!(places(SlotOrder::Behind), [12, 13, 14, 15]);
            assert_eq!(places(SlotOrder::Spread), [0, 4, 8, 12]);
        }
    }
}
