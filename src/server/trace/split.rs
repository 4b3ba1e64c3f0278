//! Where the time of each traced statement went: parts that add up to it.

use std::collections::BTreeMap;

use super::event::{Event, Hold, Turn};
use crate::record::StatementPart;

/// A client's statement: begin and end, CLOCK_MONOTONIC, ns.
pub(super) type Span = (u64, u64);

/// A statement's time in ns by part; the sum is its service time.
pub(super) type Parts = [u64; StatementPart::ALL.len()];

/// What a backend of a reader did, and everybody's exclusive holds.
pub(super) struct Trace<'a> {
    /// By backend, in order.
    turns: BTreeMap<u32, Vec<(u64, Turn)>>,
    /// The acquisitions for which a backend slept.
    waits: BTreeMap<u32, Vec<&'a Hold>>,
    /// When somebody held ProcArrayLock exclusively, by the state of that process, in order.
    held: Vec<(Span, StatementPart)>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(events: &'a [Event]) -> Self {
        let mut turns: BTreeMap<u32, Vec<(u64, Turn)>> = BTreeMap::new();
        let mut waits: BTreeMap<u32, Vec<&Hold>> = BTreeMap::new();
        let mut off: BTreeMap<u32, Vec<(u64, Turn)>> = BTreeMap::new();
        let mut exclusive: Vec<&Hold> = Vec::new();
        for event in events {
            match event {
                Event::Turn { pid, turn, at_ns } => {
                    let is_holders = matches!(turn, Turn::HolderOff | Turn::HolderOn);
                    let of = if is_holders { &mut off } else { &mut turns };
                    of.entry(*pid).or_default().push((*at_ns, *turn));
                }
                Event::Hold(hold) => {
                    if hold.sleeps > 0 {
                        waits.entry(hold.pid).or_default().push(hold);
                    }
                    exclusive.extend(hold.exclusive.then_some(hold));
                }
                _ => {}
            }
        }
        for turns in turns.values_mut().chain(off.values_mut()) {
            turns.sort_by_key(|(at, _)| *at);
        }
        let mut held = Vec::new();
        for hold in exclusive {
            let of_holder = off.get(&hold.pid).into_iter().flatten();
            let mut from = (hold.acquired_ns, StatementPart::HolderRunning);
            let inside = |at: u64| at > hold.acquired_ns && at < hold.released_ns;
            for &(at, turn) in of_holder.filter(|t| inside(t.0)) {
                held.push(((from.0, at), from.1));
                from = match turn {
                    Turn::HolderOff => (at, StatementPart::HolderOff),
                    _ => (at, StatementPart::HolderRunning),
                };
            }
            held.push(((from.0, hold.released_ns), from.1));
        }
        held.sort_by_key(|(span, _)| span.0);
        Trace { turns, waits, held }
    }

    /// The parts of one reader's statements, in order, of which each must hold exactly one of a backend's; the first
    /// backend of which that is true is the reader's. `None` if there is none: the trace is not whole.
    pub(super) fn split(&self, statements: &[Span]) -> Option<Vec<Parts>> {
        let as_often = |turns: &[(u64, Turn)]| {
            turns.iter().filter(|t| t.1 == Turn::Done).count() == statements.len()
        };
        self.turns
            .iter()
            .filter(|t| as_often(t.1))
            .find_map(|(pid, turns)| {
                let parts = statements.iter().map(|span| {
                    let from = turns.partition_point(|t| t.0 < span.0);
                    let to = turns.partition_point(|t| t.0 <= span.1);
                    let inside = &turns[from..to];
                    let done = inside.iter().filter(|t| t.1 == Turn::Done).count();
                    (done == 1).then(|| self.parts(*pid, *span, inside))
                });
                parts.collect()
            })
    }

    fn parts(&self, pid: u32, span: Span, turns: &[(u64, Turn)]) -> Parts {
        let mut parts = Parts::default();
        let mut add = |part: StatementPart, ns: u64| parts[part as usize] += ns;
        // The backend has nothing to do with it until it is woken, or runs.
        let (mut since, mut state) = (span.0, None);
        let end = (span.1, Turn::Done);
        for &(at, turn) in turns.iter().chain([&end]) {
            let stretch = (since, at);
            match state {
                None => add(StatementPart::Client, at - since),
                Some(Turn::Runs) => add(StatementPart::OnCpu, at - since),
                Some(Turn::Sleeps) => self.asleep(pid, stretch, &mut add),
                Some(_) => self.runnable(pid, stretch, &mut add),
            }
            since = at;
            // A process is woken while it sleeps only; the end of a statement is followed by the next one's wait.
            state = match (state, turn) {
                (_, Turn::Done) => None,
                (Some(Turn::Runs), Turn::Woken) => state,
                (None, Turn::Sleeps | Turn::Preempted) => None,
                (_, turn) => Some(turn),
            };
        }
        parts
    }

    /// How much of a stretch this backend was after ProcArrayLock.
    fn waiting(&self, pid: u32, stretch: Span) -> impl Iterator<Item = Span> {
        let waits = self.waits.get(&pid).into_iter().flatten();
        waits.filter_map(move |w| overlap(stretch, (w.requested_ns, w.acquired_ns)))
    }

    fn runnable(&self, pid: u32, stretch: Span, add: &mut impl FnMut(StatementPart, u64)) {
        let woken: u64 = self.waiting(pid, stretch).map(length).sum();
        add(StatementPart::WakeUp, woken);
        add(StatementPart::WaitForCpu, length(stretch) - woken);
    }

    fn asleep(&self, pid: u32, stretch: Span, add: &mut impl FnMut(StatementPart, u64)) {
        let mut other = length(stretch);
        for wait in self.waiting(pid, stretch) {
            let mut left = length(wait);
            other -= left;
            for (held, part) in &self.held {
                let ns = overlap(wait, *held).map_or(0, length).min(left);
                add(*part, ns);
                left -= ns;
            }
            // Nobody holds it any more: the one who did has not woken it yet.
            add(StatementPart::WakeUp, left);
        }
        add(StatementPart::OtherWaits, other);
    }
}

fn length(span: Span) -> u64 {
    span.1.saturating_sub(span.0)
}

fn overlap(a: Span, b: Span) -> Option<Span> {
    let both = (a.0.max(b.0), a.1.min(b.1));
    (both.0 < both.1).then_some(both)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(lines: &[&str]) -> Vec<Event> {
        lines.iter().map(|l| Event::parse(l).unwrap()).collect()
    }

    /// The parts that are not zero.
    fn named(parts: Parts) -> Vec<(StatementPart, u64)> {
        let all = StatementPart::ALL.iter().copied().zip(parts);
        all.filter(|p| p.1 > 0).collect()
    }

    #[test]
    fn a_statement_that_waits_for_the_lock_is_split_by_its_holders_state() {
        // Backend 20 is woken at 110, runs from 130, finds the lock held by 30 (100 to 600, off the CPU from 300 to
        // 500), sleeps from 150, is woken at 620, runs at 650, has the lock at 660, loses the CPU from 700 to 720,
        // is done at 800. The client sees 100 to 850.
        let events = events(&[
            "w 20 110",
            "r 20 130",
            "s 20 150",
            "o 30 300",
            "i 30 500",
            "h 30 1 0 0 90 95 100 600 418",
            "w 20 620",
            "r 20 650",
            "h 20 0 1 1 0 140 660 670 0",
            "p 20 700",
            "r 20 720",
            "q 20 800",
            "s 20 810",
        ]);
        let split = Trace::new(&events).split(&[(100, 850)]).unwrap();
        let expected = [
            (StatementPart::OnCpu, 20 + 50 + 80),
            (StatementPart::WaitForCpu, 20 + 20),
            (StatementPart::HolderRunning, 150 + 100),
            (StatementPart::HolderOff, 200),
            (StatementPart::WakeUp, 20 + 30),
            (StatementPart::Client, 10 + 50),
        ];
        assert_eq!(named(split[0]), expected);
        assert_eq!(split[0].iter().sum::<u64>(), 750);
    }

    #[test]
    fn sleep_without_the_lock_is_another_wait_and_parts_add_up_whatever_is_missing() {
        let events = events(&[
            "w 20 10", "r 20 11", "s 20 20", "w 20 50", "r 20 51", "q 20 60",
        ]);
        let trace = Trace::new(&events);
        let split = trace.split(&[(0, 70)]).unwrap();
        let expected = [
            (StatementPart::OnCpu, 18),
            (StatementPart::WaitForCpu, 2),
            (StatementPart::OtherWaits, 30),
            (StatementPart::Client, 20),
        ];
        assert_eq!(named(split[0]), expected);
        // Two statements of a client in one of a backend, or none: not its backend.
        assert_eq!(trace.split(&[(0, 30), (40, 70)]), None);
        for from in 0..60 {
            for to in 60..70 {
                let parts = trace.split(&[(from, to)]).unwrap()[0];
                assert_eq!(parts.iter().sum::<u64>(), to - from, "{from} {to}");
            }
        }
    }

    #[test]
    fn each_reader_is_told_by_the_backend_that_is_done_once_in_each_of_its_statements() {
        let events = events(&[
            "w 20 10", "r 20 11", "q 20 20", "w 21 12", "r 21 30", "q 21 40", "w 20 50", "r 20 51",
            "q 20 60",
        ]);
        let trace = Trace::new(&events);
        let first = trace.split(&[(5, 25), (45, 65)]).unwrap();
        assert_eq!(named(first[1])[0], (StatementPart::OnCpu, 9));
        let second = trace.split(&[(6, 45)]).unwrap();
        assert!(named(second[0]).contains(&(StatementPart::WaitForCpu, 18)));
    }
}
