//! Whether to pool, for a run against somebody's own server: what a connection costs there, how busy it
//! keeps ProcArrayLock by estimate, and the answer by fixed rules.

use serde::Serialize;

use super::busy_share::{HoldRange, busy_share, holds_ns};
use super::level::LevelSummary;
use super::statistic::{Statistic, TABLE_PERCENTILES};
use super::verdict::Verdict;
use crate::arm::Arm;
use crate::record::{Operation, Phase, Role, RunHead, SeriesHistogram, SeriesKey, Survey};

/// From this share of a transaction's time on, the connection is worth saving for the client's own sake.
pub const WORTH_SAVING: f64 = 0.10;
/// From this share of time on (high end), holding ProcArrayLock is counted as a part of the reason.
pub const LOCK_MATTERS: f64 = 0.01;
/// Below this many connections per second there is nothing to save.
pub const HARDLY_ANY: f64 = 1.0;
/// Rates of the estimate where nobody knows the server's own, per second.
const TABLE_RATES: [f64; 3] = [10.0, 100.0, 1000.0];

/// Whether to pool.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PoolingAnswer {
    /// The address is a pooler's.
    AlreadyPooled,
    /// Too little was measured, for this reason.
    NoAnswer(String),
    /// There are reasons to.
    Yes,
    /// There are hardly any connections to save.
    NotNow,
    /// Nothing speaks for it.
    NoReasonShown,
}

/// Connections per second of the server's users, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KnownRate {
    /// By `--their-rate`.
    Given(f64),
    /// By the server.
    Counted(f64),
    /// Neither.
    Unknown,
}

/// What reconnecting costs a transaction, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReconnectCost {
    /// Median from nothing to ReadyForQuery.
    pub connect: f64,
    /// Median of the first statement on it, beyond the same one on a kept connection.
    pub first_statement: f64,
    /// Median of the transaction on a kept connection.
    pub kept: f64,
    /// What reconnecting adds to each transaction.
    pub added: f64,
    /// Its share of the time of a transaction that reconnects, 0 to 1.
    pub share: f64,
}

/// What a pooler beside the server saves, in ns: medians.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PoolerCost {
    /// From nothing to the pooler's ReadyForQuery.
    pub connect: f64,
    /// A transaction on a new connection to it, connecting included.
    pub transaction: f64,
    /// What that saves of a transaction on a new connection to the server.
    pub saved: f64,
}

/// Times from nothing to ReadyForQuery under `unpooled`, in ns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectTimes {
    /// Connections.
    pub samples: u64,
    /// Percentiles that they carry.
    pub percentiles: Vec<(f64, f64)>,
    /// The longest.
    pub longest: f64,
}

/// Everything that the advice rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pooling {
    /// The answer.
    pub answer: PoolingAnswer,
    /// What a connection takes; `None` without `unpooled`.
    pub connects: Option<ConnectTimes>,
    /// What reconnecting costs; `None` without `unpooled` and `kept-open`.
    pub cost: Option<ReconnectCost>,
    /// What connecting to a pooler costs instead; `None` without `pgbouncer`.
    pub pooler: Option<PoolerCost>,
    /// Whether running statements became slower at the rate of this run. Told beside the answer: it decides nothing.
    pub is_slower: bool,
    /// The users' rate.
    pub rate: KnownRate,
    /// How long one connection holds ProcArrayLock exclusively, in ns (estimate); `None` where it is not known how many
    /// are connected.
    pub holds_ns: Option<HoldRange>,
    /// Share of the time for which it is held, by connections per second (estimate, from the holds).
    pub busy: Vec<(f64, HoldRange)>,
    /// High end of that share at the users' rate, if that is known.
    pub lock_share: Option<f64>,
}

fn client_series(level: &LevelSummary, arm: Arm, operation: Operation) -> Option<&SeriesHistogram> {
    let key = SeriesKey::service(Role::Client, operation, Phase::Total);
    level.contender(arm, false)?.merged.get(&key)
}

fn median(level: &LevelSummary, arm: Arm, operation: Operation) -> Option<f64> {
    let series = client_series(level, arm, operation)?;
    Some(series.percentile_ns(50.0)? as f64)
}

/// Medians of an arm that connects for each transaction: connecting, and the transaction after it.
fn on_a_new_connection(level: &LevelSummary, arm: Arm) -> Option<[f64; 2]> {
    let median = |operation| median(level, arm, operation);
    Some([median(Operation::Connect)?, median(Operation::Query)?])
}

impl PoolerCost {
    fn of(level: &LevelSummary) -> Option<Self> {
        let of = |arm| on_a_new_connection(level, arm);
        let ([connect, query], server) = (of(Arm::Pgbouncer)?, of(Arm::Unpooled)?);
        let transaction = connect + query;
        Some(PoolerCost {
            connect,
            transaction,
            saved: server.iter().sum::<f64>() - transaction,
        })
    }
}

impl ConnectTimes {
    fn of(level: &LevelSummary) -> Option<Self> {
        let connects = client_series(level, Arm::Unpooled, Operation::Connect)?;
        let percentile = |p| Some((p, connects.percentile_ns(p)? as f64));
        Some(ConnectTimes {
            samples: connects.len(),
            percentiles: TABLE_PERCENTILES
                .into_iter()
                .filter(|&p| Statistic::Percentile(p).is_carried_by(connects.len()))
                .filter_map(percentile)
                .collect(),
            longest: connects.percentile_ns(100.0).unwrap_or(0) as f64,
        })
    }
}

impl ReconnectCost {
    fn of(level: &LevelSummary) -> Option<Self> {
        let kept = median(level, Arm::KeptOpen, Operation::Query)?;
        let [connect, first] = on_a_new_connection(level, Arm::Unpooled)?;
        let first_statement = (first - kept).max(0.0);
        let added = connect + first_statement;
        Some(ReconnectCost {
            connect,
            first_statement,
            kept,
            added,
            share: added / (added + kept),
        })
    }
}

impl KnownRate {
    fn of(run: &RunHead, survey: &Survey) -> Self {
        let given = run.config.server.as_ref().and_then(|s| s.own.their_rate);
        match (given, &survey.others) {
            (Some(rate), _) => KnownRate::Given(rate),
            (None, Ok(others)) => KnownRate::Counted(others.per_second()),
            (None, Err(_)) => KnownRate::Unknown,
        }
    }

    /// The rate, if it is known.
    pub fn per_second(self) -> Option<f64> {
        match self {
            KnownRate::Given(rate) | KnownRate::Counted(rate) => Some(rate),
            KnownRate::Unknown => None,
        }
    }
}

impl Pooling {
    /// By the primary level of a run whose server was looked at.
    pub(super) fn of(run: &RunHead, level: Option<&LevelSummary>) -> Option<Self> {
        let survey = run.provenance.server.as_ref()?.survey.as_ref()?;
        let huge_pages = survey.has_huge_pages();
        let census = survey.census.as_ref().ok();
        let holds = census.map(|c| holds_ns(survey.pg_major, c.connections, huge_pages));
        let rate = KnownRate::of(run, survey);
        let known = rate.per_second();
        let rates = match rate {
            KnownRate::Given(r) => vec![r, 10.0 * r],
            KnownRate::Counted(r) if r > 0.0 => vec![r, 10.0 * r],
            _ => TABLE_RATES.to_vec(),
        };
        let quoted = run.quoted_statistic();
        let verdict = |second| Some(level?.found(Arm::Unpooled, second, quoted)?.1);
        let mut pooling = Pooling {
            answer: PoolingAnswer::AlreadyPooled,
            connects: level.and_then(ConnectTimes::of),
            cost: level.and_then(ReconnectCost::of),
            pooler: level.and_then(PoolerCost::of),
            is_slower: verdict(Arm::KeptOpen) == Some(Verdict::Higher)
                && verdict(Arm::Quiet).is_none_or(|v| v == Verdict::Higher)
                && level.is_none_or(|l| l.alarm(quoted).is_none()),
            rate,
            holds_ns: holds,
            busy: rates
                .into_iter()
                .filter_map(|r| Some((r, busy_share(holds?, r))))
                .collect(),
            lock_share: known.and_then(|r| Some(busy_share(holds?, r).high)),
        };
        if !survey.is_pooler() {
            pooling.answer = pooling.decide(level);
        }
        Some(pooling)
    }

    /// By the users' rate, and by what reconnecting takes of a transaction. Not by the tail of running statements: of
    /// two short runs of one server it is shown in one and not in the other.
    fn decide(&self, level: Option<&LevelSummary>) -> PoolingAnswer {
        let struck = level.and_then(|level| {
            [Arm::Unpooled, Arm::KeptOpen]
                .iter()
                .find_map(|&arm| level.contender(arm, false)?.struck())
        });
        if let Some(guard) = struck {
            let why = format!("a guard struck out what it would rest on: {guard}");
            return PoolingAnswer::NoAnswer(why);
        }
        let Some(cost) = &self.cost else {
            let why = "`unpooled` and `kept-open` were not both measured";
            return PoolingAnswer::NoAnswer(why.to_owned());
        };
        match self.rate.per_second() {
            Some(r) if r < HARDLY_ANY => PoolingAnswer::NotNow,
            _ if cost.share > WORTH_SAVING => PoolingAnswer::Yes,
            _ if self.lock_share.is_some_and(|s| s > LOCK_MATTERS) => PoolingAnswer::Yes,
            _ => PoolingAnswer::NoReasonShown,
        }
    }
}
