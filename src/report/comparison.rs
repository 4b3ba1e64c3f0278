//! Several runs side by side.

use itertools::{Itertools, iproduct};

use super::accounting::accounts_beside;
use super::busy_table::busy_by_mode;
use super::format::{change, difference, duration, interval};
use super::section::{Section, Table, cell, struck_mark};
use super::sweep_beside::table_beside;
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::levels_side_by_side;
use crate::stats::{Analysis, ContenderSummary, Statistic};

/// Each run's times and excess over its own baseline, side by side; for two runs of one mode their
/// difference, too; what they swept, where it has a common scale.
pub fn comparison(items: &[&Analysis]) -> Vec<Section> {
    side_by_side(items)
        .into_iter()
        .chain(between_runs(items))
        .chain(busy_by_mode(items))
        .chain(table_beside(items))
        .chain(accounts_beside(items))
        .collect()
}

fn side_by_side(items: &[&Analysis]) -> Option<Section> {
    let levels = items.iter().map(|i| i.level_factors()).collect_vec();
    let (levels, named) = levels_side_by_side(&levels);
    let mut header = Vec::new();
    for analysis in items {
        let run = &analysis.run;
        header.push(format!("{} {}", run.mode, run.run_id));
        let base = Arm::baseline(&run.config.arms).map_or("baseline", |b| b.name());
        header.push(format!("excess over its {base} (95 %)"));
        header.push("verdict".to_owned());
    }
    let mut table = Table::by_level(&named, &["arm", "statistic"], header);
    let statistics = [50.0, 99.0].map(Statistic::Percentile);
    for (level, arm, statistic) in iproduct!(&levels, Arm::ALL.iter().copied(), statistics) {
        let cells = items.iter().map(|a| cells(a, level, arm, statistic));
        let cells = cells.collect_vec();
        if cells.iter().any(Option::is_some) {
            let absent = || ["absent", "-", "-"].map(str::to_owned);
            let cells = cells.into_iter().flat_map(|c| c.unwrap_or_else(absent));
            let row = [arm.to_string(), statistic.to_string()];
            table.push_level(level, row.into_iter().chain(cells));
        }
    }
    let caption = "Runs side by side: times of running statements";
    let note = "Excess is over each run's own baseline arm: a snapshot and a query have no common absolute scale.";
    Section::table(caption, table, [note])
}

fn mark(sides: &[&ContenderSummary]) -> &'static str {
    struck_mark(sides.iter().any(|c| c.struck().is_some()))
}

fn cells(
    analysis: &Analysis,
    level: &Factors,
    arm: Arm,
    statistic: Statistic,
) -> Option<[String; 3]> {
    let level = analysis.level(level)?;
    let contender = level.contender(arm, false)?;
    let value = contender.estimate(statistic).map(|e| duration(e.value_ns));
    let value = value.map(|time| time + mark(&[contender]));
    let base = Arm::baseline(&analysis.run.config.arms);
    let contrast = base.and_then(|base| level.found(arm, base, statistic));
    Some([
        cell(value),
        cell(contrast.map(|(c, _)| change(&c))),
        cell(contrast.map(|(_, v)| v.words())),
    ])
}

/// The second run minus the first, arm by arm, for two runs in one mode. Other
/// server starts lie between them, so there is no test: the blocks of two runs
/// are not interleaved and their labels not exchangeable.
fn between_runs(items: &[&Analysis]) -> Option<Section> {
    let [a, b] = items else {
        return None;
    };
    if a.run.mode != b.run.mode {
        return None;
    }
    let (levels, named) = levels_side_by_side(&[a.level_factors(), b.level_factors()]);
    let numbers = ["first (95 %)", "second (95 %)", "second minus first"];
    let mut table = Table::by_level(&named, &["arm", "statistic"], numbers);
    let change = |key: &Factors, arm: Arm, statistic: Statistic| {
        let [first, second] = [a, b].map(|run| run.level(key)?.contender(arm, false));
        let (first, second) = (first?, second?);
        let (x, y) = (first.estimate(statistic)?, second.estimate(statistic)?);
        let change = difference(y.value_ns - x.value_ns);
        Some([
            first.label(),
            statistic.to_string(),
            interval(x, duration),
            interval(y, duration),
            change + mark(&[first, second]),
        ])
    };
    let statistics = [50.0, a.run.config.quoted_percentile].map(Statistic::Percentile);
    for (key, arm, statistic) in iproduct!(&levels, Arm::ALL.iter().copied(), statistics) {
        if let Some(row) = change(key, arm, statistic) {
            table.push_level(key, row);
        }
    }
    let note = "Between two runs lie other server starts and another hour: the difference includes theirs, and no test is made of it.";
    Section::table("The second run minus the first", table, [note])
}
