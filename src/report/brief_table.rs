//! The one table that goes with the answer: at most eight rows that fit 80 columns.

use itertools::Itertools;

use super::accounting::account_cells;
use super::cost_table::with_clients;
use super::format::{count, duration, interval, quantity, slope};
use super::level_title::title_in;
use super::section::{MOST_ROWS_OF_ANSWER, Section, Table, cell, struck_mark};
use super::sweep_words::LineNames;
use crate::arm::Arm;
use crate::factor::{ClientRate, OfferedRate};
use crate::stats::{
    Analysis, Answer, ConnectionPhase, PROCARRAY_EXCLUSIVE, PROCARRAY_SHARED, Statistic, SweepPoint,
};

/// By what the run was asked for.
pub(super) fn brief_table(analysis: &Analysis) -> Option<Section> {
    let mut notes = Vec::new();
    let (caption, table) = match &analysis.answer {
        Answer::Contrast => {
            notes.push(words_of_arms(analysis)?);
            arms(analysis)?
        }
        Answer::Sweeps(_) => slopes(analysis)?,
        Answer::Phases => phases(analysis)?,
        Answer::Costs => costs(analysis)?,
        Answer::Counts => counts(analysis),
    };
    let is_struck = |cell: &String| cell.ends_with(struck_mark(true));
    let struck = table.rows.iter().flatten().any(is_struck);
    notes.extend(struck.then(|| "[x]: struck out, not to be quoted.".to_owned()));
    Section::table(caption, table, notes)
}

/// What the table's words mean.
fn words_of_arms(analysis: &Analysis) -> Option<String> {
    let level = analysis.primary_level()?;
    let arms = level.contenders.iter().filter(|c| !c.twin);
    let arms = arms.take(MOST_ROWS_OF_ANSWER);
    let meanings = arms.map(|c| format!("{}: {}", c.arm, c.arm.descriptor().meaning));
    let points = match analysis.run.quoted_statistic() {
        Statistic::SlowShare => " pp: percentage points.",
        _ => "",
    };
    Some(format!("{}.{points}", meanings.format("; ")))
}

/// Every arm where the primary outcome is read.
fn arms(analysis: &Analysis) -> Option<(String, Table)> {
    let level = analysis.primary_level()?;
    let base = Arm::baseline(&analysis.run.config.arms)?;
    let quoted = analysis.run.quoted_statistic();
    let more = format!("more than {base} (95 %)");
    let mut table = Table::new(["arm", "verdict"], [quoted.to_string(), more]);
    for contender in level.contenders.iter().filter(|c| !c.twin) {
        let found = level.found(contender.arm, base, quoted);
        let value = contender.estimate(quoted);
        table.push(vec![
            contender.label(),
            cell(found.map(|f| f.1.words())),
            cell(value.map(|e| quantity(e.value_ns, quoted.unit()))),
            cell(found.map(|(c, _)| interval(c.difference, |v| quantity(v, c.unit)))),
        ]);
    }
    Some((title_in(analysis, &level.factors), table))
}

/// Every line of the first sweep.
fn slopes(analysis: &Analysis) -> Option<(String, Table)> {
    let swept = analysis.sweeps.first()?;
    let names = LineNames::of(&swept.lines);
    let mut table = Table::new(["line"], ["from", "to", "slope per 1,000 (95 %)"]);
    for line in &swept.lines {
        let ends = [line.points.first(), line.points.last()];
        let mut row = vec![names.name(line, &[])];
        let end = |p: &SweepPoint| {
            quantity(p.estimate.value_ns, swept.unit) + struck_mark(p.struck.is_some())
        };
        row.extend(ends.map(|p| cell(p.map(end))));
        let words = |per_one| slope(per_one, swept.unit);
        row.push(cell(line.slope.map(|e| interval(e, words))));
        table.push(row);
    }
    Some((swept.sweep.title.to_owned(), table))
}

/// What a connection of the first level is made of.
fn phases(analysis: &Analysis) -> Option<(String, Table)> {
    let anatomy = analysis.anatomies.first()?;
    let whole = anatomy.mean(ConnectionPhase::Whole)?.value_ns;
    let mut table = Table::new(["phase"], ["mean (95 %)", "of the whole"]);
    for phase in &anatomy.phases {
        let share = format!("{:.1} %", 100.0 * phase.mean.value_ns / whole);
        let mean = interval(phase.mean, duration);
        table.push(vec![phase.phase.name().to_owned(), mean, share]);
    }
    let level = title_in(analysis, &anatomy.factors);
    Some((format!("A connection, {level}"), table))
}

/// Every arm with clients at full speed, or else at the last level.
fn costs(analysis: &Analysis) -> Option<(String, Table)> {
    let full = Some(ClientRate::Given(OfferedRate::Max));
    let mut levels = analysis.levels.iter();
    let closed = levels.find(|l| l.factors.client_rate == full);
    let level = closed.or(analysis.levels.last())?;
    let mut table = Table::new(["arm"], ["per second (95 %)", "server CPU each"]);
    for contender in with_clients(level).filter(|c| !c.twin) {
        let rate = contender.client_rate;
        let cpu = contender.cpu_cost.as_ref().and_then(|c| c.server_ns());
        table.push(vec![
            contender.label(),
            cell(rate.map(|r| interval(r, |n| count(n.round() as u64)))),
            cell(cpu.map(duration)),
        ]);
    }
    let level = title_in(analysis, &level.factors);
    Some((format!("Client transactions, {level}"), table))
}

/// How often an operation of each arm takes the lock.
fn counts(analysis: &Analysis) -> (String, Table) {
    let columns = [PROCARRAY_SHARED, PROCARRAY_EXCLUSIVE];
    let mut table = Table::by_level(&analysis.varying, &["arm"], ["shared", "exclusive"]);
    for (level, contender) in analysis.contenders().filter(|(_, c)| !c.twin) {
        let cells = account_cells(&columns, &contender.account);
        if cells.iter().any(|c| c != "-") {
            let row = std::iter::once(contender.label()).chain(cells);
            table.push_level(&level.factors, row);
        }
    }
    (
        "ProcArrayLock, acquisitions per operation".to_owned(),
        table,
    )
}
