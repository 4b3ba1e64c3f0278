//! Whether to pool, in words: each rule is said with its threshold.

use crate::record::{Between, Survey};
use crate::report::format::{duration, rate, share};
use crate::stats::{HARDLY_ANY, KnownRate, LOCK_MATTERS, Pooling, PoolingAnswer, WORTH_SAVING};

/// The answer and its grounds.
pub(super) fn reasons(pooling: &Pooling, survey: &Survey) -> Vec<String> {
    let cost = pooling.cost.as_ref();
    let added = cost.map(|cost| duration(cost.added));
    let (threshold, worth) = (share(LOCK_MATTERS), share(WORTH_SAVING));
    let answer = match &pooling.answer {
        PoolingAnswer::AlreadyPooled => {
            let Ok(Between::Pooler { mode, .. }) = &survey.between else {
                return Vec::new();
            };
            let mut lines = vec![format!(
                "**You already do**: this address is a pooler's, in {mode} mode. What was measured is what reconnecting to it costs."
            )];
            lines.extend(added.map(|added| format!(
                "Reconnecting to the pooler adds {added} to each transaction; connections that clients keep open to it add nothing. To see what it saves, run the same against the server's own address."
            )));
            return lines;
        }
        PoolingAnswer::NoAnswer(why) => return vec![format!("**No answer**: {why}.")],
        PoolingAnswer::Yes => "**Yes, for whoever reconnects for each transaction**: keep connections open, in the application or through a pooler.".to_owned(),
        PoolingAnswer::NotNow => {
            let seen = rate(pooling.rate.per_second().unwrap_or(0.0));
            let few = format!("under {HARDLY_ANY}, hardly worth a pooler's own cost");
            match (pooling.rate, &survey.others) {
                (KnownRate::Counted(_), Ok(others)) => format!(
                    "**Not for the connections that were seen**: {seen} per second in these {:.0} s, {few}. Another hour may differ: --their-rate N.",
                    others.over_s
                ),
                _ => format!("**Not at the rate that was given**: {seen} per second, {few}."),
            }
        }
        PoolingAnswer::NoReasonShown => format!(
            "**No reason was found**: of a transaction like the measured one reconnecting takes no more than {worth}."
        ),
    };
    let mut lines = vec![answer];
    lines.extend(cost.map(|cost| {
        let taken = share(cost.share);
        let longer = duration(cost.added * (1.0 / WORTH_SAVING - 1.0));
        format!("For the client's own sake: reconnecting takes {taken} of the time of a transaction like the measured one (threshold {worth}). It takes less than {worth} only of transactions longer than {longer}.")
    }));
    lines.push(if pooling.is_slower {
        "For the others' sake: running statements became slower already at the rate of this run, see below. That alone decides nothing here: it rests on the tail of one short run.".to_owned()
    } else {
        "For the others' sake: not shown at the rate of this run, which is gentle on purpose; that is no evidence against it at a higher one.".to_owned()
    });
    lines.push(match pooling.lock_share {
        Some(held) if held > LOCK_MATTERS => format!(
            "ProcArrayLock may be a part of it: held exclusively for up to {} of the time at the users' rate, by the estimate (threshold {threshold}).",
            share(held)
        ),
        Some(0.0) => "ProcArrayLock is not the reason: no connections were counted that would hold it.".to_owned(),
        Some(held) => format!(
            "ProcArrayLock is hardly the reason at the users' rate: held exclusively for {} of the time by the estimate's high end (threshold {threshold}). What else a connection costs the server was not measured here.",
            share(held)
        ),
        None => match pooling.holds_ns {
            Some(holds) => format!(
                "Whether ProcArrayLock is a part of it depends on the users' rate, which is not known: by the estimate's high end it takes {} connections per second to hold it for {threshold} of the time.",
                rate(LOCK_MATTERS * 1e9 / holds.high)
            ),
            None => "Whether ProcArrayLock is a part of it is not known: it depends on how many are connected, which could not be seen.".to_owned(),
        },
    });
    lines
}
