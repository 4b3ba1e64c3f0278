//! Tables for the terminal and for Markdown.

use comfy_table::{Cell, CellAlignment, Row, Table};

use super::format;
use super::level_title::{factor_cells, level_title};
use crate::arm::Arm;
use crate::factor::Factors;
use crate::record::{ClockKind, RunHead, SeriesKey, levels_side_by_side};
use crate::stats::{Analysis, ContenderSummary, Estimate, LevelSummary, Severity, Statistic};

/// A table of one run: every arm at every level.
pub fn run_table(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let mut out = String::new();
    for level in &analysis.levels {
        let clock = level
            .contenders
            .first()
            .map_or(ClockKind::Response, |c| c.quoted.clock);
        let closed = match clock {
            ClockKind::Service => " (closed loop: nothing was due at a given instant)",
            _ => "",
        };
        out += &format!(
            "{}, {}: {clock} time of a running statement{closed}\n",
            run.mode,
            level_title(&level.factors, &analysis.varying),
        );
        out += &level_table(run, level).to_string();
        out += "\n";
        out += &notes(level);
        out += "\n";
    }
    out
}

fn level_table(run: &RunHead, level: &LevelSummary) -> Table {
    let base = Arm::baseline(&run.config.arms);
    let quoted = Statistic::Percentile(run.config.quoted_percentile);
    let mut table = Table::new();
    let mut header = vec![
        "arm".to_owned(),
        "samples".into(),
        "mean".into(),
        "p50".into(),
        "p90".into(),
        "p99".into(),
        "p99.9".into(),
    ];
    header.push(format!("excess at {quoted} (95 % interval)"));
    header.push("verdict".into());
    header.push("clients/s".into());
    header.push("errors".into());
    table.set_header(header);
    for contender in &level.contenders {
        let mut row = Row::new();
        let mark = match (contender.struck(), has_caution(contender)) {
            (Some(_), _) => " [x]",
            (None, true) => " †",
            (None, false) => "",
        };
        row.add_cell(Cell::new(format!("{}{mark}", contender.label())));
        row.add_cell(right(format::count(contender.samples)));
        for (statistic, estimate) in &contender.reader {
            let shown = matches!(statistic, Statistic::Mean)
                || crate::stats::TABLE_PERCENTILES
                    .iter()
                    .any(|p| *statistic == Statistic::Percentile(*p));
            if shown {
                row.add_cell(right(
                    estimate.map_or("-".to_owned(), |e| format::duration(e.value_ns)),
                ));
            }
        }
        let contrast = base
            .filter(|_| !contender.twin)
            .and_then(|b| level.effect(contender.arm, b))
            .and_then(|e| e.at(quoted));
        row.add_cell(right(contrast.map_or(String::new(), |(c, _)| {
            format!(
                "{} ({} .. {})",
                format::difference(c.difference.value_ns),
                format::difference(c.difference.low_ns),
                format::difference(c.difference.high_ns)
            )
        })));
        row.add_cell(Cell::new(contrast.map_or("", |(_, v)| v.words())));
        row.add_cell(right(format!("{:.0}", contender.client_per_second)));
        let errors: u64 = contender
            .tallies
            .values()
            .map(|t| t.error_count() + t.cut_off)
            .sum();
        row.add_cell(right(format::count(errors)));
        table.add_row(row);
    }
    table
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn has_caution(contender: &ContenderSummary) -> bool {
    contender
        .guards
        .iter()
        .any(|g| g.severity() == Severity::Caution)
}

/// Noise floor, strikes, cautions and errors of a level, one line each.
fn notes(level: &LevelSummary) -> String {
    let mut lines = Vec::new();
    let floors: Vec<String> = level
        .noise
        .iter()
        .map(|c| format!("{} {}", c.statistic, format::duration(c.magnitude_95_ns)))
        .collect();
    if !floors.is_empty() {
        lines.push(format!("noise floor (A/A, 95 %): {}", floors.join(", ")));
    }
    let pacing = level_pacing(level);
    if !pacing.is_empty() {
        lines.push(format!(
            "pacing error of the readers, p50 and p99: {pacing}"
        ));
    }
    let mut said: Vec<(String, Vec<String>)> = Vec::new();
    for contender in &level.contenders {
        for guard in &contender.guards {
            let sign = if guard.severity() == Severity::Strike {
                "[x]"
            } else {
                "†"
            };
            let text = format!("{sign} {guard}");
            match said.iter_mut().find(|s| s.0 == text) {
                Some(found) => found.1.push(contender.label()),
                None => said.push((text, vec![contender.label()])),
            }
        }
        for (role, tally) in &contender.tallies {
            if !tally.errors.is_empty() || tally.cut_off > 0 {
                let mut classes: Vec<String> = tally
                    .errors
                    .iter()
                    .map(|(c, n)| format!("{n} {}", c.0))
                    .collect();
                if tally.cut_off > 0 {
                    classes.push(format!("{} cut off", tally.cut_off));
                }
                lines.push(format!(
                    "errors of {} {role}: {} of {} scheduled",
                    contender.label(),
                    classes.join(", "),
                    tally.scheduled
                ));
            }
        }
    }
    for (text, labels) in said {
        let who = if labels.len() == level.contenders.len() {
            "all arms".to_owned()
        } else {
            labels.join(", ")
        };
        lines.push(format!("{text} ({who})"));
    }
    lines.iter().map(|l| format!("{l}\n")).collect()
}

/// How late idle readers began, by arm: the harness's own error, which is part
/// of the response time. Empty in a closed loop.
pub fn level_pacing(level: &LevelSummary) -> String {
    let key = SeriesKey {
        clock: ClockKind::Pacing,
        ..SeriesKey::READER_RESPONSE
    };
    let parts: Vec<String> = level
        .contenders
        .iter()
        .filter(|c| !c.twin)
        .filter_map(|c| {
            let histogram = c.merged.get(&key)?;
            Some(format!(
                "{} {} and {}",
                c.label(),
                format::duration(histogram.percentile_ns(50.0)? as f64),
                format::duration(histogram.percentile_ns(99.0)? as f64)
            ))
        })
        .collect();
    parts.join(", ")
}

/// A comparison of runs in different modes, or of several runs: excess over
/// each one's own baseline, side by side.
pub fn comparison_table(items: &[&Analysis]) -> String {
    let mut table = Table::new();
    let levels: Vec<_> = items.iter().map(|i| i.level_factors()).collect();
    let (levels, named) = levels_side_by_side(&levels);
    let mut header = vec!["standing".to_owned()];
    header.extend(named.iter().map(|f| f.title().to_owned()));
    header.extend(["arm".to_owned(), "statistic".to_owned()]);
    for analysis in items {
        let run = &analysis.run;
        header.push(format!("{} {}", run.mode, run.run_id));
        let base = Arm::baseline(&run.config.arms).map_or("baseline", |b| b.name());
        header.push(format!("excess over its {base}"));
        header.push("verdict".to_owned());
    }
    table.set_header(header);
    let statistics = [Statistic::Percentile(50.0), Statistic::Percentile(99.0)];
    for level in &levels {
        for arm in Arm::all() {
            for statistic in statistics {
                let cells: Vec<Option<[String; 3]>> = items
                    .iter()
                    .map(|analysis| comparison_cells(analysis, level, arm, statistic))
                    .collect();
                if cells.iter().all(Option::is_none) {
                    continue;
                }
                let mut row = Row::new();
                row.add_cell(right(level.standing.to_string()));
                for cell in factor_cells(level, &named) {
                    row.add_cell(Cell::new(cell));
                }
                row.add_cell(Cell::new(arm.name()));
                row.add_cell(Cell::new(statistic.to_string()));
                for cell in cells {
                    let [value, excess, verdict] =
                        cell.unwrap_or_else(|| ["absent".to_owned(), String::new(), String::new()]);
                    row.add_cell(right(value));
                    row.add_cell(right(excess));
                    row.add_cell(Cell::new(verdict));
                }
                table.add_row(row);
            }
        }
    }
    format!("{table}\n")
}

fn comparison_cells(
    analysis: &Analysis,
    level: &Factors,
    arm: crate::arm::Arm,
    statistic: Statistic,
) -> Option<[String; 3]> {
    let level = analysis.level(level)?;
    let contender = level.contender(arm, false)?;
    let mark = if contender.struck().is_some() {
        " [x]"
    } else {
        ""
    };
    let value = contender.estimate(statistic).map_or("-".to_owned(), |e| {
        format!("{}{mark}", format::duration(e.value_ns))
    });
    let contrast = Arm::baseline(&analysis.run.config.arms)
        .and_then(|b| level.effect(arm, b))
        .and_then(|e| e.at(statistic));
    let excess = contrast.map_or(String::new(), |(c, _)| {
        format!(
            "{} ({} .. {})",
            format::difference(c.difference.value_ns),
            format::difference(c.difference.low_ns),
            format::difference(c.difference.high_ns)
        )
    });
    Some([
        value,
        excess,
        contrast.map_or(String::new(), |(_, v)| v.words().to_owned()),
    ])
}

/// The second run minus the first, arm by arm, for two runs in one mode. Other
/// server starts lie between them, so there is no test: the blocks of two runs
/// are not interleaved and their labels not exchangeable.
pub fn between_runs(items: &[&Analysis]) -> String {
    let [a, b] = items else {
        return String::new();
    };
    if a.run.mode != b.run.mode {
        return String::new();
    }
    let mut table = Table::new();
    let (levels, named) = levels_side_by_side(&[a.level_factors(), b.level_factors()]);
    let mut header = vec!["standing".to_owned()];
    header.extend(named.iter().map(|f| f.title().to_owned()));
    header.extend(["arm", "statistic", "first", "second", "second minus first"].map(str::to_owned));
    table.set_header(header);
    let wanted = [
        Statistic::Percentile(50.0),
        Statistic::Percentile(a.run.config.quoted_percentile),
    ];
    for key in &levels {
        let (Some(level), Some(other)) = (a.level(key), b.level(key)) else {
            continue;
        };
        for contender in level.contenders.iter().filter(|c| !c.twin) {
            let Some(counterpart) = other.contender(contender.arm, false) else {
                continue;
            };
            let struck = contender.struck().or(counterpart.struck());
            for statistic in wanted {
                let (Some(x), Some(y)) = (
                    contender.estimate(statistic),
                    counterpart.estimate(statistic),
                ) else {
                    continue;
                };
                let mark = if struck.is_some() { " [x]" } else { "" };
                let mut cells = vec![key.standing.to_string()];
                cells.extend(factor_cells(key, &named));
                cells.extend([
                    contender.label(),
                    statistic.to_string(),
                    with_interval(x),
                    with_interval(y),
                    format!("{}{mark}", format::difference(y.value_ns - x.value_ns)),
                ]);
                table.add_row(cells);
            }
        }
    }
    format!(
        "{table}\nBetween two runs lie other server starts and another hour: the difference includes theirs, and no test is made of it.\n"
    )
}

fn with_interval(e: Estimate) -> String {
    format!(
        "{} ({} .. {})",
        format::duration(e.value_ns),
        format::duration(e.low_ns),
        format::duration(e.high_ns)
    )
}
