//! In which order each lock lets in readers that overlap and a writer that waits: scripted,
//! with no clock.
//!
//! R1 holds the lock and W waits for it. Then k more readers ask one after the other, and each
//! holder leaves only when the next reader has been let in or waits. A lock that lets readers
//! in past a waiting writer starves W for exactly k grants; one that makes them
//! wait lets W in as soon as R1 has left.

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex};
use std::thread;

use procbench::procarray::locks::{
    CountedLock, LaterReaders, LockKind, LockVisitor, SharedExclusiveLock,
};

/// Whether the kernel has that thread asleep (proc_pid_stat(5)).
fn is_asleep(tid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').map_or("", |(_, rest)| rest.trim());
    state.starts_with('S')
}

struct Script<'a, L> {
    lock: &'a CountedLock<L>,
    /// Who was let in, in this order.
    granted: &'a Mutex<Vec<String>>,
}

impl<L: SharedExclusiveLock> Script<'_, L> {
    fn grants(&self) -> Vec<String> {
        self.granted.lock().unwrap().clone()
    }

    fn has(&self, name: &str) -> bool {
        self.grants().iter().any(|granted| granted == name)
    }

    fn waits(&self) -> u64 {
        let counts = self.lock.counts();
        counts.shared_waits + counts.exclusive_waits
    }

    /// Starts `acquire_and_hold` on a thread, and returns when it is in or waits.
    fn ask<'scope>(
        &'scope self,
        scope: &'scope thread::Scope<'scope, '_>,
        name: &str,
        acquire_and_hold: impl FnOnce() + Send + 'scope,
    ) {
        let waits_before = self.waits();
        let tid = std::sync::Arc::new(AtomicI32::new(0));
        let own = std::sync::Arc::clone(&tid);
        scope.spawn(move || {
            own.store(nix::unistd::gettid().as_raw(), SeqCst);
            acquire_and_hold();
        });
        loop {
            let waits =
                self.waits() > waits_before && (!L::WAITERS_SLEEP || is_asleep(tid.load(SeqCst)));
            if waits || self.has(name) {
                return;
            }
            thread::yield_now();
        }
    }

    /// A reader asks; it holds the lock, once it has it, until the sender is dropped.
    fn reader<'scope>(
        &'scope self,
        scope: &'scope thread::Scope<'scope, '_>,
        number: usize,
    ) -> Sender<()> {
        let name = format!("R{number}");
        let (leave, may_leave) = channel::<()>();
        self.ask(scope, &name.clone(), move || {
            let _guard = self.lock.acquire_shared();
            self.granted.lock().unwrap().push(name);
            let _ = may_leave.recv();
        });
        leave
    }

    fn writer<'scope>(&'scope self, scope: &'scope thread::Scope<'scope, '_>) {
        self.ask(scope, "W", || {
            let _guard = self.lock.acquire_exclusive();
            self.granted.lock().unwrap().push("W".to_owned());
        });
    }
}

struct Overlap {
    name: &'static str,
    readers: usize,
    /// Another promise than the lock's own.
    held_to: Option<LaterReaders>,
}

impl LockVisitor for Overlap {
    type Output = ();

    fn visit<L: SharedExclusiveLock>(self) {
        let Self {
            name,
            readers,
            held_to,
        } = self;
        let lock = CountedLock::<L>::new();
        let granted = Mutex::new(Vec::new());
        let script = Script {
            lock: &lock,
            granted: &granted,
        };
        thread::scope(|scope| {
            let mut last = script.reader(scope, 1);
            assert_eq!(script.grants(), ["R1"]);
            script.writer(scope);
            assert_eq!(script.grants(), ["R1"], "{name}: W is in beside R1");
            assert_eq!(lock.counts().exclusive_waits, 1);
            for number in 2..=readers + 1 {
                let next = script.reader(scope, number);
                let is_in = script.has(&format!("R{number}"));
                // The last one leaves; and unless the next is in already, the lock lets in
                // whom it likes, before anybody else asks.
                drop(last);
                while !is_in && !script.has("W") && !script.has(&format!("R{number}")) {
                    thread::yield_now();
                }
                last = next;
            }
            drop(last);
        });
        let order = granted.into_inner().unwrap();
        let counts = lock.counts();
        let starved = lock.take_extremes().longest_starvation_grants;
        let with_writer_at = |place: usize| -> Vec<String> {
            let mut order: Vec<_> = (1..=readers + 1).map(|n| format!("R{n}")).collect();
            order.insert(place, "W".to_owned());
            order
        };
        assert_eq!(order.len(), readers + 2, "{name}: {order:?}");
        match held_to.unwrap_or(L::LATER_READERS) {
            LaterReaders::Pass => {
                assert_eq!(order, with_writer_at(readers + 1), "{name}");
                assert_eq!(starved, readers as u64, "{name}: {order:?}");
                assert_eq!(counts.shared_barges, readers as u64, "{name}");
            }
            LaterReaders::Wait => {
                assert_eq!(order[..2], with_writer_at(1)[..2], "{name}: {order:?}");
                assert_eq!(starved, 0, "{name}: {order:?}");
            }
            LaterReaders::Either => {
                let place = order.iter().position(|name| name == "W").unwrap();
                assert!(place > 0, "{name}: {order:?}");
                assert!(starved <= readers as u64, "{name}: {order:?}");
            }
        }
    }
}

#[test]
fn overlapping_readers_starve_a_writer_exactly_where_the_lock_lets_them() {
    for kind in LockKind::ALL {
        for readers in [1, 2, 5, 12] {
            kind.visit(Overlap {
                name: kind.name(),
                readers,
                held_to: None,
            });
        }
    }
}

/// Lets readers in whenever no writer is inside.
struct ReadersFirst {
    /// Readers inside; -1 for a writer.
    inside: Mutex<i64>,
    left: Condvar,
}

/// What it adds to `inside` is taken back when it is dropped.
struct Inside<'a>(&'a ReadersFirst, i64);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.0.inside.lock().unwrap() -= self.1;
        self.0.left.notify_all();
    }
}

impl ReadersFirst {
    fn enter(&self, change: i64, may_enter: fn(i64) -> bool, wait: bool) -> Option<Inside<'_>> {
        let mut inside = self.inside.lock().unwrap();
        while !may_enter(*inside) {
            if !wait {
                return None;
            }
            inside = self.left.wait(inside).unwrap();
        }
        *inside += change;
        Some(Inside(self, change))
    }
}

impl SharedExclusiveLock for ReadersFirst {
    const LATER_READERS: LaterReaders = LaterReaders::Pass;

    type Shared<'a> = Inside<'a>;
    type Exclusive<'a> = Inside<'a>;
    fn new() -> Self {
        Self {
            inside: Mutex::new(0),
            left: Condvar::new(),
        }
    }
    fn acquire_shared(&self) -> Inside<'_> {
        self.enter(1, |inside| inside >= 0, true).unwrap()
    }
    fn acquire_exclusive(&self) -> Inside<'_> {
        self.enter(-1, |inside| inside == 0, true).unwrap()
    }
    fn try_acquire_shared(&self) -> Option<Inside<'_>> {
        self.enter(1, |inside| inside >= 0, false)
    }
    fn try_acquire_exclusive(&self) -> Option<Inside<'_>> {
        self.enter(-1, |inside| inside == 0, false)
    }
}

#[test]
fn the_script_tells_a_lock_that_lets_readers_pass_from_one_that_does_not() {
    let overlap = |readers, held_to| {
        Overlap {
            name: "readers first",
            readers,
            held_to,
        }
        .visit::<ReadersFirst>();
    };
    for readers in [1, 2, 5, 12] {
        overlap(readers, None);
        let taken_for_fair =
            std::panic::catch_unwind(|| overlap(readers, Some(LaterReaders::Wait)));
        assert!(taken_for_fair.is_err());
    }
}
