//! The chapter's sentences about 7.1, held against a run.

use super::arms::Fault;
use super::record::LsnLadder;
use super::summing::{
    SENT, STANDBY_FLUSH, STANDBY_WRITE, first_felt, is_felt, per_second, stale, stays,
};
use crate::chapter7::assessment::{Claim, ClaimVerdict};
use crate::chapter7::level::Level;
use crate::report::format::{count, duration, rate};

use ClaimVerdict::{Confirmed, InPart, NotMeasured, Refuted};

/// A lag column that shows less than this share of the truth does not tell it.
const TOLD_SHARE: f64 = 0.5;

pub(super) fn claims(run: &LsnLadder) -> Vec<Claim> {
    vec![
        four_positions(run),
        sent(run),
        default_level(run),
        own_writes(run),
        lag_columns(run),
        remote_write(run),
    ]
}

fn four_positions(run: &LsnLadder) -> Claim {
    let first = |fault| first_felt(run, fault);
    let found = Fault::FOUR.map(first);
    let verdict = match found.iter().flatten().count() {
        4 if found == Fault::FOUR.map(Fault::first_level) => InPart,
        4 => Refuted,
        _ => NotMeasured,
    };
    let name = |fault| first(fault).map_or("no level", Level::name);
    Claim {
        said: "There are four LSNs, one for each level of synchronous_commit.",
        verdict,
        found: format!(
            "write_lsn, flush_lsn and replay_lsn have one each: a slow network is first felt at {}, a slow disk of the standby at {}, a late replay at {}; sent_lsn has none, and a slow disk of the primary is first felt at {}, which waits for a position of the primary",
            name(Fault::Network),
            name(Fault::StandbyDisk),
            name(Fault::Apply),
            name(Fault::PrimaryDisk)
        ),
    }
}

fn sent(run: &LsnLadder) -> Claim {
    let freeze = run.freeze.as_ref();
    let seen = freeze.and_then(|f| Some((f, f.last()?)));
    let (verdict, found) = match seen {
        None => (NotMeasured, "not measured".to_owned()),
        Some((freeze, last)) => {
            let ahead = last.positions[SENT].saturating_sub(last.positions[STANDBY_WRITE]);
            let waited = freeze.commit_ns.1.saturating_sub(freeze.commit_ns.0);
            let verdict = match ahead > 0 && !freeze.acknowledged_meanwhile() {
                true => Refuted,
                false => Confirmed,
            };
            (
                verdict,
                format!(
                    "with a receiver that stood still sent_lsn went {} bytes ahead of what the standby had; a commit at remote_write was acknowledged after {}, when the receiver went on",
                    count(ahead),
                    duration(waited as f64)
                ),
            )
        }
    };
    Claim {
        said: "sent_lsn belongs to a level, and what was sent is safe.",
        verdict,
        found,
    }
}

fn default_level(run: &LsnLadder) -> Claim {
    let (level, list) = &run.defaults;
    let alone = run.acknowledged_without_list;
    let verdict = match level.as_str() {
        "" => NotMeasured,
        "off" | "local" => Confirmed,
        _ => Refuted,
    };
    let effect = match alone {
        Some(true) => "was acknowledged without the standby, as at local",
        Some(false) => "waited for the standby",
        None => "was not tried",
    };
    Claim {
        said: "The default of synchronous_commit is off or local.",
        verdict,
        found: format!(
            "it is {level}; synchronous_standby_names is '{list}' by default, and with it a commit at remote_apply {effect}"
        ),
    }
}

fn own_writes(run: &LsnLadder) -> Claim {
    let of = |fault, level| stale(run, fault, level);
    let words = |fault, level| {
        of(fault, level).map_or_else(
            || "not measured".to_owned(),
            |(stale, all)| format!("{stale} of {all}"),
        )
    };
    let on = [Fault::None, Fault::Apply].map(|fault| of(fault, Level::On));
    let verdict = match on {
        [None, None] => NotMeasured,
        on if on.iter().flatten().any(|(stale, _)| *stale > 0) => Refuted,
        _ => Confirmed,
    };
    Claim {
        said: "At on a client reads its own writes on the standby.",
        verdict,
        found: format!(
            "rows that were acknowledged at on and not there yet: {}, and {} with a late replay; at remote_apply {} and {}",
            words(Fault::None, Level::On),
            words(Fault::Apply, Level::On),
            words(Fault::None, Level::RemoteApply),
            words(Fault::Apply, Level::RemoteApply)
        ),
    }
}

fn lag_columns(run: &LsnLadder) -> Claim {
    let seen = run.freeze.as_ref().and_then(|f| Some((f, f.last()?)));
    let (verdict, found) = match seen {
        None => (NotMeasured, "not measured".to_owned()),
        Some((freeze, last)) => {
            let behind = freeze.behind_ns(last) as f64;
            let lag = last.lags_us.iter().flatten().max().copied();
            let lag = lag.unwrap_or_default() as f64 * 1e3;
            let lacks = last.positions[SENT].saturating_sub(last.positions[STANDBY_FLUSH]);
            let verdict = match lag < TOLD_SHARE * behind {
                true => Refuted,
                false => Confirmed,
            };
            (
                verdict,
                format!(
                    "after {} without a receiver the standby lacked {} bytes; the largest of the three columns said {}, and reply_time was {} old",
                    duration(behind),
                    count(lacks),
                    duration(lag),
                    duration(last.reply_age_us.unwrap_or_default() as f64 * 1e3)
                ),
            )
        }
    };
    Claim {
        said: "The lag columns tell how far the standby is behind.",
        verdict,
        found,
    }
}

fn remote_write(run: &LsnLadder) -> Claim {
    let (fault, level) = (Fault::StandbyDisk, Level::RemoteWrite);
    let paced = stays(run, fault, level);
    let loops = [Fault::None, fault].map(|f| per_second(run, f, level));
    let verdict = match (paced, loops) {
        (Some(false), _) => Refuted,
        (Some(true), [Some(control), Some(slow)]) if slow < control / 2.0 => InPart,
        (Some(true), [Some(_), Some(_)]) => Confirmed,
        _ => NotMeasured,
    };
    let words = |per_second: Option<f64>| per_second.map_or_else(|| "-".to_owned(), rate);
    let paced = match is_felt(run, fault, level) {
        Some(true) => "also feel it",
        Some(false) => "do not feel it",
        None => "were not measured",
    };
    Claim {
        said: "At remote_write a slow disk of the standby costs nothing.",
        verdict,
        found: format!(
            "single commits {paced}; four connections that commit without a pause fall from {} to {} commits per second, since the receiver writes nothing while it syncs",
            words(loops[0]),
            words(loops[1])
        ),
    }
}
