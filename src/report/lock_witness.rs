//! What readers' waits for the lock say, in sentences: the model's, and a traced server's beside them.

use super::format::{count, duration, interval_95, share};
use super::level_title::level_title;
use crate::arm::Mode;
use crate::stats::{Analysis, LEAST_BUSY, LockWaits};

/// An interval whose ends differ by this factor has no value to quote.
const WIDE: f64 = 10.0;

/// Where the primary outcome is read.
fn waits(analysis: &Analysis) -> Option<&LockWaits> {
    let level = analysis.primary_level()?;
    analysis.waits.iter().find(|w| w.factors == level.factors)
}

/// `of 10,000 shared acquisitions 120 (1.20 %) found it busy`, and for how long they waited; `None` where nobody
/// counted.
fn account(waits: &LockWaits) -> String {
    let busy = interval_95(waits.busy, share);
    let found = format!(
        "{} shared acquisitions of ProcArrayLock found it busy, {busy} of all",
        count(waits.busy_acquisitions)
    );
    match waits.wait_ns {
        Some(wait) if wait.high_ns > WIDE * wait.low_ns => format!(
            "{found}; for how long they waited on average is not known ({} to {})",
            duration(wait.low_ns),
            duration(wait.high_ns)
        ),
        Some(wait) => format!(
            "{found}, and waited for {} on average",
            interval_95(wait, duration)
        ),
        None => found,
    }
}

/// What is said instead of a conclusion.
fn too_few(waits: &LockWaits) -> String {
    format!(
        "too few: {} acquisitions found ProcArrayLock busy, where {LEAST_BUSY} are needed",
        count(waits.busy_acquisitions)
    )
}

/// How long readers waited for the lock under churn, at the level of the primary outcome.
pub(super) fn sentence(analysis: &Analysis) -> Option<String> {
    let waits = waits(analysis)?;
    let level = level_title(&waits.factors, &analysis.varying);
    let said = match waits.are_too_few() {
        true => too_few(waits),
        false => account(waits),
    };
    Some(format!(
        "readers' wait for the lock under unpooled ({level}): {said}."
    ))
}

/// The model's waits beside a server's; `None` unless there is a run of each.
pub(super) fn agreement(items: &[&Analysis]) -> Option<String> {
    let of = |mode| items.iter().copied().find(|a| a.run.mode == mode);
    let (server, model) = (of(Mode::Server)?, of(Mode::Model)?);
    let modelled = waits(model)?;
    let words = if modelled.are_too_few() {
        format!("{}. Nothing follows about the lock.", too_few(modelled))
    } else {
        match waits(server) {
            None => "the server's waits were not traced in this run (--trace twins, as root with bpftrace), so the model's share is all that is known of the lock's part.".to_owned(),
            Some(traced) if traced.are_too_few() => {
                format!("on the server {}. Nothing follows about its lock.", too_few(traced))
            }
            Some(traced) => {
                let [seen, said] = [traced, modelled].map(|w| {
                    let wait = w.wait_ns.map_or("unknown".to_owned(), |e| duration(e.value_ns));
                    format!("{} of acquisitions, {wait} each", share(w.busy.value_ns))
                });
                format!("found busy on the server {seen}; in the model {said}.")
            }
        }
    };
    Some(format!(
        "Model against server, waits for ProcArrayLock: {words}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::experiment::analyse;
    use crate::record::Run;
    use crate::testing::sample_run;

    /// A run whose `unpooled` blocks have so many busy acquisitions each, of 1,000.
    fn counted(mode: Mode, busy: Option<u64>) -> Run {
        let mut run = sample_run(8);
        run.mode = mode;
        for block in run.blocks.iter_mut().filter(|b| b.arm == Arm::Unpooled) {
            if let Some(busy) = busy {
                let counters = [("shared", 1_000), ("shared-waits", busy)];
                let named = counters.map(|(name, n)| (format!("procarraylock.{name}"), n));
                block.counters = named.into();
                let series = block
                    .series
                    .entry("reader.snapshot.wait.service".parse().unwrap());
                let series = series.or_default();
                (0..1_000).for_each(|i| series.record(if i < busy { 200_000 } else { 30 }));
            }
        }
        run
    }

    fn said(server: Option<u64>, model: Option<u64>) -> Option<String> {
        let (server, model) = (counted(Mode::Server, server), counted(Mode::Model, model));
        agreement(&[&analyse(&server), &analyse(&model)])
    }

    /// "The lock may be a part of the cause" was once printed on seven events.
    #[test]
    fn nothing_follows_from_fewer_than_a_hundred_busy_acquisitions() {
        let few = said(Some(500), Some(12)).unwrap();
        assert!(few.contains("too few: 96 acquisitions"), "{few}");
        assert!(few.contains("Nothing follows"), "{few}");
        let few = said(Some(12), Some(500)).unwrap();
        assert!(few.contains("on the server too few: 96"), "{few}");
        let alone = sentence(&analyse(&counted(Mode::Model, Some(1)))).unwrap();
        assert!(alone.contains("too few: 8 acquisitions"), "{alone}");
    }

    #[test]
    fn a_hundred_are_laid_side_by_side_or_said_to_be_alone() {
        let both = said(Some(30), Some(13)).unwrap();
        assert!(
            both.contains("on the server 3.00 % of acquisitions, 200 µs each"),
            "{both}"
        );
        assert!(both.contains("in the model 1.30 %"), "{both}");
        let alone = said(None, Some(13)).unwrap();
        assert!(alone.contains("not traced"), "{alone}");
        assert_eq!(said(Some(30), None), None);
        let one = sentence(&analyse(&counted(Mode::Model, Some(13)))).unwrap();
        assert!(
            one.contains("104 shared acquisitions") && one.contains("200 µs"),
            "{one}"
        );
    }
}
