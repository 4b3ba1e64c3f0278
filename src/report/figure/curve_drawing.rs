//! Drawing a [`CurveFigure`]: panels with grid, bands, curves and labels at their ends.

use super::axis::Axis;
use super::curves::{Along, Curve, CurveFigure, CurveForm, CurvePanel, LABEL_GAP, LEADER};
use super::furniture::{
    self, Edge, LABEL_LINE, LABEL_SIZE, NOISE_EDGE, NOISE_OPACITY, NOTE_LINE, NOTE_SIZE,
    SECOND_LINE, STRUCK_OPACITY, TICK_SIZE, around, draw_axis_lines, draw_foot, draw_header,
    draw_ticks, middle_within,
};
use super::look::Look;
use super::style::{
    AXIS, Fill, GRID, LIGHT_GRID, NOISE, PAPER, SOFT_TEXT, SeriesLook, Shape, TEXT,
};
use super::svg::{Drawn, Frame, Pixel, Svg};
use super::write::{Figure, FigureError, series_table};
use super::{labels, text};
use crate::arm::Stroke;
use crate::stats::{Unit, Verdict};

/// From the marks of one curve to those of the next at the same place.
const BESIDE: f64 = 7.0;
/// From one line of a panel's title to the next.
const TITLE_LINE: f64 = 15.0;
/// Points of a curve that are still told apart by marks.
const MOST_MARKED: usize = 40;

impl Figure for CurveFigure {
    fn drawn(&self, look: Look) -> Result<Drawn, FigureError> {
        let (shown, common) = self.with_telling_signs();
        shown.check().map_err(|reason| FigureError::Unfit {
            title: shown.title.clone(),
            reason,
        })?;
        let most = shown.panels.iter().map(|p| p.curves.len()).max();
        let least = most.unwrap_or(1) as f64 * shown.label_gap(look) + 8.0;
        let rows = shown.panels.len().div_ceil(shown.across_panels(look));
        let roomy: f64 = match (look, shown.panels.len()) {
            (Look::Slide, _) => 0.0,
            _ if look.is_narrow() => 190.0,
            (_, 1) => 330.0,
            (_, 2) => 305.0,
            _ => 220.0,
        };
        let mut plot_height = roomy.max(least);
        let (mut svg, mut height) = shown.laid_out(look, plot_height, common);
        if let Some(lacking) = look.height().map(|full| full - height)
            && lacking > 0.0
        {
            plot_height += lacking / rows as f64;
            (svg, height) = shown.laid_out(look, plot_height, common);
        }
        Ok(svg.finish(height, &shown.title))
    }

    fn caption(&self) -> Vec<String> {
        let lines: [&[String]; 3] = [&self.notes(), &self.samples(), &self.footer];
        furniture::caption((&self.title, &self.subtitle), lines)
    }

    fn csv(&self) -> String {
        let percentiles = self.along == Along::Percentiles;
        let header = match self.unit {
            _ if percentiles => {
                "panel,series,percentile,value_ns,low_ns,high_ns,sample_count,struck,caution"
            }
            Unit::Share => "panel,line,at,share,low,high,samples,struck",
            Unit::Number => "panel,line,at,value,low,high,samples,struck",
            Unit::ShareDifference => "panel,series,at,difference,low,high,rounds,verdict",
            _ => "panel,line,at,value_ns,low_ns,high_ns,samples,struck",
        };
        let decimals = if percentiles { 1 } else { 4 };
        let number = |n: f64| format!("{n:.decimals$}");
        let mut rows = Vec::new();
        for panel in &self.panels {
            let row = |label: &str, at: f64, value: Option<f64>, low: f64, high: f64| {
                let value = value.map(number).unwrap_or_default();
                let (place, at) = (panel.title.clone(), at.to_string());
                vec![
                    place,
                    label.to_owned(),
                    at,
                    value,
                    number(low),
                    number(high),
                ]
            };
            for curve in &panel.curves {
                for p in &curve.points {
                    let e = p.estimate;
                    let mut row = row(&curve.label, p.at, Some(e.value_ns), e.low_ns, e.high_ns);
                    if percentiles {
                        row.push(curve.samples.to_string());
                        row.extend(curve.signs.cells());
                    } else {
                        let struck = || if p.struck { "yes" } else { "" }.to_owned();
                        let last = p.verdict.map_or_else(struck, Verdict::words);
                        row.extend([p.samples.to_string(), last]);
                    }
                    rows.push(row);
                }
            }
            if let Some(noise) = &panel.noise {
                let edges = noise.edges.iter();
                rows.extend(edges.map(|&(at, low, high)| row(&noise.label, at, None, low, high)));
            }
        }
        series_table(header, rows)
    }
}

/// From the middle of a noise floor at one place to its side.
const NOISE_REACH: f64 = 9.0;

/// What is known at one place, as a band about it that stays within the plot.
fn widened((low, high): (Pixel, Pixel), across: (f64, f64)) -> Vec<(Pixel, Pixel)> {
    let ends = [-NOISE_REACH, NOISE_REACH].map(|by| (low.0 + by).clamp(across.0, across.1));
    ends.map(|x| ((x, low.1), (x, high.1))).to_vec()
}

impl CurveFigure {
    /// Panels side by side.
    fn across_panels(&self, look: Look) -> usize {
        self.panels.len().min(if look.is_narrow() { 1 } else { 2 })
    }

    /// From the middle of one curve's label to that of the next.
    fn label_gap(&self, look: Look) -> f64 {
        let lines = self.curves().map(|(_, c)| c.end_label(look).len()).max();
        LABEL_GAP + lines.unwrap_or(1).saturating_sub(1) as f64 * LABEL_LINE
    }

    /// With plots of this height, and words of most of it for the key; and the height of all.
    fn laid_out(&self, look: Look, plot_height: f64, common: Option<&str>) -> (Svg, f64) {
        let columns = self.across_panels(look);
        let y = self.upwards(plot_height);
        let tick_width = text::widest(y.ticks.iter().map(|t| &t.label), TICK_SIZE) + 9.0;
        let end_labels = self
            .curves()
            .filter(|(_, c)| c.form == CurveForm::Line)
            .flat_map(|(_, c)| c.end_label(look));
        let label_width = text::widest(end_labels, LABEL_SIZE) + LEADER + 6.0;
        let cell_width = look.room() / columns as f64;
        let title_size = LABEL_SIZE + 0.5;
        let titles = self.panels.iter();
        let titles = titles.map(|p| text::wrap(&p.title, title_size, cell_width - 20.0));
        let titles: Vec<Vec<String>> = titles.collect();
        let most_lines = titles.iter().map(Vec::len).max().unwrap_or(1);
        let quantity = text::wrap(&self.quantity, NOTE_SIZE, cell_width - 20.0);
        let more_lines = quantity.len().saturating_sub(1) as f64;
        let second_line = match self.along {
            Along::Names(_) if look.is_narrow() => SECOND_LINE,
            _ => 0.0,
        };
        let mut svg = Svg::new(look);
        let mut top = draw_header(&mut svg, &self.title, &self.subtitle);
        for (i, panel) in self.panels.iter().enumerate() {
            // Panels stay in line with those beside them.
            let title_lines = if columns == 1 {
                titles[i].len()
            } else {
                most_lines
            };
            let below_title = 36.0 + title_lines.saturating_sub(1) as f64 * TITLE_LINE;
            let head = below_title + more_lines * NOTE_LINE;
            let left = look.margin() + (i % columns) as f64 * cell_width;
            let plot = Frame {
                left: left + tick_width,
                top: top + head,
                right: left + cell_width - label_width,
                bottom: top + head + plot_height,
            };
            for (line, words) in titles[i].iter().enumerate() {
                let baseline = top + 13.0 + line as f64 * TITLE_LINE;
                svg.words((left, baseline), title_size, TEXT, words);
            }
            for (line, words) in quantity.iter().enumerate() {
                let baseline = top + below_title - 8.0 + line as f64 * NOTE_LINE;
                svg.words((left, baseline), NOTE_SIZE, SOFT_TEXT, words);
            }
            self.draw_panel(panel, (&self.across(panel), &y), &plot, &mut svg);
            let caption = panel.caption.as_ref().unwrap_or(&self.caption);
            let middle = middle_within(plot.middle(), caption, (left, left + cell_width));
            let below = (middle, plot.bottom + second_line + 30.0);
            svg.words_around(below, NOTE_SIZE, SOFT_TEXT, caption);
            if (i + 1) % columns == 0 || i + 1 == self.panels.len() {
                top += plot_height + head + second_line + 39.0;
            }
        }
        let height = draw_foot(
            &mut svg,
            top,
            &self.key(common),
            &self.samples(),
            self.footer.first(),
        );
        (svg, height)
    }

    /// Grid, bands, curves, labels at their ends.
    fn draw_panel(&self, panel: &CurvePanel, (x, y): (&Axis, &Axis), plot: &Frame, svg: &mut Svg) {
        let across = (plot.left, plot.right);
        let up = (plot.bottom, plot.top);
        let pixel = |at: f64, value: f64| -> Pixel {
            (
                x.pixel(x.position(at), across),
                y.pixel(y.position(value), up),
            )
        };
        let light = y.light_grid.iter().map(|at| (*at, LIGHT_GRID, 0.5));
        for (at, colour, weight) in light.chain(y.ticks.iter().map(|t| (t.at, GRID, 0.7))) {
            let at = y.pixel(at, up);
            svg.line((plot.left, at), (plot.right, at), colour, weight);
        }
        for tick in &x.ticks {
            let at = x.pixel(tick.at, across);
            svg.line((at, plot.top), (at, plot.bottom), GRID, 0.7);
        }
        if let Some(noise) = &panel.noise {
            let edges = noise.edges.iter();
            let edges = edges.map(|&(at, low, high)| (pixel(at, low), pixel(at, high)));
            let edges: Vec<_> = edges.collect();
            // It is known at some percentiles only: nothing is drawn between these.
            let bands = match self.along {
                Along::Percentiles => edges.iter().map(|edge| widened(*edge, across)).collect(),
                _ => vec![edges],
            };
            for band in bands {
                svg.band(&band, NOISE, NOISE_OPACITY);
                let (lower, upper): (Vec<_>, Vec<_>) = band.into_iter().unzip();
                svg.curve(&lower, NOISE_EDGE, 1.0);
                svg.curve(&upper, NOISE_EDGE, 1.0);
            }
        }
        let lines = || panel.curves.iter().filter(|c| c.form == CurveForm::Line);
        for curve in lines() {
            let edges = curve.points.iter().map(|p| {
                let e = p.estimate;
                (pixel(p.at, e.low_ns), pixel(p.at, e.high_ns))
            });
            let opacity = if curve.signs.struck.is_some() {
                0.05
            } else {
                0.13
            };
            svg.band(&edges.collect::<Vec<_>>(), curve.stroke.colour, opacity);
        }
        draw_axis_lines(svg, plot);
        if let Some(gap) = x.gap {
            let at = x.pixel(gap, across);
            svg.rect((at - 2.5, plot.bottom - 2.0), (5.0, 4.0), PAPER, 1.0);
            for side in [at - 2.5, at + 2.5] {
                let (low, high) = (plot.bottom + 4.0, plot.bottom - 4.0);
                svg.line((side - 1.5, low), (side + 1.5, high), AXIS, 0.9);
            }
        }
        for tick in &y.ticks {
            let at = y.pixel(tick.at, up);
            let before = (plot.left - 7.0, at + TICK_SIZE * 0.36);
            svg.words_before(before, TICK_SIZE, TEXT, &tick.label);
            svg.line((plot.left - 4.0, at), (plot.left, at), AXIS, 0.9);
        }
        draw_ticks(svg, plot, x, Edge::Bottom);

        if y.low < 0.0 {
            let zero = y.pixel(y.position(0.0), up);
            svg.line((plot.left, zero), (plot.right, zero), AXIS, 0.9);
        }
        let mut ends = Vec::new();
        for curve in lines() {
            let points = curve.points.iter();
            let line: Vec<Pixel> = points.map(|p| pixel(p.at, p.estimate.value_ns)).collect();
            let struck = curve.signs.struck.is_some();
            let opacity = if struck { STRUCK_OPACITY } else { 1.0 };
            svg.curve(&line, curve.stroke, opacity);
            for (at, point) in line.iter().zip(&curve.points) {
                svg.tell(self.told(panel, curve, point, (at.0, [at.1; 2])));
                let place = x.position(point.at);
                let on_tick = x.ticks.iter().any(|t| (place - t.at).abs() < 1e-9);
                let size = match self.along {
                    Along::Percentiles if struck && on_tick => 2.8,
                    Along::Percentiles => continue,
                    _ if line.len() <= MOST_MARKED => 2.6,
                    _ => continue,
                };
                let fill = Fill::of(struck || point.struck, None);
                svg.mark(*at, size, Shape::Disc, curve.stroke.colour, fill);
            }
            let corner = (plot.right, plot.bottom);
            ends.push(line.last().copied().unwrap_or(corner));
        }
        let wanted: Vec<f64> = ends.iter().map(|(_, y)| *y).collect();
        let gap = self.label_gap(svg.look);
        let edge = 4.0 + (gap - LABEL_GAP) / 2.0;
        let placed = labels::spread(&wanted, gap, plot.top + edge, plot.bottom - edge);
        for ((curve, end), at) in lines().zip(ends).zip(placed) {
            let colour = curve.stroke.colour;
            // Along the axis that of a lone dot would go through others.
            let bend = match curve.points.len() {
                1 => end,
                _ => (plot.right + 3.5, end.1),
            };
            let leader = [end, bend, (plot.right + LEADER - 3.5, at)];
            svg.curve(&leader, Stroke::new(colour, 0.7, ""), 0.8);
            let baseline = at + LABEL_SIZE * 0.36;
            around(&curve.end_label(svg.look), baseline, |y, line| {
                svg.words((plot.right + LEADER, y), LABEL_SIZE, colour, line);
            });
        }
        self.draw_marks(panel, (x, y), plot, svg);
    }

    /// Marks with their intervals, those of several curves beside each other.
    fn draw_marks(&self, panel: &CurvePanel, (x, y): (&Axis, &Axis), plot: &Frame, svg: &mut Svg) {
        let marks = self.marks();
        let look = |curve: &Curve| marks.iter().find(|(label, _)| *label == curve.label);
        let looks = panel.curves.iter().filter(|c| c.form == CurveForm::Marks);
        let looks = looks.filter_map(|curve| Some((curve, look(curve)?.1)));
        for (i, (curve, SeriesLook { colour, shape })) in looks.enumerate() {
            // The first stand where they are, the others right and left of them.
            let side = if i % 2 == 1 { BESIDE } else { -BESIDE };
            let aside = i.div_ceil(2) as f64 * side;
            for point in &curve.points {
                let across = x.pixel(x.position(point.at), (plot.left, plot.right)) + aside;
                let pixel = |value| y.pixel(y.position(value), (plot.bottom, plot.top));
                let fill = Fill::of(point.struck || curve.signs.struck.is_some(), point.verdict);
                let mut line = |from, to| {
                    svg.curve(&[from, to], Stroke::new(colour, 1.4, ""), fill.opacity());
                };
                let ends = [point.estimate.low_ns, point.estimate.high_ns].map(pixel);
                line((across, ends[0]), (across, ends[1]));
                for end in ends {
                    line((across - 3.0, end), (across + 3.0, end));
                }
                let at = (across, pixel(point.estimate.value_ns));
                svg.mark(at, 3.6, shape, colour, fill);
                svg.tell(self.told(panel, curve, point, (across, ends)));
            }
        }
    }
}
