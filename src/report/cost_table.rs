//! What a client's transaction costs, arm by arm: how many per second, and how long each takes.

use super::format::{count, duration, interval};
use super::section::{Section, Table, cell};
use crate::arm::Arm;
use crate::record::{ClockKind, Operation, Phase, Role, SeriesHistogram, SeriesKey};
use crate::stats::{Analysis, Answer, ContenderSummary, LevelSummary};

/// What the numbers are.
const NOTES: [&str; 2] = [
    "The rate is that of transactions that ended well, with the bootstrap 95 % interval over blocks.",
    "Response times begin when the transaction was due (paced clients), service times when it began (closed loop).",
];

/// The arms with clients at one level.
pub(super) fn with_clients(level: &LevelSummary) -> impl Iterator<Item = &ContenderSummary> {
    let contenders = level.contenders.iter();
    contenders.filter(|c| c.arm != Arm::Quiet && c.client_per_second > 0.0)
}

/// A row for each arm with clients and level; `None` for runs that are not asked for costs.
pub(super) fn cost_table(analysis: &Analysis) -> Option<Section> {
    if analysis.answer != Answer::Costs {
        return None;
    }
    let numbers = ["per second (95 %)", "mean", "p50", "p90", "p99"];
    let mut table = Table::by_level(&analysis.varying, &["arm", "clock", "note"], numbers);
    for level in &analysis.levels {
        for contender in with_clients(level) {
            table.push_level(&level.factors, row(contender));
        }
    }
    let caption = format!("Client transactions, {}", analysis.run.mode);
    Section::table(caption, table, NOTES)
}

fn row(contender: &ContenderSummary) -> Vec<String> {
    let (clock, times) = [ClockKind::Response, ClockKind::Service]
        .into_iter()
        .find_map(|clock| {
            let key = SeriesKey::new(Role::Client, Operation::Transaction, Phase::Total, clock);
            Some((clock, contender.merged.get(&key)?))
        })
        .unzip();
    let time =
        |of: &dyn Fn(&SeriesHistogram) -> Option<f64>| cell(times.and_then(of).map(duration));
    let struck = contender.struck_for_clients();
    let rate = contender.client_rate;
    let mut row = vec![
        contender.label(),
        cell(clock.map(|c| c.to_string())),
        cell(struck.map(|why| format!("[x] {why}"))),
        cell(rate.map(|r| interval(r, |n| count(n.round() as u64)))),
        time(&|h| h.mean_ns()),
    ];
    row.extend([50.0, 90.0, 99.0].map(|p| time(&|h| h.percentile_ns(p).map(|ns| ns as f64))));
    row
}
