//! Numbers that a run gives.

use super::arms::{Arm, Client, PatroniArm, WRITERS};
use super::record::{FailoverLoss, Outcome, Trial};
use crate::chapter7::level::Level;
use crate::report::format::{count, share};

/// Fewer acknowledgements than this say nothing about a level that lost none.
pub(super) const FEWEST: u64 = 100;
/// How far the second standby is away, in seconds.
const FAR: f64 = 0.1;
/// Cancelled waits per second of each writer.
const CANCELS: f64 = 10.0;

/// Inserts that were counted together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub acked: u64,
    pub lost: u64,
}

impl Tally {
    /// `20 of 300`; none is said with what it bounds.
    pub(super) fn words(self) -> String {
        let all = format!("{} of {}", count(self.lost), count(self.acked));
        match (self.lost, self.acked) {
            (_, 0) => "none acknowledged".to_owned(),
            (0, acked) if acked < FEWEST => format!("{all}, too few"),
            (0, acked) => format!("{all} (95 % bound 3/N: {})", share(3.0 / acked as f64)),
            _ => all,
        }
    }

    fn add(self, outcome: &Outcome) -> Self {
        Tally {
            acked: self.acked + outcome.acked,
            lost: self.lost + outcome.lost,
        }
    }
}

/// Trials from which something can be concluded.
pub(super) fn valid(run: &FailoverLoss) -> impl Iterator<Item = &Trial> {
    run.trials.iter().filter(|t| t.void.is_none())
}

/// Those of one arm.
pub(super) fn of(run: &FailoverLoss, arm: Arm) -> impl Iterator<Item = &Trial> {
    valid(run).filter(move |t| t.arm == arm)
}

/// The outcomes of one kind of writers in one arm.
pub(super) fn outcomes(
    run: &FailoverLoss,
    arm: Arm,
    level: Level,
    client: Client,
) -> impl Iterator<Item = &Outcome> {
    let all = of(run, arm).flat_map(|t| &t.outcomes);
    all.filter(move |o| o.level == level && o.client == client)
}

/// Their sum; `None` where there are none.
pub(super) fn tally(run: &FailoverLoss, arm: Arm, level: Level, client: Client) -> Option<Tally> {
    sum(outcomes(run, arm, level, client))
}

/// The sum of some outcomes; `None` where there are none.
pub(super) fn sum<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Option<Tally> {
    outcomes.fold(None, |sum: Option<Tally>, outcome| {
        Some(sum.unwrap_or_default().add(outcome))
    })
}

/// What was lost at a level with Patroni; `None` where nothing is to be concluded.
pub(super) fn with_patroni(run: &FailoverLoss, arm: PatroniArm, level: Level) -> Option<Tally> {
    let trials = run.patroni.iter().filter(|t| t.void.is_none());
    let trials = trials.filter(|t| t.arm == arm);
    sum(trials
        .flat_map(|t| &t.outcomes)
        .filter(|o| o.level == level))
}

/// What a client that waits lost at a level in an arm, in words.
pub(super) fn in_words(tally: Option<Tally>) -> String {
    tally.map_or_else(|| "not measured".to_owned(), Tally::words)
}

/// Whether nothing that was acknowledged may be lost.
pub(super) fn is_promised(arm: Arm, outcome: &Outcome) -> bool {
    let waited = matches!(outcome.client, Client::Patient | Client::Terminated);
    let by_standby = arm.list().is_some() && arm != Arm::OtherStandby && waited;
    match outcome.level {
        Level::Off => false,
        Level::Local => arm.is_in_place(),
        Level::RemoteWrite => by_standby && arm != Arm::PageCache,
        Level::On | Level::RemoteApply => by_standby,
    }
}

/// Rows that writers of a group lose in a trial, as predicted: what is acknowledged per second, times the time that the
/// promoted standby lacks. `None` where that is not known beforehand.
pub(super) fn predicted(arm: Arm, level: Level, client: Client) -> Option<f64> {
    let rate = f64::from(WRITERS) * arm.rate_per_writer();
    let lacks = arm.lacks().as_secs_f64();
    let waits = level.is_remote();
    match (arm, client) {
        (Arm::InPlaceOff | Arm::PageCache, _) if level < Level::On => None,
        (_, Client::Cancelled) => Some(f64::from(WRITERS) * CANCELS * lacks),
        (_, Client::Terminated) => Some(0.0),
        (Arm::OtherStandby, _) => Some(rate * FAR),
        // Clients whose waits end when the list is emptied then do what was due meanwhile.
        (Arm::NoList | Arm::Emptied, _) => Some(rate * lacks),
        _ if waits || arm.is_in_place() => Some(0.0),
        _ => Some(rate * lacks),
    }
}

impl Trial {
    /// `healthy link, round 1`.
    pub(super) fn name(&self) -> String {
        format!("{}, round {}", self.arm, self.round + 1)
    }

    /// The same, with the writers.
    pub(super) fn case(&self, outcome: &Outcome) -> String {
        let client = match outcome.client {
            Client::Patient => String::new(),
            client => format!(" {client}"),
        };
        format!("{}{client} in {}", outcome.level, self.name())
    }

    /// What one kind of writers lost.
    pub(super) fn lost(&self, level: Level, client: Client) -> Option<u64> {
        let mut all = self.outcomes.iter();
        all.find(|o| o.level == level && o.client == client)
            .map(|o| o.lost)
    }
}
