//! Sweeps as curves: every line is drawn, struck points are hollow, what cannot be drawn is refused.

use super::curves::{Along, Curve, CurveFigure, CurveForm, CurvePanel, CurvePoint};
use super::{Figure, Row, RowFigure, RowForm, RowGroup, RowMark, Signs, stroke_of_case};
use crate::stats::{Estimate, Unit};

fn curve(label: &str, look: (usize, usize), values: &[(f64, f64)]) -> Curve {
    let point = |&(at, value): &(f64, f64)| CurvePoint {
        at,
        estimate: Estimate {
            value_ns: value,
            low_ns: value * 0.9,
            high_ns: value * 1.1,
        },
        samples: 100,
        struck: false,
        verdict: None,
    };
    Curve {
        label: label.to_owned(),
        form: CurveForm::Line,
        stroke: stroke_of_case(look),
        points: values.iter().map(point).collect(),
        samples: 0,
        signs: Signs::default(),
    }
}

fn figure() -> CurveFigure {
    let panel = |title: &str| CurvePanel {
        title: title.to_owned(),
        curves: vec![
            curve("13", (0, 0), &[(0.0, 2e3), (2000.0, 2e3)]),
            curve("15 4k", (1, 0), &[(0.0, 3e3), (2000.0, 4.5e5)]),
            curve("15 2m", (1, 1), &[(0.0, 3e3), (2000.0, 9e3)]),
        ],
        noise: None,
        caption: None,
    };
    CurveFigure {
        title: "Hold".into(),
        subtitle: "Look at the slopes".into(),
        quantity: "hold, p50".into(),
        unit: Unit::Ns,
        logarithmic: true,
        caption: "standing connections".into(),
        along: Along::Even,
        interval: "95 % bootstrap interval over 8 blocks".into(),
        panels: vec![panel("slots front"), panel("slots behind")],
        notes: vec!["Slopes: none".into()],
        footer: vec!["redraw: procbench figures DIR".into()],
    }
}

#[test]
fn every_line_has_a_band_a_label_and_its_points_in_every_panel() {
    let figure = figure();
    let svg = figure.svg().unwrap();
    assert_eq!(svg, figure.svg().unwrap());
    // Two panels of three lines: as many bands and labels, two points each.
    assert_eq!(svg.matches(" Z\" fill=").count(), 6);
    for label in ["13", "15 4k", "15 2m"] {
        assert_eq!(
            svg.matches(&format!(">{label}</text>")).count(),
            2,
            "{label}"
        );
    }
    assert_eq!(svg.matches("<circle").count(), 2 * 3 * 2);
    assert!(svg.contains("standing connections") && !svg.contains("Slopes: none"));
    assert!(figure.caption().contains(&"Slopes: none".to_owned()));
    assert_eq!(figure.csv().lines().count(), 1 + 2 * 3 * 2);
}

#[test]
fn a_struck_point_is_hollow_and_said() {
    let mut struck = figure();
    struck.panels[0].curves[1].points[1].struck = true;
    let (before, after) = (figure().svg().unwrap(), struck.svg().unwrap());
    let hollow = |svg: &str| {
        svg.lines()
            .filter(|l| l.contains("<circle") && l.contains("fill=\"#ffffff\""))
            .count()
    };
    // The point and its sample in the key.
    assert_eq!((hollow(&before), hollow(&after)), (0, 2));
    assert!(after.contains("struck out") && after.contains(">15 4k ○<"));
    assert!(struck.csv().lines().nth(4).unwrap().ends_with(",yes"));
}

#[test]
fn shares_and_numbers_have_their_own_axes_and_columns() {
    let mut shares = figure();
    (shares.unit, shares.logarithmic) = (Unit::Share, false);
    for point in shares
        .panels
        .iter_mut()
        .flat_map(|p| &mut p.curves)
        .flat_map(|c| &mut c.points)
    {
        point.estimate = Estimate::exactly(0.5);
    }
    // As far as they go, not to 100 %.
    let svg = shares.svg().unwrap();
    assert!(svg.contains(">50\u{202f}%<") && !svg.contains(">60\u{202f}%<"));
    assert!(shares.csv().starts_with("panel,line,at,share,low,high"));
    shares.unit = Unit::Number;
    assert!(shares.csv().starts_with("panel,line,at,value,low,high"));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let refused = |change: fn(&mut CurveFigure)| {
        let mut figure = figure();
        change(&mut figure);
        figure.svg().unwrap_err().to_string()
    };
    assert!(refused(|f| f.panels.clear()).contains("0 panels"));
    assert!(refused(|f| f.panels[0].curves.clear()).contains("no curve"));
    assert!(
        refused(|f| f.panels[0].curves[0].points[0].estimate.low_ns = 0.0).contains("above zero")
    );
    assert!(refused(|f| f.panels[0].curves[0].points.reverse()).contains("out of order"));
}

#[test]
fn no_two_series_of_marks_have_the_same_shape() {
    let mut marks = figure();
    for (at, panel) in marks.panels.iter_mut().enumerate() {
        panel.curves = (0..5)
            .map(|i| curve(&format!("{}", 3 * at + i), (i, 0), &[(0.0, 2e3)]))
            .collect();
        panel
            .curves
            .iter_mut()
            .for_each(|c| c.form = CurveForm::Marks);
    }
    let looks = marks.marks();
    assert_eq!(looks.len(), 8);
    for (i, (_, one)) in looks.iter().enumerate() {
        assert!(
            looks[i + 1..]
                .iter()
                .all(|(_, other)| one.shape != other.shape)
        );
    }
    let names = [
        "server",
        "model",
        "server 1aca57",
        "server c9dbbe",
        "model 938be1",
    ];
    let marks = names.map(|name| RowMark::part(name, 1.0)).to_vec();
    let row = Row {
        marks,
        ..Row::default()
    };
    let rows = RowFigure {
        form: RowForm::Differences(Unit::NsDifference),
        groups: vec![RowGroup {
            title: String::new(),
            rows: vec![row],
        }],
        ..RowFigure::default()
    };
    let looks = rows.series();
    for (i, (_, one)) in looks.iter().enumerate() {
        assert!(
            looks[i + 1..]
                .iter()
                .all(|(_, other)| one.shape != other.shape)
        );
    }
}
