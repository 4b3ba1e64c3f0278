//! Whether to pool: fixed rules, each said with its threshold.

use super::{a_second, per_cent};
use crate::arm::Arm;
use crate::record::{Between, Operation, Phase, Role, Run, SeriesHistogram, SeriesKey, Survey};
use crate::report::format::duration;
use crate::stats::{HoldRange, LevelSummary, Statistic, Verdict, busy_share};

/// From this share of a transaction's time on, the connection is worth saving for the client's own sake.
const WORTH_SAVING: f64 = 0.10;
/// From this share of time on (high end), holding ProcArrayLock is counted as a part of the reason.
const LOCK_MATTERS: f64 = 0.01;
/// Below this many connections per second there is nothing to save.
const HARDLY_ANY: f64 = 1.0;
/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The address is a pooler's.
    AlreadyPooled,
    /// Too little was measured.
    NoAnswer,
    /// There are reasons to.
    Yes,
    /// There are hardly any connections to save.
    NotNow,
    /// Nothing speaks for it.
    NoReasonShown,
}

/// What a connection costs, in ns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    /// Median from nothing to ReadyForQuery.
    pub(super) connect: f64,
    /// Median of the first statement on it, beyond the same one on a kept connection.
    pub(super) first_statement: f64,
    /// Median of the transaction on a kept connection.
    pub(super) kept: f64,
}

impl Cost {
    pub(super) fn of(level: &LevelSummary) -> Option<Self> {
        let median = |arm, operation| {
            let series = client_series(level, arm, operation)?;
            Some(series.percentile_ns(50.0)? as f64)
        };
        let kept = median(Arm::KeptOpen, Operation::Query)?;
        Some(Cost {
            connect: median(Arm::Unpooled, Operation::Connect)?,
            first_statement: (median(Arm::Unpooled, Operation::Query)? - kept).max(0.0),
            kept,
        })
    }

    /// What reconnecting adds to each transaction.
    pub(super) fn added(&self) -> f64 {
        self.connect + self.first_statement
    }

    /// Its share of the time of a transaction that reconnects, 0 to 1.
    pub(super) fn share(&self) -> f64 {
        self.added() / (self.added() + self.kept)
    }
}

pub(super) fn client_series(
    level: &LevelSummary,
    arm: Arm,
    operation: Operation,
) -> Option<&SeriesHistogram> {
    let key = SeriesKey::service(Role::Client, operation, Phase::Total);
    level.contender(arm, false)?.merged.get(&key)
}

/// Connections per second of the server's users, as far as known.
pub(super) enum KnownRate {
    /// By `--their-rate`.
    Given(f64),
    /// By the server.
    Counted(f64),
    /// Neither.
    Unknown,
}

impl KnownRate {
    pub(super) fn of(run: &Run, survey: &Survey) -> Self {
        let given = run.config.server.as_ref().and_then(|s| s.own.their_rate);
        match (given, survey.others) {
            (Some(rate), _) => KnownRate::Given(rate),
            (None, Some(others)) => KnownRate::Counted(others.per_second()),
            (None, None) => KnownRate::Unknown,
        }
    }

    pub(super) fn per_second(&self) -> Option<f64> {
        match self {
            KnownRate::Given(rate) | KnownRate::Counted(rate) => Some(*rate),
            KnownRate::Unknown => None,
        }
    }
}

/// The answer and its grounds.
pub(super) fn decide(
    run: &Run,
    survey: &Survey,
    level: Option<&LevelSummary>,
    cost: Option<&Cost>,
    (rate, holds): (&KnownRate, HoldRange),
) -> (Answer, Vec<String>) {
    if let Between::Pooler { mode, .. } = &survey.between {
        let mut lines = vec![format!(
            "**You already do**: this address is a pooler's, in {mode} mode. What was measured is what reconnecting to it costs."
        )];
        if let Some(cost) = cost {
            lines.push(format!(
                "Reconnecting to the pooler adds {} to each transaction; connections that clients keep open to it add nothing. To see what it saves, run the same against the server's own address.",
                duration(cost.added())
            ));
        }
        return (Answer::AlreadyPooled, lines);
    }
    let struck = |level: &LevelSummary| {
        [Arm::Unpooled, Arm::KeptOpen]
            .iter()
            .find_map(|&arm| Some(level.contender(arm, false)?.struck()?.to_string()))
    };
    let (Some(level), Some(cost)) = (level.filter(|l| struck(l).is_none()), cost) else {
        let why = match level.and_then(struck) {
            Some(guard) => format!("a guard struck out what it would rest on: {guard}"),
            None => "`unpooled` and `kept-open` were not both measured".to_owned(),
        };
        return (Answer::NoAnswer, vec![format!("**No answer**: {why}.")]);
    };
    let quoted = Statistic::Percentile(run.config.quoted_percentile);
    let verdict = |second| Some(level.effect(Arm::Unpooled, second)?.at(quoted)?.1);
    let slower = verdict(Arm::KeptOpen) == Some(Verdict::Higher)
        && verdict(Arm::Quiet).is_none_or(|v| v == Verdict::Higher);
    let known = rate.per_second();
    let lock_share = known.map(|r| busy_share(holds, r).high);
    let lock_matters = lock_share.is_some_and(|s| s > LOCK_MATTERS);
    let worth_saving = cost.share() > WORTH_SAVING;
    let answer = match known {
        _ if slower || lock_matters => Answer::Yes,
        Some(r) if r < HARDLY_ANY => Answer::NotNow,
        _ if worth_saving => Answer::Yes,
        _ => Answer::NoReasonShown,
    };
    let mut lines = vec![match answer {
        Answer::Yes => "**Yes, for whoever reconnects for each transaction**: keep connections open, in the application or through a pooler.".to_owned(),
        Answer::NotNow => format!(
            "**Not for the connections that were seen**: {} a second, under {HARDLY_ANY}, are hardly worth a pooler's own cost. What follows is what each of them pays.",
            a_second(known.unwrap_or(0.0))
        ),
        _ => "**No reason was shown.**".to_owned(),
    }];
    lines.push(format!(
        "For the client's own sake: reconnecting takes {} of the time of a transaction like the measured one (threshold {}). It takes less than that only of transactions longer than {}.",
        per_cent(cost.share()),
        per_cent(WORTH_SAVING),
        duration(cost.added() * (1.0 / WORTH_SAVING - 1.0))
    ));
    lines.push(if slower {
        "For the others' sake: running statements became slower already at the rate of this run, see above.".to_owned()
    } else {
        "For the others' sake: not shown at the rate of this run, which is gentle on purpose; that is no evidence against it at a higher one.".to_owned()
    });
    lines.push(match lock_share {
        Some(share) if share > LOCK_MATTERS => format!(
            "ProcArrayLock may be a part of it: held exclusively for up to {} of the time at the users' rate, by the estimate (threshold {}).",
            per_cent(share),
            per_cent(LOCK_MATTERS)
        ),
        Some(share) => format!(
            "ProcArrayLock is not the reason at the users' rate: held exclusively for {} of the time at most, by the estimate (threshold {}). The CPU that a connection costs comes first.",
            per_cent(share),
            per_cent(LOCK_MATTERS)
        ),
        None => format!(
            "Whether ProcArrayLock is a part of it depends on the users' rate, which is not known: by the estimate's high end it takes {} connections a second to hold it for {} of the time.",
            a_second(LOCK_MATTERS * 1e9 / holds.high),
            per_cent(LOCK_MATTERS)
        ),
    });
    (answer, lines)
}
