//! How much of the time connections that come and go hold ProcArrayLock exclusively: an estimate
//! without load, rate times hold, from the number of standing connections, version and page size.
//!
//! The holds were measured **on another machine**, in the modelled ProcArray that is stored in
//! `results/membership-hold-quick` (`procbench run membership-hold --quick`; tables of its SUMMARY.md: fresh
//! mapping, where a new process faults in each page of PGPROCs that it renumbers). Where the new
//! connection's slot lies among the others cannot be seen from outside, so both ends are given: `low` with
//! every standing connection behind none (slots behind), `high` with all of them behind it (slots in front).

use serde::Serialize;

/// Both ends of a quantity known no closer than this.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HoldRange {
    /// Slots behind the standing connections: nothing is renumbered.
    pub low: f64,
    /// Slots in front of them: all are.
    pub high: f64,
}

/// Hold of one operation in ns: at 0 standing connections, and how much each one adds.
struct Line {
    at_none: f64,
    each: f64,
}

impl Line {
    fn at(&self, standing: u64) -> f64 {
        self.at_none + self.each * standing as f64
    }
}

/// The lines of one version and page size: `ProcArrayAdd`'s and `ProcArrayRemove`'s.
struct Lines {
    behind: [Line; 2],
    front: [Line; 2],
}

const fn line(at_none: f64, each: f64) -> Line {
    Line { at_none, each }
}

/// 14 and later, 4 kB pages. Lines of PostgreSQL 15 (`PostgreSQL 15, slots front|behind, 4k, fresh`); those of
/// 18 differ by less than their machines would. A server of 15.18 that was traced elsewhere had
/// 0.22 us for each connection in front, within this range.
const RENUMBERING_4K: Lines = Lines {
    behind: [line(9_900.0, 1.64), line(1_340.0, 0.0)],
    front: [line(10_000.0, 388.0), line(1_370.0, 6.21)],
};

/// 14 and later, huge pages (`PostgreSQL 15, slots front|behind, 2m, fresh`).
const RENUMBERING_2M: Lines = Lines {
    behind: [line(2_460.0, 0.86), line(1_320.0, 0.0)],
    front: [line(2_120.0, 9.57), line(1_350.0, 5.36)],
};

/// To 13 nothing is renumbered: one move of the tail, a linear search at the end (`PostgreSQL 13, 4k, fresh`).
const MOVING_4K: Lines = Lines {
    behind: [line(6_010.0, 0.49), line(1_290.0, 0.84)],
    front: [line(5_910.0, 0.60), line(1_330.0, 0.84)],
};

/// As [`MOVING_4K`] (`PostgreSQL 13, 2m, fresh`).
const MOVING_2M: Lines = Lines {
    behind: [line(1_680.0, 0.80), line(1_190.0, 0.78)],
    front: [line(1_690.0, 1.05), line(1_270.0, 0.91)],
};

impl Lines {
    fn of(pg_major: u32, huge_pages: bool) -> &'static Lines {
        match (pg_major, huge_pages) {
            (..=13, false) => &MOVING_4K,
            (..=13, true) => &MOVING_2M,
            (_, false) => &RENUMBERING_4K,
            (_, true) => &RENUMBERING_2M,
        }
    }

    /// Both exclusive acquisitions of one connection.
    fn both(&self, standing: u64) -> HoldRange {
        let [behind, front] =
            [&self.behind, &self.front].map(|[add, remove]| add.at(standing) + remove.at(standing));
        // With few connections the two fitted lines may cross.
        HoldRange {
            low: behind.min(front),
            high: behind.max(front),
        }
    }
}

/// How long one connection holds ProcArrayLock exclusively, in ns: when it joins (`ProcArrayAdd`) and
/// when it leaves (`ProcArrayRemove`), added up. With `huge_pages` unknown (`try` before 17) the
/// range covers both.
pub fn holds_ns(pg_major: u32, standing: u64, huge_pages: Option<bool>) -> HoldRange {
    let of = |huge| Lines::of(pg_major, huge).both(standing);
    match huge_pages {
        Some(huge) => of(huge),
        None => HoldRange {
            low: of(true).low.min(of(false).low),
            high: of(true).high.max(of(false).high),
        },
    }
}

/// Share of the time that so many connections per second hold it, 0 to 1.
pub fn busy_share(holds_ns: HoldRange, connections_per_second: f64) -> HoldRange {
    let share = |ns: f64| (connections_per_second * ns / 1e9).min(1.0);
    HoldRange {
        low: share(holds_ns.low),
        high: share(holds_ns.high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factor::Factors;
    use crate::stats::rounds::Rounds;
    use crate::stats::{Answer, Quantity};

    #[test]
    fn no_range_is_upside_down() {
        for pg in [13, 15, 18] {
            for huge in [Some(false), Some(true), None] {
                for standing in [0, 10, 100, 500, 5000] {
                    let holds = holds_ns(pg, standing, huge);
                    assert!(holds.low <= holds.high, "{pg} {huge:?} {standing}");
                }
            }
        }
    }

    #[test]
    fn from_14_on_only_slots_in_front_on_small_pages_grow_much() {
        let at = |pg, n, huge| holds_ns(pg, n, Some(huge));
        let grown = |pg, huge| {
            let (none, many) = (at(pg, 0, huge), at(pg, 2_000, huge));
            (many.low - none.low, many.high - none.high)
        };
        let (behind, front) = grown(15, false);
        assert!(front > 100.0 * behind, "{behind} {front}");
        assert_eq!(grown(14, false), grown(18, false));
        // The facts that the estimate rests on: huge pages leave a fifth or less, 13 hardly grows.
        assert!(grown(15, true).1 < front / 5.0);
        assert!(grown(13, false).1 < front / 50.0);
    }

    #[test]
    fn unknown_pages_give_the_wider_range() {
        for pg in [13, 15] {
            let (small, huge) = (
                holds_ns(pg, 500, Some(false)),
                holds_ns(pg, 500, Some(true)),
            );
            let unknown = holds_ns(pg, 500, None);
            assert!(unknown.low <= small.low.min(huge.low));
            assert!(unknown.high >= small.high.max(huge.high));
            assert!(unknown.low <= unknown.high);
        }
    }

    #[test]
    fn the_share_is_rate_times_hold_and_never_more_than_all() {
        let holds = holds_ns(15, 2_000, Some(false));
        let at = |rate| busy_share(holds, rate);
        assert!((at(1_000.0).high - holds.high * 1_000.0 / 1e9).abs() < 1e-12);
        assert!((at(100.0).high * 10.0 - at(1_000.0).high).abs() < 1e-12);
        assert_eq!((at(0.0).low, at(0.0).high), (0.0, 0.0));
        assert_eq!(at(1e9).high, 1.0);
    }

    /// The constants are the ones of the stored run, to the three digits of its table.
    #[test]
    fn the_constants_are_those_of_the_stored_run() {
        let dir = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/results/membership-hold-quick/model"
        );
        let run = crate::record::read_run(std::path::Path::new(dir)).unwrap();
        let answer = crate::experiment::find("membership-hold").unwrap().answer;
        let Answer::Sweeps(sweeps) = answer else {
            panic!("{answer:?}");
        };
        let levels = run.levels();
        for (pg, pages, lines) in [
            ("15", "4k", &RENUMBERING_4K),
            ("15", "2m", &RENUMBERING_2M),
            ("13", "4k", &MOVING_4K),
            ("13", "2m", &MOVING_2M),
        ] {
            for (order, ours) in [("front", &lines.front), ("behind", &lines.behind)] {
                let rest = Factors {
                    pg: pg.parse().ok(),
                    slot_order: order.parse().ok(),
                    page_size: pages.parse().ok(),
                    mapping: "fresh".parse().ok(),
                    ..Factors::default()
                };
                for (stem, ours) in ["add-hold", "remove-hold"].iter().zip(ours) {
                    let sweep = sweeps.iter().find(|s| s.stem == *stem).unwrap();
                    let Quantity::Time(key, statistic) = sweep.quantity else {
                        panic!("{:?}", sweep.quantity);
                    };
                    let at = |standing| {
                        let rest = rest.clone();
                        let wanted = Factors { standing, ..rest };
                        let level = levels.iter().find(|l| l.agrees_with(&wanted)).unwrap();
                        let mut blocks = run.blocks_of(sweep.arm, false, level);
                        blocks.extend(run.blocks_of(sweep.arm, true, level));
                        let rounds = Rounds::of(&blocks, key, None);
                        let once = vec![1; rounds.block_count()];
                        rounds.statistic(&once, statistic).unwrap()
                    };
                    // The least-squares slope over three even steps.
                    let (at_none, each) = (at(0), (at(2_000) - at(0)) / 2_000.0);
                    let what = format!("{stem} {pg} {order} {pages}: {at_none} {each}");
                    let is_near =
                        |x: f64, ours: f64, least: f64| (x - ours).abs() <= least.max(ours * 0.005);
                    assert!(is_near(at_none, ours.at_none, 5.0), "{what}");
                    // A slope that does not differ from none is taken as none.
                    assert!(is_near(each, ours.each, 0.03), "{what}");
                }
            }
        }
    }
}
