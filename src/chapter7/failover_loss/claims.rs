//! The chapter's sentences about 7.5, held against a run.

use super::arms::{Arm, Client, PatroniArm};
use super::record::FailoverLoss;
use super::summing::{FEWEST, Tally, in_words, is_promised, sum, tally, valid, with_patroni};
use crate::chapter7::assessment::{Claim, ClaimVerdict};
use crate::chapter7::level::Level;
use crate::report::format::count;

use ClaimVerdict::{Confirmed, InPart, NotMeasured, Refuted};

/// The levels whose commits the standby's disk has.
const SAFE: [Level; 2] = [Level::On, Level::RemoteApply];

pub(super) fn claims(run: &FailoverLoss) -> Vec<Claim> {
    vec![
        defaults(run),
        defaults_lose(run),
        synchronous(run),
        acknowledged(run),
        highest(run),
        patroni(run),
        off(run),
        unacknowledged(run),
        gone(run),
    ]
}

/// What patient clients lost.
fn patient(run: &FailoverLoss, arm: Arm, level: Level) -> Option<Tally> {
    tally(run, arm, level, Client::Patient)
}

fn said(run: &FailoverLoss, arm: Arm, level: Level) -> String {
    in_words(patient(run, arm, level))
}

fn loses(tally: Option<Tally>) -> Option<bool> {
    tally.map(|t| t.lost > 0)
}

fn defaults(run: &FailoverLoss) -> Claim {
    let (level, list) = &run.defaults;
    let verdict = match level.as_str() {
        "" => NotMeasured,
        "off" | "local" => Confirmed,
        _ => Refuted,
    };
    Claim {
        said: "The defaults are off or local.",
        verdict,
        found: format!(
            "synchronous_commit is {level} by default; but synchronous_standby_names is '{list}', and then on lost {} and local {}: in effect the default is local, and off is never one",
            said(run, Arm::NoList, Level::On),
            said(run, Arm::NoList, Level::Local)
        ),
    }
}

fn defaults_lose(run: &FailoverLoss) -> Claim {
    let on = patient(run, Arm::NoList, Level::On);
    Claim {
        said: "With the defaults a failover loses acknowledged commits.",
        verdict: match loses(on) {
            Some(true) => Confirmed,
            Some(false) => Refuted,
            None => NotMeasured,
        },
        found: format!(
            "{} at on in a cut of 0.5 s; the cut and the rate decide how many",
            in_words(on)
        ),
    }
}

/// What is lost at a level in all trials that promise it is kept.
fn promised(run: &FailoverLoss, levels: &[Level]) -> Option<Tally> {
    let all = valid(run).filter(|t| !t.arm.is_in_place());
    sum(all.flat_map(|t| {
        let own = t.outcomes.iter();
        own.filter(|o| levels.contains(&o.level) && is_promised(t.arm, o))
    }))
}

fn synchronous(run: &FailoverLoss) -> Claim {
    let kept = promised(run, &SAFE);
    let far = patient(run, Arm::OtherStandby, Level::On);
    let write = patient(run, Arm::PageCache, Level::RemoteWrite);
    let verdict = match (kept, loses(far), loses(write)) {
        (Some(kept), ..) if kept.lost > 0 => Refuted,
        (Some(kept), Some(far), Some(write)) if kept.acked >= FEWEST => match far || write {
            true => InPart,
            false => Confirmed,
        },
        _ => NotMeasured,
    };
    Claim {
        said: "With synchronous replication a failover loses nothing that was acknowledged.",
        verdict,
        found: format!(
            "lost at on and remote_apply with a list, a promoted standby that was waited for, and clients that wait: {}; with the far standby promoted on lost {}; with the standby's page cache gone remote_write lost {}",
            in_words(kept),
            in_words(far),
            in_words(write)
        ),
    }
}

fn acknowledged(run: &FailoverLoss) -> Claim {
    let cancelled = tally(run, Arm::Waiting, Level::On, Client::Cancelled);
    let emptied = tally(run, Arm::Emptied, Level::On, Client::Freed);
    let patient = patient(run, Arm::Waiting, Level::On);
    let terminated = tally(run, Arm::Waiting, Level::On, Client::Terminated);
    let verdict = match (loses(cancelled), loses(emptied)) {
        (Some(a), Some(b)) if a || b => Refuted,
        (Some(_), Some(_)) => Confirmed,
        _ => NotMeasured,
    };
    Claim {
        said: "A commit that succeeded at on is on the standby.",
        verdict,
        found: format!(
            "with waits that are cancelled, as drivers do at a timeout, the commit succeeds with a warning: {} lost; with the list emptied meanwhile without one: {}; patient {}; terminated {}",
            in_words(cancelled),
            in_words(emptied),
            in_words(patient),
            in_words(terminated)
        ),
    }
}

fn highest(run: &FailoverLoss) -> Claim {
    let alone = patient(run, Arm::Cut1000, Level::Local);
    let far = patient(run, Arm::OtherStandby, Level::On);
    let kept = promised(run, &SAFE);
    let verdict = match (loses(alone), loses(far)) {
        (Some(true), Some(_)) => InPart,
        (Some(false), Some(_)) => Confirmed,
        _ => NotMeasured,
    };
    Claim {
        said: "The standby with the highest LSN is promoted, and so nothing is lost.",
        verdict,
        found: format!(
            "the furthest standby that is left can be behind what clients were told: local lost {} in a cut of 1 s; at on the furthest is enough ({}), and needed: another one lost {}",
            in_words(alone),
            in_words(kept),
            in_words(far)
        ),
    }
}

/// Which node is to be promoted where the other one is behind.
const AHEAD: &str = "n2";

fn patroni(run: &FailoverLoss) -> Claim {
    let rule = "by its source a candidate steps back for a reachable one that is ahead, and if it is too far behind the position that the primary last stored, and the first to take the key wins";
    let of = |arm| in_words(with_patroni(run, arm, Level::On));
    let mut behind = run.patroni.iter().filter(|t| t.arm == PatroniArm::Behind);
    let behind = behind.find(|t| t.void.is_none());
    let chosen = behind.and_then(|t| Some((t.promoted.as_deref()?, t.behind_bytes?)));
    let (verdict, found) = match chosen {
        Some((promoted, bytes)) => (
            match promoted == AHEAD {
                true => InPart,
                false => Refuted,
            },
            format!(
                "of two standbys, one of them {} bytes behind, it promoted the one that was {}; but it compares standbys with each other and not with what clients were told: after a cut of 1 s on had lost {} without synchronous_mode, {} with it{}; {rule}",
                count(bytes),
                if promoted == AHEAD { "ahead" } else { "behind" },
                of(PatroniArm::Off),
                of(PatroniArm::On),
                limits(run)
            ),
        ),
        None => (
            NotMeasured,
            format!("no Patroni was measured (--with-patroni); {rule}"),
        ),
    };
    Claim {
        said: "Patroni promotes the standby with the highest LSN.",
        verdict,
        found,
    }
}

/// What its two limits do, where they were tried.
fn limits(run: &FailoverLoss) -> String {
    let of = |arm: PatroniArm| {
        let mut trials = run.patroni.iter();
        trials.find(|t| t.arm == arm && t.void.is_none())
    };
    let stale = of(PatroniArm::StalePosition).and_then(|t| Some((t, t.at_kill.as_ref()?)));
    let stale = stale.map(|(t, at_kill)| {
        format!(
            "; with the stored position {} s old it {} a node that lacked {} bytes, where maximum_lag_on_failover is 1,048,576, and on lost {}",
            PatroniArm::STALE.as_secs(),
            if t.promoted.is_some() { "promoted" } else { "did not promote" },
            count(at_kill.missing()),
            in_words(with_patroni(run, t.arm, Level::On))
        )
    });
    let alone = of(PatroniArm::NotStrict).and_then(|t| Some((t, t.on_one_node?)));
    let alone = alone.map(|(t, rows)| {
        format!(
            "; with synchronous_mode that is not strict, and no standby left, it promoted {}, and {} acknowledged rows were on the dead node alone",
            t.promoted.as_deref().unwrap_or("nobody"),
            count(rows)
        )
    });
    stale.into_iter().chain(alone).collect()
}

fn off(run: &FailoverLoss) -> Claim {
    let off = patient(run, Arm::InPlaceOff, Level::Off);
    let local = patient(run, Arm::InPlaceLocal, Level::Local);
    let verdict = match (loses(off), loses(local)) {
        (Some(true), Some(false)) => Confirmed,
        (_, Some(true)) => Refuted,
        // It may have died right after the WAL writer had been there.
        _ => NotMeasured,
    };
    Claim {
        said: "off loses commits where only the primary's processes die, local does not.",
        verdict,
        found: format!(
            "restarted in place, off alone lost {}, local alone {}",
            in_words(off),
            in_words(local)
        ),
    }
}

fn unacknowledged(run: &FailoverLoss) -> Claim {
    let all = valid(run).flat_map(|t| &t.outcomes);
    let (there, missing) = all.fold((0, 0), |(there, missing), o| {
        (there + o.unacked_present, missing + o.unacked_missing)
    });
    Claim {
        said: "A commit that was not acknowledged is not there.",
        verdict: match (there, missing) {
            (0, 0) => NotMeasured,
            (0, _) => Confirmed,
            _ => Refuted,
        },
        found: format!(
            "of {} inserts that were under way {} are there",
            count(there + missing),
            count(there)
        ),
    }
}

fn gone(run: &FailoverLoss) -> Claim {
    let all = valid(run).flat_map(|t| &t.outcomes);
    let opened = all.filter_map(|o| Some((o.lost, o.on_old?)));
    let (lost, there) = opened.fold((0, 0), |(lost, there), o| (lost + o.0, there + o.1));
    Claim {
        said: "What a failover loses is gone.",
        verdict: match (lost, there) {
            (0, _) => NotMeasured,
            (_, 0) => Confirmed,
            _ => InPart,
        },
        found: format!(
            "of {} lost rows {} are there when the old primary is opened alone; pg_rewind throws them away{}",
            count(lost),
            count(there),
            rewound(run)
        ),
    }
}

/// What pg_rewind took, where it was seen.
fn rewound(run: &FailoverLoss) -> String {
    let mut all = run.patroni.iter().filter_map(|t| t.rejoined.as_ref());
    let rewound = all.find(|rejoined| rejoined.rewound.is_some());
    rewound.map_or_else(String::new, |r| {
        format!(
            " (Patroni's old leader had {} rows before it, {} after it)",
            count(r.before),
            count(r.after)
        )
    })
}
