//! The screen: what the clients do, what to look at, the numbers, and the last minute as lines.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Axis, Block, Cell, Chart, Clear, Dataset, GraphType, Paragraph, Row, Table, Wrap,
};

use super::keys::KEYS;
use super::scene::{DRAWN, Scene};
use super::step::steps;
use crate::record::CpuGroup;
use crate::report::format::{count, duration, rate, share};
use crate::stats::Stretch;

/// Columns and rows below which nothing can be read.
const LEAST: (u16, u16) = (80, 24);
/// From here on there is room for four charts.
const ROOMY: (u16, u16) = (110, 34);

/// What stands where nothing is known.
const UNKNOWN: &str = "-";

/// A line of a chart.
struct Curve {
    name: &'static str,
    colour: Option<Color>,
    points: Vec<(f64, f64)>,
    /// What it was in the calm.
    calm: Option<f64>,
}

/// How values stand on the vertical axis.
#[derive(Clone, Copy, PartialEq)]
enum Scale {
    /// Times in ns, on a logarithmic axis.
    Time,
    /// Per cent, from zero.
    Percent,
    /// Operations per second, from zero.
    Rate,
}

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
    let [head, look, beware, _, body, state, keys] =
        Layout::vertical([rows.as_slice(), below.as_slice()].concat()).areas(area);
    header(frame, scene, head);
    if let Some(step) = scene.shown() {
        sentence(frame, "Look: ", step.look, look);
        sentence(frame, "But:  ", step.beware, beware);
    }
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
    let right = match scene {
        Scene { ending: true, .. } => "ending ".to_owned(),
        Scene { paused: true, .. } => "PAUSED ".to_owned(),
        Scene { step: None, .. } => "starting ".to_owned(),
        Scene { last: None, .. } => "starting ".to_owned(),
        _ => format!("{} s left ", scene.left()),
    };
    let left = format!(" {number}/{} {title}", steps().len());
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

/// Per cent of one core.
fn core(stretch: &Stretch, groups: &[CpuGroup]) -> Option<f64> {
    let used: Vec<f64> = groups
        .iter()
        .filter_map(|g| stretch.cores.get(g))
        .copied()
        .collect();
    (!used.is_empty()).then(|| 100.0 * used.iter().sum::<f64>())
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

fn draw_charts(frame: &mut Frame<'_>, scene: &Scene, area: Rect, is_roomy: bool) {
    let calm = scene.last.as_ref().and_then(|l| l.calm.as_ref());
    let curve = |name, colour, value: &dyn Fn(&Stretch) -> Option<f64>| Curve {
        name,
        colour,
        points: scene.line(value),
        calm: calm.and_then(value),
    };
    let ns = |ns: Option<u64>| ns.map(|ns| ns as f64);
    let times = [
        curve("p99", Some(Color::Red), &|s| ns(s.p99_ns)),
        curve("p50", None, &|s| ns(s.p50_ns)),
    ];
    let slow = [curve("slow statements", Some(Color::Red), &|s| {
        Some(100.0 * s.slow_share?)
    })];
    if !is_roomy {
        let halves = [Constraint::Fill(1), Constraint::Fill(1)];
        let [above, below] = Layout::vertical(halves).areas(area);
        chart(frame, scene, above, Scale::Time, &times);
        chart(frame, scene, below, Scale::Percent, &slow);
        return;
    }
    let of_server = [CpuGroup::Postmaster, CpuGroup::Backends, CpuGroup::Pooler];
    let cpu = [
        curve("CPU of server", Some(Color::Red), &|s| core(s, &of_server)),
        curve("load", None, &|s| {
            core(s, &[CpuGroup::Reader, CpuGroup::Client])
        }),
    ];
    let rates = [
        curve("conn./s", Some(Color::Red), &|s| {
            Some(s.connections_per_second)
        }),
        curve("trans./s", None, &|s| Some(s.transactions_per_second)),
    ];
    let halves = [Constraint::Fill(1), Constraint::Fill(1)];
    let [above, below] = Layout::vertical(halves).areas(area);
    let [a, b] = Layout::horizontal(halves).spacing(2).areas(above);
    let [c, d] = Layout::horizontal(halves).spacing(2).areas(below);
    chart(frame, scene, a, Scale::Time, &times);
    chart(frame, scene, b, Scale::Percent, &slow);
    chart(frame, scene, c, Scale::Percent, &cpu);
    chart(frame, scene, d, Scale::Rate, &rates);
}

/// Where a value stands on the axis.
fn placed(scale: Scale, value: f64) -> f64 {
    match scale {
        Scale::Time => value.max(1.0).log10(),
        Scale::Percent | Scale::Rate => value,
    }
}

/// The least of 1, 2, 5, 10, 20 ... that is not below `value`.
fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.max(1e-9).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    steps.into_iter().find(|s| *s >= value).unwrap_or(value)
}

/// The ends of the axis, and its labels from below.
fn axis(scale: Scale, curves: &[Curve]) -> ([f64; 2], Vec<String>) {
    let values = curves.iter().flat_map(|c| {
        let drawn = c.points.iter().map(|p| p.1);
        drawn.chain(c.calm).map(|v| placed(scale, v))
    });
    let (low, high) = values.fold((f64::MAX, 0.0), |(l, h), v| (v.min(l), v.max(h)));
    if scale == Scale::Time {
        // From 10 us to 10 ms where nothing lies beyond.
        let (low, high) = (low.min(4.0).floor(), high.max(7.0).ceil());
        let decades = low as i32..=high as i32;
        let labels = decades.map(|d| duration(10f64.powi(d)).replace(".00", "").replace(".0", ""));
        return ([low, high], labels.collect());
    }
    let top = round_up(high.max(1.0));
    let unit = if scale == Scale::Percent { " %" } else { "" };
    let labels = [0.0, top / 2.0, top].map(|v| {
        let decimals = usize::from(v.fract() != 0.0);
        format!("{v:.decimals$}{unit}")
    });
    ([0.0, top], labels.to_vec())
}

/// Seconds at which another step began.
fn changes(scene: &Scene) -> Vec<f64> {
    let all: Vec<usize> = scene.seconds.iter().map(|s| s.0).collect();
    let pairs = all.windows(2).enumerate();
    let changed = pairs.filter(|(_, pair)| pair[0] != pair[1]);
    changed
        .map(|(at, _)| at as f64 + 1.5 - all.len() as f64)
        .collect()
}

fn chart(frame: &mut Frame<'_>, scene: &Scene, area: Rect, scale: Scale, curves: &[Curve]) {
    let paint = |colour: Option<Color>| match colour.filter(|_| scene.colour) {
        Some(colour) => Style::new().fg(colour),
        None => Style::new(),
    };
    let (bounds, labels) = axis(scale, curves);
    let seconds = DRAWN as i32;
    let lines: Vec<Vec<(f64, f64)>> = curves
        .iter()
        .map(|c| {
            c.points
                .iter()
                .map(|&(x, y)| (x, placed(scale, y)))
                .collect()
        })
        .collect();
    let calm: Vec<(f64, f64)> = curves
        .iter()
        .filter_map(|c| c.calm)
        .flat_map(|y| (1 - seconds..=0).step_by(2).map(move |x| (f64::from(x), y)))
        .map(|(x, y)| (x, placed(scale, y)))
        .collect();
    let marks: Vec<(f64, f64)> = changes(scene)
        .into_iter()
        .flat_map(|x| (0..12).map(move |n| (x, f64::from(n) / 11.0)))
        .map(|(x, part)| (x, bounds[0] + part * (bounds[1] - bounds[0])))
        .collect();
    let dim = Style::new().add_modifier(Modifier::DIM);
    let dots = |points| {
        Dataset::default()
            .marker(Marker::Dot)
            .style(dim)
            .data(points)
    };
    let mut all = vec![dots(&marks), dots(&calm)];
    for (n, (curve, points)) in curves.iter().zip(&lines).enumerate() {
        // Told apart without colour, too: the first is a line, the second points.
        let kind = [GraphType::Line, GraphType::Scatter][n.min(1)];
        all.push(
            Dataset::default()
                .marker(Marker::Braille)
                .graph_type(kind)
                .style(paint(curve.colour))
                .data(points),
        );
    }
    let mut title: Vec<Span<'_>> = Vec::new();
    for (curve, sign) in curves.iter().zip(["━ ", "⠒ "]) {
        let style = paint(curve.colour).add_modifier(Modifier::BOLD);
        title.push(Span::styled(format!("{sign}{}  ", curve.name), style));
    }
    title.push(Span::styled("• calm", dim));
    let x_axis = Axis::default()
        .bounds([f64::from(1 - seconds), 0.0])
        .labels(["1 min ago", "now"]);
    let chart = Chart::new(all)
        .block(Block::new().title(Line::from(title)))
        .x_axis(x_axis)
        .y_axis(Axis::default().bounds(bounds).labels(labels))
        .legend_position(None);
    frame.render_widget(chart, area);
}

fn key_line() -> Paragraph<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut spans = Vec::new();
    for (key, name, _) in KEYS.iter().chain(&[("?", "help", "")]) {
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
        .block(Block::bordered().title(" keys (? closes this) "));
    frame.render_widget(Clear, box_);
    frame.render_widget(table, box_);
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
