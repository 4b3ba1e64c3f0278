//! What every adapter of `SharedExclusiveLock` must do, checked on every lock, and each
//! check shown to catch adapters that call the wrong method.
//!
//! A check returns what it found instead of panicking, and waits for other
//! threads with a bound: a wrong adapter may block for ever, the suite does not
//! (its stuck threads end with the process).

mod checks;
mod wrong_adapters;

use std::thread;
use std::time::Duration;

use checks::{Check, checks};
use procbench::procarray::locks::{CountedLock, LockKind, LockVisitor, SharedExclusiveLock};
use wrong_adapters::{Wrong, fault};

/// For what must happen: ends a hang, never a slow machine.
const MUST_HAPPEN: Duration = Duration::from_secs(20);
/// For what must hang in a wrong adapter.
const WOULD_HANG: Duration = Duration::from_secs(2);
struct Conforms(&'static str);
impl LockVisitor for Conforms {
    type Output = ();
    fn visit<L: SharedExclusiveLock>(self) {
        let raw = checks::<L>();
        let counted = checks::<CountedLock<L>>();
        for (wrapped, (name, check)) in raw
            .map(|c| ("", c))
            .into_iter()
            .chain(counted.map(|c| ("counted ", c)))
        {
            if let Err(found) = check(MUST_HAPPEN) {
                panic!("{wrapped}{}: {name}: {found}", self.0);
            }
        }
    }
}

#[test]
fn every_lock_conforms_bare_and_counted() {
    thread::scope(|scope| {
        for kind in LockKind::ALL {
            scope.spawn(|| kind.visit(Conforms(kind.name())));
        }
    });
}

/// Names of the checks that fail on an adapter. At once, as most of the time is spent waiting for threads that are
/// stuck.
fn failing<L: SharedExclusiveLock>() -> Vec<&'static str> {
    let failed = |(name, check): Check| check(WOULD_HANG).is_err().then_some(name);
    thread::scope(|scope| {
        let each = checks::<L>().map(|check| scope.spawn(move || failed(check)));
        let ended = each
            .into_iter()
            .filter_map(|t| t.join().expect("checks return, they do not panic"));
        ended.collect()
    })
}

/// What is wrong, which checks fail on it, which must.
type Case = (
    &'static str,
    fn() -> Vec<&'static str>,
    &'static [&'static str],
);

#[test]
fn every_check_catches_the_adapters_it_should() {
    use fault::*;
    // The checks that must fail; others may, since some faults break much.
    let cases: [Case; 14] = [
        (
            "shared takes exclusive",
            failing::<Wrong<SHARED_TAKES_EXCLUSIVE>>,
            &["readers overlap", "try in every state"],
        ),
        (
            "exclusive takes shared",
            failing::<Wrong<EXCLUSIVE_TAKES_SHARED>>,
            &[
                "writer excludes reader",
                "writer excludes writer",
                "no update lost or torn",
            ],
        ),
        (
            "try exclusive takes shared",
            failing::<Wrong<TRY_EXCLUSIVE_TAKES_SHARED>>,
            &["try in every state", "try guards hold"],
        ),
        (
            "try shared takes exclusive",
            failing::<Wrong<TRY_SHARED_TAKES_EXCLUSIVE>>,
            &["try in every state", "try guards hold"],
        ),
        (
            "shared guard leaks",
            failing::<Wrong<SHARED_GUARD_LEAKS>>,
            &["guards release on drop", "reader excludes writer"],
        ),
        (
            "exclusive guard leaks",
            failing::<Wrong<EXCLUSIVE_GUARD_LEAKS>>,
            &[
                "guards release on drop",
                "writer excludes reader",
                "no update lost or torn",
            ],
        ),
        (
            "try shared blocks",
            failing::<Wrong<TRY_SHARED_BLOCKS>>,
            &["try in every state"],
        ),
        (
            "try exclusive blocks",
            failing::<Wrong<TRY_EXCLUSIVE_BLOCKS>>,
            &["try in every state"],
        ),
        (
            "shared takes nothing",
            failing::<Wrong<SHARED_TAKES_NOTHING>>,
            &[
                "writer excludes reader",
                "reader excludes writer",
                "no update lost or torn",
            ],
        ),
        (
            "exclusive takes nothing",
            failing::<Wrong<EXCLUSIVE_TAKES_NOTHING>>,
            &[
                "writer excludes reader",
                "writer excludes writer",
                "reader excludes writer",
            ],
        ),
        (
            "try always fails",
            failing::<Wrong<TRY_ALWAYS_FAILS>>,
            &["try in every state"],
        ),
        (
            "try guard is dropped",
            failing::<Wrong<TRY_GUARD_IS_DROPPED>>,
            &["try guards hold"],
        ),
        (
            "leaks when panicking",
            failing::<Wrong<LEAKS_WHEN_PANICKING>>,
            &["guards release on unwind"],
        ),
        (
            "try exclusive guard leaks",
            failing::<Wrong<TRY_EXCLUSIVE_GUARD_LEAKS>>,
            &["guards release on drop"],
        ),
    ];
    thread::scope(|scope| {
        for (wrong, failing, expected) in &cases {
            scope.spawn(move || {
                let failed = failing();
                for check in *expected {
                    assert!(failed.contains(check), "\"{check}\" passes on: {wrong}");
                }
            });
        }
    });
    for (check, _) in checks::<Wrong<NONE>>() {
        let caught = cases
            .iter()
            .any(|(_, _, expected)| expected.contains(&check));
        assert!(caught, "no wrong adapter shows that \"{check}\" can fail");
    }
    // The same construction without a fault passes, so it is the fault that is caught.
    for (name, check) in checks::<Wrong<NONE>>() {
        assert_eq!(check(MUST_HAPPEN), Ok(()), "{name}");
    }
}
