//! The numbers in full.

use itertools::{Itertools, MinMaxResult};

use super::arms::{Arm, Client};
use super::record::{FailoverLoss, Outcome, Trial};
use super::summing::{FEWEST, of, outcomes, predicted, tally};
use crate::chapter7::level::Level;
use crate::report::format::{count, duration, number};
use crate::report::section::{Section, Table};

fn or_dash<T>(value: Option<T>, words: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), words)
}

/// `200 to 204`, over the trials.
fn range(values: impl Iterator<Item = u64>, words: impl Fn(u64) -> String) -> String {
    match values.minmax() {
        MinMaxResult::NoElements => "-".to_owned(),
        MinMaxResult::MinMax(low, high) if low != high => {
            format!("{} to {}", words(low), words(high))
        }
        MinMaxResult::OneElement(value) | MinMaxResult::MinMax(value, _) => words(value),
    }
}

pub(super) fn tables(run: &FailoverLoss) -> Vec<Section> {
    let sections = [
        survival(run),
        waits(run),
        losses(run),
        servers(run),
        patroni(run),
        at_kill(run),
        rejoined(run),
        Some(place(run)),
        void(run),
    ];
    sections.into_iter().flatten().collect()
}

/// Every arm that was measured, as the head of a row.
fn measured(run: &FailoverLoss) -> impl Iterator<Item = Arm> {
    let arms = Arm::ALL.iter().copied();
    arms.filter(|arm| of(run, *arm).next().is_some())
}

/// Lost of acknowledged, for clients that do nothing but wait.
fn survival(run: &FailoverLoss) -> Option<Section> {
    let mut table = Table::new(["what fails"], Level::ALL);
    for arm in measured(run).filter(|arm| *arm != Arm::Waiting) {
        let client = arm.groups().first().map_or(Client::Patient, |g| g.client);
        let cells = Level::ALL.iter().map(|&level| {
            or_dash(tally(run, arm, level, client), |t| {
                let few = match (t.lost, t.acked) {
                    (0, acked) if acked < FEWEST => " (too few)",
                    _ => "",
                };
                format!("{} of {}{few}", count(t.lost), count(t.acked))
            })
        });
        table.push([arm.to_string()].into_iter().chain(cells).collect());
    }
    let bound = format!(
        "Rows, of all rounds. 0 of N is not never: with 95 % confidence fewer than 3/N are lost. Too few: fewer than {FEWEST} acknowledgements."
    );
    Section::table(
        "Rows that were acknowledged and are lost, of those acknowledged",
        table,
        [bound],
    )
}

/// What ended waits.
fn waits(run: &FailoverLoss) -> Option<Section> {
    let mut table = Table::new(
        ["level", "waits are"],
        [
            "acknowledged",
            "with a warning",
            "lost",
            "lost with a warning",
        ],
    );
    for group in Arm::Waiting.groups() {
        let all = outcomes(run, Arm::Waiting, group.level, group.client).collect_vec();
        if all.is_empty() {
            continue;
        }
        let sum = |of: fn(&Outcome) -> u64| count(all.iter().map(|o| of(o)).sum());
        let client = match group.client {
            Client::Patient => "left alone".to_owned(),
            client => client.to_string(),
        };
        table.push(vec![
            group.level.to_string(),
            client,
            sum(|o| o.acked),
            sum(|o| o.warned),
            sum(|o| o.lost),
            sum(|o| o.warned_lost),
        ]);
    }
    Section::table(
        "Commits that wait while the link is cut for 1 s",
        table,
        [
            "Cancelled: pg_cancel_backend every 100 ms. Terminated: pg_terminate_backend after 300 ms.",
        ],
    )
}

/// Per trial, beside what is predicted.
fn losses(run: &FailoverLoss) -> Option<Section> {
    let mut table = Table::new(
        ["what fails", "level", "client"],
        [
            "trials",
            "lost each",
            "predicted",
            "first lost before the kill",
            "not acknowledged and there",
            "not acknowledged and missing",
        ],
    );
    for arm in measured(run) {
        for group in arm.groups() {
            let all = outcomes(run, arm, group.level, group.client).collect_vec();
            let trials = of(run, arm).flat_map(|t| {
                let own = t.outcomes.iter();
                own.filter(|o| o.level == group.level && o.client == group.client)
                    .filter_map(|o| Some(t.kill_ns.saturating_sub(o.first_lost_ns?)))
            });
            let of = |value: fn(&Outcome) -> u64| range(all.iter().map(|o| value(o)), count);
            table.push(vec![
                arm.to_string(),
                group.level.to_string(),
                group.client.to_string(),
                all.len().to_string(),
                of(|o| o.lost),
                or_dash(predicted(arm, group.level, group.client), number),
                range(trials, |ns| duration(ns as f64)),
                of(|o| o.unacked_present),
                of(|o| o.unacked_missing),
            ]);
        }
    }
    Section::table(
        "Loss of each trial, and what is predicted",
        table,
        [
            "Predicted: acknowledgements per second, times what the promoted standby lacks (delay and cut). A range is over the trials.",
            "First lost before the kill: from the acknowledgement of the first lost row to the kill.",
        ],
    )
}

/// How long it took, and what the old primary has.
fn servers(run: &FailoverLoss) -> Option<Section> {
    let mut table = Table::new(
        ["what fails"],
        [
            "trials",
            "back after",
            "WAL that is missing, bytes",
            "lost rows",
            "on the old primary",
        ],
    );
    for arm in measured(run) {
        let opened = || of(run, arm).flat_map(|t| &t.outcomes);
        let opened = || opened().filter(|o| o.on_old.is_some());
        let sum = |value: fn(&Outcome) -> u64| {
            let any = opened().next().is_some();
            or_dash(any.then(|| opened().map(value).sum()), count)
        };
        table.push(vec![
            arm.to_string(),
            of(run, arm).count().to_string(),
            range(of(run, arm).map(|t| t.back_ns), |ns| duration(ns as f64)),
            range(of(run, arm).filter_map(|t| t.missing_bytes), count),
            sum(|o| o.lost),
            sum(|o| o.on_old.unwrap_or_default()),
        ]);
    }
    Section::table(
        "Servers",
        table,
        [
            "Back after: from the kill to a promoted standby, or to the old primary in place; nobody had to notice first.",
            "On the old primary: lost rows that are there when it is opened again alone; pg_rewind throws them away.",
        ],
    )
}

/// The same with Patroni.
fn patroni(run: &FailoverLoss) -> Option<Section> {
    let mut table = Table::new(
        ["what there was", "new leader", "level"],
        ["acknowledged", "lost", "without a leader for"],
    );
    for trial in &run.patroni {
        for outcome in &trial.outcomes {
            table.push(vec![
                trial.arm.to_string(),
                or_dash(trial.promoted.clone(), |name| name),
                outcome.level.to_string(),
                count(outcome.acked),
                count(outcome.lost),
                or_dash(trial.leader_ns, |ns| duration(ns as f64)),
            ]);
        }
    }
    let first = run.patroni.first()?;
    let versions = format!(
        "{}, PostgreSQL {}, etcd; ttl 20 s, loop_wait 2 s, or 10 s where the stored position is old. n1 is the leader that dies.",
        first.version, first.server_version
    );
    let behind = run.patroni.iter().filter_map(|t| t.behind_bytes);
    let behind = behind.map(|bytes| format!("n3 was {} bytes of WAL behind n2.", count(bytes)));
    let leader = "Without a leader: from the kill until a node takes writes. Where nobody is promoted, n1 is started again after 30 s.".to_owned();
    Section::table(
        "With Patroni",
        table,
        [versions, leader].into_iter().chain(behind),
    )
}

/// What Patroni knew when its leader was killed.
fn at_kill(run: &FailoverLoss) -> Option<Section> {
    let mut table = Table::new(
        ["what there was", "in /sync", "synchronous_standby_names"],
        [
            "bytes missing",
            "of the stored position",
            "looks",
            "most leaders in one",
        ],
    );
    for trial in &run.patroni {
        let (Some(at_kill), Some(looks)) = (&trial.at_kill, trial.looks) else {
            continue;
        };
        let some = |words: String| {
            if words.is_empty() {
                "nobody".to_owned()
            } else {
                words
            }
        };
        table.push(vec![
            trial.arm.to_string(),
            or_dash(at_kill.in_sync.as_ref(), |names| some(names.join(", "))),
            format!("'{}'", at_kill.list),
            count(at_kill.missing()),
            or_dash(at_kill.missing_of_stored(), count),
            count(looks.count),
            looks.most_leaders.to_string(),
        ]);
    }
    Section::table(
        "What Patroni had when its leader was killed",
        table,
        [
            "Bytes missing: WAL that the leader had on its disk, and the best standby had not received. Patroni compares with the position that the leader stored last (/status); maximum_lag_on_failover is 1,048,576 bytes.",
            "Looks: every 200 ms all nodes are asked whether they take writes.",
        ],
    )
}

/// What became of old leaders.
fn rejoined(run: &FailoverLoss) -> Option<Section> {
    let mut table = Table::new(
        ["what there was", "Patroni's log"],
        [
            "rows before",
            "rows after",
            "lost rows before",
            "on one node alone",
            "back after",
        ],
    );
    for trial in &run.patroni {
        let Some(rejoined) = &trial.rejoined else {
            continue;
        };
        let had = trial.outcomes.iter().filter_map(|o| o.on_old).sum();
        table.push(vec![
            trial.arm.to_string(),
            or_dash(rejoined.rewound.clone(), |line| line),
            count(rejoined.before),
            count(rejoined.after),
            count(had),
            or_dash(trial.on_one_node, count),
            duration(rejoined.back_ns as f64),
        ]);
    }
    Section::table(
        "Patroni's old leader, started again",
        table,
        [
            "Before: opened alone, as it was killed. After: as Patroni's node. Back after: until all other nodes stream from one leader.",
            "On one node alone: rows that were acknowledged at on and that no other node had, where nobody was promoted.",
        ],
    )
}

fn place(run: &FailoverLoss) -> Section {
    Section::list(
        "Where the clusters lie",
        vec![format!(
            "On {}, with fsync=on and data_checksums={}, all of them on one disk of one machine.",
            run.file_system,
            run.checksums.as_deref().unwrap_or("off")
        )],
    )
}

fn void(run: &FailoverLoss) -> Option<Section> {
    let why = |t: &Trial| Some(format!("{}: {}.", t.name(), t.void.as_ref()?));
    let void = run.trials.iter().filter_map(why).collect_vec();
    (!void.is_empty()).then(|| Section::list("Void trials", void))
}
