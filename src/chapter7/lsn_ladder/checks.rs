//! What must be so in every run.

use itertools::Itertools;

use super::arms::Fault;
use super::record::{Cell, Freeze, LsnLadder, Sample};
use super::summing::{REPLAY, SENT, STANDBY_FLUSH, STANDBY_WRITE, is_felt, p50, stale, stays};
use crate::chapter7::assessment::{Check, Must};
use crate::chapter7::level::Level;

/// A cell as it is named where something is not so.
fn case(fault: Fault, level: Level) -> String {
    format!("{level} ({fault})")
}

/// Every stretch of looks, by its name.
fn looks(run: &LsnLadder) -> impl Iterator<Item = (String, &[Sample])> {
    let blocks = run.blocks.iter().enumerate();
    let blocks = blocks.map(|(n, b)| (format!("block {} ({})", n + 1, b.fault), &b.samples[..]));
    let freeze = run.freeze.iter();
    blocks.chain(freeze.map(|f| ("the stopped receiver".to_owned(), &f.samples[..])))
}

fn cells(run: &LsnLadder) -> impl Iterator<Item = (Fault, &Cell)> {
    let blocks = run.blocks.iter();
    blocks.flat_map(|b| b.cells.iter().map(|c| (b.fault, c)))
}

/// Every fault at every level, where it was measured.
fn faults<T>(
    of: impl Fn(Fault, Level) -> Option<T>,
    at: fn(Fault, Level) -> bool,
) -> Vec<(String, T)> {
    let all = Fault::FOUR.into_iter();
    let all = all.cartesian_product(Level::ALL.iter().copied());
    all.filter(|(fault, level)| at(*fault, *level))
        .filter_map(|(fault, level)| Some((case(fault, level), of(fault, level)?)))
        .collect()
}

/// Looks at reads of one level in whatever was slow.
fn reads(run: &LsnLadder, level: Level, is_so: fn(u32) -> bool) -> Vec<(String, bool)> {
    let faults = Fault::ALL.iter();
    let read = faults.filter_map(|&f| Some((case(f, level), is_so(stale(run, f, level)?.0))));
    read.collect()
}

pub(super) fn checks(run: &LsnLadder) -> Vec<Check> {
    let each = |is_so: fn(&Cell) -> bool, of: fn(Fault, Level) -> bool| {
        let cells = cells(run).filter(move |(fault, c)| of(*fault, c.level));
        let cells = cells.map(|(fault, c)| (case(fault, c.level), is_so(c)));
        cells.collect_vec()
    };
    let is_remote: fn(Fault, Level) -> bool = |_, level| level.is_remote();
    let is_not_remote: fn(Fault, Level) -> bool = |_, level| !level.is_remote();
    let freeze = run.freeze.as_ref();
    let disk = |level| p50(run, Fault::PrimaryDisk, level);
    let off_and_local = disk(Level::Off).zip(disk(Level::Local));
    vec![
        Check::of(
            Must::Hold,
            "no position is before the one that comes after it, in any look",
            looks(run).map(|(name, samples)| {
                let is_so = |s: &Sample| s.positions.is_sorted_by(|a, b| a >= b);
                (name, samples.iter().all(is_so))
            }),
        ),
        Check::of(
            Must::Hold,
            "no position goes back",
            looks(run).map(|(name, samples)| {
                let mut pairs = samples.iter().tuple_windows();
                let is_so = |(a, b): (&Sample, &Sample)| {
                    let mut both = a.positions.iter().zip(&b.positions);
                    both.all(|(a, b)| a <= b)
                };
                (name, pairs.all(is_so))
            }),
        ),
        Check::of(
            Must::Hold,
            "the standby has what it reports",
            looks(run).map(|(name, samples)| {
                let is_so = |s: &Sample| {
                    s.positions[STANDBY_FLUSH] <= s.own[0] && s.positions[REPLAY] <= s.own[1]
                };
                (name, samples.iter().all(is_so))
            }),
        ),
        Check::of(
            Must::Hold,
            "at remote_apply every acknowledged row is there on the standby",
            reads(run, Level::RemoteApply, |stale| stale == 0),
        ),
        Check::of(
            Must::Hold,
            "the standby stays synchronous while commits are timed",
            each(|c| c.not_synchronous == 0, is_remote),
        ),
        Check::of(
            Must::Hold,
            "off and local never wait for the standby",
            each(|c| c.waiting == 0, is_not_remote),
        ),
        Check::of(
            Must::Hold,
            "no commit at remote_write is acknowledged while the receiver stands still",
            freeze.map(|f| {
                (
                    "the stopped receiver".to_owned(),
                    !f.acknowledged_meanwhile(),
                )
            }),
        ),
        Check::of(
            Must::Show,
            "a commit takes 0.9 of the delay at least where it waits for what is slow",
            faults(|f, l| is_felt(run, f, l), Fault::is_felt_at),
        ),
        Check::of(
            Must::Show,
            "a commit takes as long as in the control where it does not wait for what is slow",
            faults(|f, l| stays(run, f, l), |f, l| !f.is_felt_at(l)),
        ),
        Check::of(
            Must::Show,
            "off is faster than local when the primary's fdatasync is slow",
            off_and_local.map(|(off, local)| (case(Fault::PrimaryDisk, Level::Off), off < local)),
        ),
        Check::of(
            Must::Show,
            "at local some acknowledged rows are not there yet on the standby",
            reads(run, Level::Local, |stale| stale > 0)
                .into_iter()
                .filter(|(name, _)| *name == case(Fault::Apply, Level::Local)),
        ),
        Check::of(
            Must::Show,
            "a commit is seen to wait for the standby (SyncRep) where the standby is slow",
            each(
                |c| c.waiting > 0,
                |f, l| f.is_felt_at(l) && f != Fault::PrimaryDisk,
            ),
        ),
        Check::of(
            Must::Show,
            "the standby falls behind while its receiver stands still",
            freeze.and_then(Freeze::last).map(|s| {
                let gap = s.positions[SENT].saturating_sub(s.positions[STANDBY_WRITE]);
                ("the stopped receiver".to_owned(), gap > 0)
            }),
        ),
    ]
}
