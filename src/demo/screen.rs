//! The screen: what the clients do, what to look at, the numbers, and beside them the charts.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table, Wrap};

use super::charts::{core, draw_charts};
use super::keys::KEYS;
use super::scene::Scene;
use super::step::steps;
use crate::factor::Isolate;
use crate::record::CpuGroup;
use crate::report::format::{count, duration, rate, share};
use crate::stats::Stretch;

/// Columns and rows below which nothing can be read.
const LEAST: (u16, u16) = (80, 24);
/// From here on there is room for four charts.
const ROOMY: (u16, u16) = (110, 34);

/// What stands where nothing is known.
const UNKNOWN: &str = "-";

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        let small = format!("This needs {width} columns and {height} rows. q ends it.");
        frame.render_widget(Paragraph::new(small).wrap(Wrap { trim: true }), area);
        return;
    }
    let rows = [1, 2, 2, 1].map(Constraint::Length);
    let below = [
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ];
    let [head, look, beware, caution, body, state, keys] =
        Layout::vertical([rows.as_slice(), below.as_slice()].concat()).areas(area);
    header(frame, scene, head);
    if let Some(step) = scene.shown() {
        sentence(frame, "Look: ", step.look, look);
        sentence(frame, "But:  ", step.beware, beware);
    }
    let said = scene.last.as_ref().and_then(|l| l.caution.as_deref());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(
        Paragraph::new(said.unwrap_or_default()).style(bold),
        caution,
    );
    let [numbers, charts] =
        Layout::horizontal([Constraint::Length(42), Constraint::Min(1)]).areas(body);
    table(frame, scene, numbers);
    draw_charts(
        frame,
        scene,
        charts,
        area.width >= ROOMY.0 && area.height >= ROOMY.1,
    );
    let said = if scene.said.is_empty() {
        &scene.place
    } else {
        &scene.said
    };
    frame.render_widget(Paragraph::new(said.as_str()), state);
    frame.render_widget(key_line(), keys);
    if scene.help {
        help(frame, area);
    }
}

fn header(frame: &mut Frame<'_>, scene: &Scene, area: Rect) {
    let number = scene.step.map_or(0, |s| s.0 + 1);
    let title = scene.shown().map_or("procbench demo", |s| s.title);
    let state = match scene {
        Scene { ending: true, .. } => "ending".to_owned(),
        Scene { paused: true, .. } if scene.left() == Some(0) => "n goes on".to_owned(),
        Scene { paused: true, .. } => "PAUSED".to_owned(),
        Scene {
            starting: Some(since),
            ..
        } => format!("starting, {} s", since.elapsed().as_secs()),
        _ => match scene.left() {
            Some(left) => format!("{left} s left"),
            None => format!("{} s gone", scene.gone),
        },
    };
    let readers = match scene.last.as_ref().and_then(|l| l.now.isolate) {
        Some(Isolate::On) => "readers: own core, ",
        Some(Isolate::Off) => "readers share cores, ",
        None => "",
    };
    let left = format!(" {number}/{} {title}", steps().len());
    let right = format!("{readers}{state} ");
    let gap = usize::from(area.width).saturating_sub(left.chars().count() + right.len());
    let line = format!("{left}{}{right}", " ".repeat(gap));
    let style = Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD);
    frame.render_widget(Paragraph::new(line).style(style), area);
}

fn sentence(frame: &mut Frame<'_>, label: &'static str, text: &'static str, area: Rect) {
    let [left, right] =
        Layout::horizontal([Constraint::Length(label.len() as u16), Constraint::Min(1)])
            .areas(area);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Paragraph::new(label).style(bold), left);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), right);
}

/// A time, short enough for a column.
fn time(ns: Option<u64>) -> String {
    ns.map_or_else(|| UNKNOWN.to_owned(), |ns| duration(ns as f64))
}

/// The groups of processes whose CPU is shown.
const GROUPS: [(&str, CpuGroup); 5] = [
    ("postmaster", CpuGroup::Postmaster),
    ("backends", CpuGroup::Backends),
    ("PgBouncer", CpuGroup::Pooler),
    ("readers", CpuGroup::Reader),
    ("clients", CpuGroup::Client),
];

fn table(frame: &mut Frame<'_>, scene: &Scene, area: Rect) {
    let last = scene.last.as_deref();
    let columns = [
        last.map(|l| &l.now),
        last.map(|l| &l.step),
        last.and_then(|l| l.calm.as_ref()),
    ];
    let row = |name: &'static str, value: &dyn Fn(&Stretch) -> String| {
        let values = columns
            .iter()
            .map(|s| s.map_or_else(|| UNKNOWN.to_owned(), value));
        let cells = values.map(|v| Cell::from(Line::from(v).right_aligned()));
        Row::new(std::iter::once(Cell::from(name)).chain(cells))
    };
    let percent =
        |value: Option<f64>| value.map_or_else(|| UNKNOWN.to_owned(), |p| format!("{p:.0} %"));
    let mut rows = vec![
        row("transactions/s", &|s| rate(s.transactions_per_second)),
        row("p50 of readers", &|s| time(s.p50_ns)),
        row("p99 of readers", &|s| time(s.p99_ns)),
        row("slow", &|s| {
            s.slow_share.map_or_else(|| UNKNOWN.to_owned(), share)
        }),
        row("connections/s", &|s| rate(s.connections_per_second)),
    ];
    let open = last.map_or_else(
        || UNKNOWN.to_owned(),
        |l| count(u64::from(l.open_connections)),
    );
    let open = Cell::from(Line::from(open).right_aligned());
    rows.push(Row::new([Cell::from("backends kept"), open]));
    rows.push(row("failed", &|s| count(s.failed)));
    rows.push(Row::new(["CPU of one core:"]).top_margin(1));
    for (name, group) in GROUPS {
        rows.push(row(name, &|s| percent(core(s, &[group]))));
    }
    let titles = ["", "now", "step", "calm"].map(|t| Cell::from(Line::from(t).right_aligned()));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let widths = [16, 8, 8, 8].map(Constraint::Length);
    let table = Table::new(rows, widths).header(Row::new(titles).style(bold));
    frame.render_widget(table.column_spacing(0), area);
}

fn key_line() -> Paragraph<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = Vec::new();
    for (key, name, _) in KEYS.iter().chain(&[("h", "help", "")]) {
        spans.push(Span::styled(*key, bold));
        spans.push(Span::raw(format!(" {name}  ")));
    }
    Paragraph::new(Line::from(spans))
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let rows = KEYS.iter().map(|(key, _, words)| {
        let key = Cell::from(format!(" {key}"));
        Row::new([key, Cell::from(*words)])
    });
    let about = [
        "",
        "now: the last second. step: this step so far, at the same settings.",
        "calm: the first step, as it was when it was left.",
        "slow: share of the running statements over the calm's p99.",
        "connections/s: new ones to the server. backends kept: connections",
        "to the server that stay open, the standing ones among them.",
        "failed: statements and transactions that failed or were cut off.",
        "Upright lines in the charts: there another step began.",
    ];
    let rows: Vec<Row<'_>> = rows
        .chain(about.map(|line| Row::new([Cell::from(""), Cell::from(line)])))
        .collect();
    // All of it below the header, so that nothing sticks out beside.
    let box_ = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    let table = Table::new(rows, [Constraint::Length(7), Constraint::Min(1)])
        .block(Block::bordered().title(" keys (h closes this) "));
    frame.render_widget(Clear, box_);
    frame.render_widget(table, box_);
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
