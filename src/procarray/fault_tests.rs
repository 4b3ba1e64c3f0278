//! Page faults inside ProcArrayAdd, against the pages that its addresses say it touches.
//!
//! The test of huge pages asks the host for some (`vm.nr_hugepages`) and gives them back. Where it
//! may not, `PROCBENCH_TESTS_NO_HUGE_PAGES=1` leaves it out.

use std::collections::BTreeSet;
use std::fs;

use super::forked::Notes;
use super::locks::{LockVisitor, SharedExclusiveLock};
use super::mapping::{MappingKind, PageSize, Premapping};
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
    premapping: Option<Premapping>,
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
            premapping: None,
        }
    }

    fn run(self) -> Faults {
        self.profile.version().lock.visit(self)
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

impl Connect {
    fn in_child<L: SharedExclusiveLock>(&self, array: &ProcArray<L>) -> Faults {
        let slot = array.init_process().unwrap();
        let (rehearsal, rehearsal_slot) = array.rehearsal().unwrap();
        let mut notes = Notes::<[u64; 3]>::new().unwrap();
        let done = notes.of_child(|note, inside| {
            array.make_locks_resident();
            if let Some(how) = self.premapping {
                array.premap(how);
            }
            array.touch_own_proc(slot);
            // First to have the code mapped.
            for (array, slot) in [(&rehearsal, rehearsal_slot), (array, slot)] {
                let mut nobody = [NoProbe; 2];
                let [mut add, mut remove] =
                    nobody.each_mut().map(|probe| FaultMeter::new(probe, true));
                let home = array.home();
                inside.during(|| array.add_through(home, slot, &mut add));
                note[2] = array.pgxactoff(slot).map_or(u64::MAX, |index| index as u64);
                inside.during(|| array.remove_through(home, slot, None, &mut remove));
                (note[0], note[1]) = (add.faults(), remove.faults());
            }
        });
        assert_eq!(done.end, Ok(()));
        array.check_invariants().unwrap();
        // Where it was, seen from here, where nothing faults.
        array.add(slot);
        let index = array.pgxactoff(slot).unwrap();
        assert_eq!(done.note[2], index as u64);
        let home = array.home();
        let pages = home.pages_stored_by_add(slot.0, index, self.page_size.bytes());
        array.remove(slot, None);
        array.proc_kill(slot);
        Faults {
            add: done.note[0],
            remove: done.note[1],
            pages: pages.len() as u64,
        }
    }
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
                MappingKind::Fresh => Some(array.fresh_view().unwrap()),
                MappingKind::Forked => {
                    faults = Some(self.in_child(&array));
                    continue;
                }
            };
            let view = own.as_ref().unwrap_or(array.home());
            let slot = array.init_process_through(view).unwrap();
            let mut nobody = [NoProbe; 2];
            let [mut add, mut remove] = nobody.each_mut().map(|probe| FaultMeter::new(probe, true));
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
        let dense = !self.xids.is_empty();
        if dense {
            stores.extend(self.xids[moved.clone()].iter().map(address));
            stores.extend(self.subxid_states[moved.clone()].iter().map(address));
            stores.extend(self.status_flags[moved].iter().map(address));
            if self.renumbers() {
                let behind = self.pgprocnos()[index..num_procs].iter();
                stores.extend(behind.map(|number| {
                    address(self.pgxactoff(number.load(std::sync::atomic::Ordering::Relaxed)))
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

fn faults_are_pages(mapping: MappingKind) {
    for &profile in PgProfile::ALL {
        for standing in [0, 200, 1000] {
            for order in [SlotOrder::Front, SlotOrder::Behind, SlotOrder::Spread] {
                let found = Connect {
                    mapping,
                    ..Connect::new(profile, standing, order)
                }
                .run();
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
fn faults_inside_add_are_the_pages_that_its_stores_touch() {
    faults_are_pages(MappingKind::Fresh);
}

#[test]
fn they_are_in_a_forked_child() {
    faults_are_pages(MappingKind::Forked);
}

#[test]
fn a_mapped_page_costs_no_fault() {
    for &profile in PgProfile::ALL {
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
    for &profile in PgProfile::ALL {
        let [none, thousand, two_thousand] = growth(profile, SlotOrder::Front);
        if profile.version().dense_arrays {
            let per_thousand = 1000 * profile.version().stride as u64 / 4096;
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
        // Each of the four dense arrays may end on a page of its own, where few entries share one.
        assert!(
            two_thousand <= none + 4,
            "{profile} behind: {none} to {two_thousand}"
        );
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
        for &profile in PgProfile::ALL {
            let connect = Connect {
                ablations,
                ..Connect::new(profile, 1000, SlotOrder::Front)
            };
            // The first one also faults in the code that it runs.
            connect.run();
            let found = connect.run();
            assert!(found.add <= 5, "{profile}, {ablations}: {found:?}");
            assert!(found.add.abs_diff(found.pages) <= 3, "{profile}: {found:?}");
        }
    }
}

#[test]
fn pages_that_a_child_maps_before_it_joins_cost_no_fault_inside() {
    for &profile in PgProfile::ALL {
        for standing in [1000, 2000] {
            let stock = Connect {
                mapping: MappingKind::Forked,
                ..Connect::new(profile, standing, SlotOrder::Front)
            };
            for how in [Premapping::WriteEachPage, Premapping::ReadPer64Kb] {
                let premapped = Connect {
                    premapping: Some(how),
                    ..stock
                };
                // What is left is outside the PGPROCs: the dense arrays and ProcArrayStruct.
                let left = premapped.run();
                assert!(left.add <= 10, "{profile}, {standing}, {how:?}: {left:?}");
                let per_procs = standing as u64 * profile.version().stride as u64 / 4096;
                let stored = per_procs * u64::from(profile.version().dense_arrays);
                assert!(
                    left.pages >= stored,
                    "{profile}, {standing}, {how:?}: {left:?}"
                );
            }
        }
    }
}

/// The host's huge pages, as many more than it had until dropped.
struct HugePages {
    before: u64,
}

const NR_HUGE_PAGES: &str = "/proc/sys/vm/nr_hugepages";

impl HugePages {
    fn ask_for(more: u64) -> Self {
        let how = format!(
            "this test needs {more} huge pages: run it as root, or set PROCBENCH_TESTS_NO_HUGE_PAGES=1 to leave it out"
        );
        let now = || -> u64 {
            let text = fs::read_to_string(NR_HUGE_PAGES).expect(&how);
            text.trim().parse().expect(&how)
        };
        let before = now();
        fs::write(NR_HUGE_PAGES, (before + more).to_string()).expect(&how);
        let asked = Self { before };
        assert!(now() >= before + more, "the host has not the memory; {how}");
        asked
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let _ = fs::write(NR_HUGE_PAGES, self.before.to_string());
    }
}

#[test]
fn huge_pages_take_at_least_four_fifths_of_the_faults_away() {
    if std::env::var("PROCBENCH_TESTS_NO_HUGE_PAGES").is_ok_and(|set| set == "1") {
        return;
    }
    // 2,000 PGPROCs and what belongs to them need two.
    let _granted = HugePages::ask_for(4);
    for mapping in [MappingKind::Fresh, MappingKind::Forked] {
        for profile in PgProfile::ALL
            .iter()
            .copied()
            .filter(|p| p.version().dense_arrays)
        {
            for standing in [1000, 2000] {
                let small = Connect {
                    mapping,
                    ..Connect::new(profile, standing, SlotOrder::Front)
                };
                let huge = Connect {
                    page_size: PageSize::Huge,
                    ..small
                };
                let (small, huge) = (small.run(), huge.run());
                assert!(
                    huge.add * 5 <= small.add,
                    "{profile}, {standing}, {mapping}: {huge:?} instead of {small:?}"
                );
                // One more or two are another page's, three were seen beside other load.
                assert!(huge.add.abs_diff(huge.pages) <= 4, "{profile}: {huge:?}");
            }
        }
    }
}
