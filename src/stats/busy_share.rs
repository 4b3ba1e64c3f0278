//! How much of the time connections that come and go hold ProcArrayLock exclusively: an estimate
//! without load, rate times hold, from the number of standing connections, version and page size.
//!
//! The holds were traced **in servers on one machine** (docs/reference/own-server.md, "Exclusively held, by estimate", has it). Where
//! the new connection's slot lies among the others cannot be seen from outside, so both ends are given: `low`
//! with every standing connection behind none (slots behind), `high` with all of them behind it (slots in front).

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
pub(super) struct Line {
    pub(super) at_none: f64,
    pub(super) each: f64,
}

impl Line {
    pub(super) fn at(&self, standing: u64) -> f64 {
        self.at_none + self.each * standing as f64
    }
}

/// Where the holds of the estimate were traced.
pub const TRACED_ON: &str =
    "PostgreSQL 13.16 and 15.18 on a virtual machine with two cores, Linux 6.18";

/// The lines of one version and page size, by the number of connections behind the slot: `ProcArrayAdd`'s hold and
/// `ProcArrayRemove`'s.
struct Lines([Line; 2]);

const fn line(at_none: f64, each: f64) -> Line {
    Line { at_none, each }
}

/// 14 and later, 4 kB pages: 15.18 joins in 10.9 us + 0.22 us for each connection in front, and leaves in
/// 5.3 us + 7 ns each.
const RENUMBERING_4K: Lines = Lines([line(10_900.0, 220.0), line(5_300.0, 7.0)]);

/// 14 and later, huge pages: 15.18, the mean of both holds 6.1 us at none and 16.0 us at 2,000 in front.
const RENUMBERING_2M: Lines = Lines([line(6_100.0, 4.95), line(6_100.0, 4.95)]);

/// To 13 nothing is renumbered, whatever the pages: 13.16 joins in 10 us at any number, and leaves as 15.18 does at none.
const MOVING: Lines = Lines([line(10_000.0, 0.0), line(5_300.0, 0.0)]);

impl Lines {
    fn of(pg_major: u32, huge_pages: bool) -> &'static Lines {
        match (pg_major, huge_pages) {
            (..=13, _) => &MOVING,
            (_, false) => &RENUMBERING_4K,
            (_, true) => &RENUMBERING_2M,
        }
    }

    fn at(&self, standing: u64) -> HoldRange {
        let both = |behind_the_slot| self.0.iter().map(|line| line.at(behind_the_slot)).sum();
        HoldRange {
            low: both(0),
            high: both(standing),
        }
    }
}

/// How long one connection holds it when it joins and when it leaves, in ns, with so many standing connections behind
/// its slot.
pub(super) fn holds_of_each(pg_major: u32, behind_the_slot: u64, huge_pages: bool) -> [f64; 2] {
    let lines = &Lines::of(pg_major, huge_pages).0;
    [0, 1].map(|kind| lines[kind].at(behind_the_slot))
}

/// How long one connection holds ProcArrayLock exclusively, in ns: when it joins (`ProcArrayAdd`) and
/// when it leaves (`ProcArrayRemove`), added up. With `huge_pages` unknown (`try` before 17) the
/// range covers both.
pub fn holds_ns(pg_major: u32, standing: u64, huge_pages: Option<bool>) -> HoldRange {
    let of = |huge| Lines::of(pg_major, huge).at(standing);
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

    /// docs/reference/own-server.md has the lines as they are here.
    #[test]
    fn the_constants_are_those_of_the_methodology() {
        let text = include_str!("../../docs/reference/own-server.md");
        for (row, lines) in [
            ("14 and later, 4 kB", &RENUMBERING_4K),
            ("14 and later, huge", &RENUMBERING_2M),
            ("to 13", &MOVING),
        ] {
            let [join, leave] = &lines.0;
            let behind = format!("{:.1} µs", (join.at_none + leave.at_none) / 1e3);
            let front = match join.each + leave.each {
                0.0 => behind.clone(),
                each => format!("{behind} + {each} ns each"),
            };
            let row = format!("| {row} | {behind} | {front} |");
            assert!(text.contains(&row), "{row}");
        }
        assert!(text.contains(TRACED_ON), "{TRACED_ON}");
    }
}
