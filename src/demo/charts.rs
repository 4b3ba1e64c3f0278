//! The last minute as lines.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType};

use super::scene::{DRAWN, Scene};
use crate::record::CpuGroup;
use crate::report::format::{count, duration};
use crate::stats::Stretch;

/// A line of a chart.
pub(super) struct Curve {
    pub name: &'static str,
    pub colour: Option<Color>,
    pub points: Vec<(f64, f64)>,
    /// What it was in the calm.
    pub calm: Option<f64>,
}

/// How values stand on the vertical axis.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// Times in ns, on a logarithmic axis.
    Time,
    /// Per cent, from zero.
    Percent,
    /// Operations per second, from zero.
    Rate,
}

/// Per cent of one core.
pub(super) fn core(stretch: &Stretch, groups: &[CpuGroup]) -> Option<f64> {
    let used: Vec<f64> = groups
        .iter()
        .filter_map(|g| stretch.cores.get(g))
        .copied()
        .collect();
    (!used.is_empty()).then(|| 100.0 * used.iter().sum::<f64>())
}

/// Draws four charts, or two where there is no room for more.
pub(super) fn draw_charts(frame: &mut Frame<'_>, scene: &Scene, area: Rect, is_roomy: bool) {
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
pub(super) fn axis(scale: Scale, curves: &[Curve]) -> ([f64; 2], Vec<String>) {
    let values = curves.iter().flat_map(|c| {
        let drawn = c.points.iter().map(|p| p.1);
        drawn.chain(c.calm).map(|v| placed(scale, v))
    });
    let (low, high): (f64, f64) = values.fold((f64::MAX, 0.0), |(l, h), v| (v.min(l), v.max(h)));
    if scale == Scale::Time {
        // Whole decades around what is drawn; from 10 us to 10 ms where nothing is.
        let is_empty = low > high;
        let (low, high) = if is_empty {
            (4.0, 7.0)
        } else {
            (low.floor(), high.ceil())
        };
        let high = high.max(low + 1.0);
        let decades = low as i32..=high as i32;
        let labels = decades.map(|d| duration(10f64.powi(d)).replace(".00", "").replace(".0", ""));
        return ([low, high], labels.collect());
    }
    let top = round_up(high.max(1.0));
    let unit = if scale == Scale::Percent { " %" } else { "/s" };
    let labels = [0.0, top / 2.0, top].map(|v| match v.fract() {
        0.0 => format!("{}{unit}", count(v as u64)),
        _ => format!("{v:.1}{unit}"),
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

/// Points beside the curves.
fn faint(sign: char, points: &[(f64, f64)]) -> Dataset<'_> {
    Dataset::default()
        .marker(Marker::Custom(sign))
        .style(Style::new().add_modifier(Modifier::DIM))
        .data(points)
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
        .flat_map(|y| (1 - seconds..=0).map(move |x| (f64::from(x), y)))
        .map(|(x, y)| (x, placed(scale, y)))
        .collect();
    let marks: Vec<[(f64, f64); 2]> = changes(scene)
        .into_iter()
        .map(|x| bounds.map(|y| (x, y)))
        .collect();
    let dim = Style::new().add_modifier(Modifier::DIM);
    let mut all = vec![faint('-', &calm)];
    all.extend(
        marks
            .iter()
            .map(|ends| faint('│', ends).graph_type(GraphType::Line)),
    );
    for (n, (curve, points)) in curves.iter().zip(&lines).enumerate() {
        // Told apart without colour, too: the first is a line, the second dots.
        let (kind, marker) = match n {
            0 => (GraphType::Line, Marker::Braille),
            _ => (GraphType::Scatter, Marker::Dot),
        };
        all.push(
            Dataset::default()
                .marker(marker)
                .graph_type(kind)
                .style(paint(curve.colour))
                .data(points),
        );
    }
    let mut title: Vec<Span<'_>> = Vec::new();
    for (curve, sign) in curves.iter().zip(["━ ", "• "]) {
        let style = paint(curve.colour).add_modifier(Modifier::BOLD);
        title.push(Span::styled(format!("{sign}{}  ", curve.name), style));
    }
    title.push(Span::styled("- calm", dim));
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
