//! What the scripts print, one event per line.

/// Where ProcArrayLock was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In `ProcArrayAdd` (procarray.c), by a backend that joins.
    Add,
    /// In `ProcArrayRemove`, by one that leaves.
    Remove,
    /// Anywhere else: snapshots, horizons, ends of transactions.
    Elsewhere,
}

/// One acquisition of ProcArrayLock, from request to release. Times are CLOCK_MONOTONIC, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) pid: u32,
    pub(super) place: Place,
    pub(super) exclusive: bool,
    /// How often it slept until it had the lock; 0 if it found it free.
    pub(super) sleeps: u64,
    /// When `ProcArrayAdd` or `ProcArrayRemove` was entered, else 0.
    pub(super) entered_ns: u64,
    pub(super) requested_ns: u64,
    pub(super) acquired_ns: u64,
    pub(super) released_ns: u64,
    /// Minor faults of the process meanwhile.
    pub(super) faults: u64,
}

/// What a process does from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A reader's backend was woken.
    Woken,
    /// It runs.
    Runs,
    /// It lost the CPU, and could go on.
    Preempted,
    /// It sleeps.
    Sleeps,
    /// Its statement is over.
    Done,
    /// Whoever holds ProcArrayLock exclusively lost the CPU.
    HolderOff,
    /// That process runs again.
    HolderOn,
}

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Hold(Hold),
    /// XidGenLock was asked for.
    XidGen {
        pid: u32,
        exclusive: bool,
        at_ns: u64,
    },
    Turn {
        pid: u32,
        turn: Turn,
        at_ns: u64,
    },
    /// Whatever this CPU did before is told.
    Tick {
        cpu: u32,
        at_ns: u64,
    },
    /// bpftrace could not keep up.
    Lost,
}

impl Event {
    /// `None` for bpftrace's other words.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next()?;
        // `Lost 12 events`
        if kind == "Lost" {
            return Some(Event::Lost);
        }
        let numbers: Vec<u64> = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        let pid = u32::try_from(*numbers.first()?).ok()?;
        match (kind, &numbers[1..]) {
            (
                "h",
                &[
                    place,
                    mode,
                    sleeps,
                    entered_ns,
                    requested_ns,
                    acquired_ns,
                    released_ns,
                    faults,
                ],
            ) => {
                let place = match place {
                    1 => Place::Add,
                    2 => Place::Remove,
                    _ => Place::Elsewhere,
                };
                Some(Event::Hold(Hold {
                    pid,
                    place,
                    exclusive: mode == 0,
                    sleeps,
                    entered_ns,
                    requested_ns,
                    acquired_ns,
                    released_ns,
                    faults,
                }))
            }
            ("x", &[mode, at_ns]) => Some(Event::XidGen {
                pid,
                exclusive: mode == 0,
                at_ns,
            }),
            ("t", &[at_ns]) => Some(Event::Tick { cpu: pid, at_ns }),
            (kind, &[at_ns]) => {
                let turn = match kind {
                    "w" => Turn::Woken,
                    "r" => Turn::Runs,
                    "p" => Turn::Preempted,
                    "s" => Turn::Sleeps,
                    "q" => Turn::Done,
                    "o" => Turn::HolderOff,
                    "i" => Turn::HolderOn,
                    _ => return None,
                };
                Some(Event::Turn { pid, turn, at_ns })
            }
            _ => None,
        }
    }

    /// When it was over, in ns.
    pub(super) fn at_ns(&self) -> u64 {
        match *self {
            Event::Hold(hold) => hold.released_ns,
            Event::XidGen { at_ns, .. } | Event::Turn { at_ns, .. } | Event::Tick { at_ns, .. } => {
                at_ns
            }
            Event::Lost => u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_is_read_and_other_words_passed_over() {
        let hold = Event::parse("h 23533 1 0 2 100 110 120 150 418").unwrap();
        let expected = Hold {
            pid: 23533,
            place: Place::Add,
            exclusive: true,
            sleeps: 2,
            entered_ns: 100,
            requested_ns: 110,
            acquired_ns: 120,
            released_ns: 150,
            faults: 418,
        };
        assert_eq!(hold, Event::Hold(expected));
        assert_eq!(hold.at_ns(), 150);
        let xid = Event::XidGen {
            pid: 7,
            exclusive: false,
            at_ns: 9,
        };
        assert_eq!(Event::parse("x 7 1 9"), Some(xid));
        let tick = Event::Tick { cpu: 1, at_ns: 5 };
        assert_eq!(Event::parse("t 1 5"), Some(tick));
        assert_eq!(Event::parse("Lost 12 events"), Some(Event::Lost));
        for other in [
            "",
            "Attaching 9 probes...",
            "h 1 2",
            "x 1 y 3",
            "@mode[12]: 1",
        ] {
            assert_eq!(Event::parse(other), None, "{other}");
        }
    }
}
