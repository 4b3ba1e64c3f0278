//! Page faults inside ProcArrayAdd, against the pages that its addresses say it touches.

use std::collections::BTreeSet;

use super::locks::{LockVisitor, SharedExclusiveLock};
use super::mapping::{MappingKind, PageSize};
use super::{
    Ablations, FaultMeter, NoProbe, PgProfile, ProcArray, ProcArrayConfig, SlotOrder, View,
};

/// One connection, after a first one that fills caches and the allocator.
#[derive(Clone, Copy)]
struct Connect {
    profile: PgProfile,
    standing: usize,
    order: SlotOrder,
    mapping: MappingKind,
    page_size: PageSize,
    ablations: Ablations,
}

impl Connect {
    fn new(profile: PgProfile, standing: usize, order: SlotOrder) -> Self {
        Self {
            profile,
            standing,
            order,
            mapping: MappingKind::Fresh,
            page_size: PageSize::Small,
            ablations: Ablations::default(),
        }
    }

    fn run(self) -> Faults {
        self.profile.lock().visit(self)
    }
}

/// Of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Faults {
    add: u64,
    remove: u64,
    /// Distinct pages that the stores of ProcArrayAdd go to and that were not touched before.
    pages: u64,
}

impl LockVisitor for Connect {
    type Output = Faults;

    fn visit<L: SharedExclusiveLock>(self) -> Faults {
        let array = ProcArray::<L>::new(ProcArrayConfig {
            max_backends: self.standing as u32 + 1,
            profile: self.profile,
            mapping: self.mapping,
            page_size: self.page_size,
            ablations: self.ablations,
            ..ProcArrayConfig::default()
        })
        .unwrap();
        array.open_standing(self.standing, 1, self.order).unwrap();
        let mut faults = None;
        for _ in 0..2 {
            let own = match self.mapping {
                MappingKind::Shared => None,
                _ => Some(array.fresh_view().unwrap()),
            };
            let view = own.as_ref().unwrap_or(array.home());
            let slot = array.init_process_through(view).unwrap();
            let (mut add, mut remove) = (FaultMeter::new(NoProbe), FaultMeter::new(NoProbe));
            array.add_through(view, slot, &mut add);
            let index = array.pgxactoff(slot).unwrap();
            let pages = view.pages_stored_by_add(slot.0, index, self.page_size.bytes());
            array.remove_through(view, slot, None, &mut remove);
            array.proc_kill(slot);
            array.check_invariants().unwrap();
            faults = Some(Faults {
                add: add.faults(),
                remove: remove.faults(),
                pages: pages.len() as u64,
            });
        }
        faults.unwrap()
    }
}

fn address<T>(word: &T) -> usize {
    std::ptr::from_ref(word).addr()
}

impl View {
    /// Page numbers of the stores that bring `slot` in at `index`, which it has been: those of its
    /// own PGPROC, which InitProcess has touched, left out.
    fn pages_stored_by_add(&self, slot: u32, index: usize, page_size: usize) -> BTreeSet<usize> {
        let num_procs = self.num_procs();
        let mut stores = vec![self.num_procs_address()];
        let moved = index..num_procs;
        stores.extend(self.pgprocnos()[moved.clone()].iter().map(address));
        let dense = !self.xids().is_empty();
        if dense {
            stores.extend(self.xids()[moved.clone()].iter().map(address));
            stores.extend(self.subxid_states()[moved.clone()].iter().map(address));
            stores.extend(self.status_flags()[moved].iter().map(address));
            if self.renumbers() {
                let behind = self.pgprocnos()[index..num_procs].iter();
                stores.extend(behind.map(|number| {
                    address(
                        self.all_procs()
                            .pgxactoff(number.load(std::sync::atomic::Ordering::Relaxed)),
                    )
                }));
            }
        }
        let own = self.proc(slot);
        let touched: BTreeSet<_> = [
            address(own.xid()),
            address(own.status_flags()),
            own.last_address(),
        ]
        .map(|address| address / page_size)
        .into();
        let pages: BTreeSet<_> = stores.into_iter().map(|at| at / page_size).collect();
        &pages - &touched
    }
}

#[test]
fn faults_inside_add_are_the_pages_that_its_stores_touch() {
    for profile in PgProfile::ALL {
        for standing in [0, 200, 1000] {
            for order in [SlotOrder::Front, SlotOrder::Behind, SlotOrder::Spread] {
                let found = Connect::new(profile, standing, order).run();
                assert!(
                    found.add.abs_diff(found.pages) <= 2,
                    "{profile}, {standing} standing, {order}: {found:?}"
                );
                // What it moves is mapped by then.
                assert!(found.remove <= 1, "{profile}, {order}: {found:?}");
            }
        }
    }
}

#[test]
fn a_mapped_page_costs_no_fault() {
    for profile in PgProfile::ALL {
        let found = Connect {
            mapping: MappingKind::Shared,
            ..Connect::new(profile, 1000, SlotOrder::Front)
        }
        .run();
        assert_eq!((found.add, found.remove), (0, 0), "{profile}");
    }
}

/// Faults with more and more standing connections.
fn growth(profile: PgProfile, order: SlotOrder) -> [u64; 3] {
    [0, 1000, 2000].map(|standing| Connect::new(profile, standing, order).run().add)
}

#[test]
fn faults_grow_with_the_connections_behind_since_14_and_only_then() {
    for profile in PgProfile::ALL {
        let [none, thousand, two_thousand] = growth(profile, SlotOrder::Front);
        if profile.has_dense_arrays() {
            let per_thousand = 1000 * profile.stride() as u64 / 4096;
            assert!(
                (thousand - none).abs_diff(per_thousand) <= 4,
                "{profile}: {thousand}"
            );
            let second = two_thousand - thousand;
            assert!(
                second.abs_diff(per_thousand) <= 4,
                "{profile}: {two_thousand}"
            );
        } else {
            assert!(
                two_thousand <= none + 2,
                "{profile}: {none} to {two_thousand}"
            );
        }
        let [none, _, two_thousand] = growth(profile, SlotOrder::Behind);
        assert!(two_thousand <= none + 2, "{profile} behind: {two_thousand}");
    }
}

#[test]
fn without_renumbering_or_with_an_array_for_it_they_do_not_grow() {
    let without = Ablations::without("renumbering").unwrap();
    let own_array = Ablations {
        own_pgxactoff_array: true,
        ..Ablations::default()
    };
    for ablations in [without, own_array] {
        for profile in PgProfile::ALL {
            let connect = Connect {
                ablations,
                ..Connect::new(profile, 1000, SlotOrder::Front)
            };
            let found = connect.run();
            assert!(found.add <= 5, "{profile}, {ablations}: {found:?}");
            assert!(found.add.abs_diff(found.pages) <= 3, "{profile}: {found:?}");
        }
    }
}
