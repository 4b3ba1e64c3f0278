//! Figures drawn from fixtures: nothing clipped, nothing overlapping, the same
//! bytes every time.
//!
//! `PROCBENCH_FIGURE_DIR=DIR` keeps the drawn files there for a human to look
//! at; `PROCBENCH_BLESS=1` rewrites the golden SVGs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use procbench::arm::Arm;
use procbench::report::figure::{
    Along, Curve, CurveFigure, CurveForm, CurvePanel, CurvePoint, Figure, FigureError, Look,
    NoiseBand, Row, RowFigure, RowForm, RowGroup, RowMark, Signs, write_figure,
};
use procbench::stats::{Estimate, Unit, Verdict};
use resvg::usvg;

const SHAPES: [(&str, f64, f64); 7] = [
    ("quiet", 62e3, 1.0),
    ("kept-open", 70e3, 1.15),
    ("unpooled", 95e3, 2.0),
    ("pool", 71e3, 1.2),
    ("pgbouncer", 88e3, 1.45),
    ("pgbouncer-kept", 82e3, 1.4),
    ("fork-only", 90e3, 1.8),
];

fn curve(label: &str, median_ns: f64, tail: f64, last_nines: i32) -> Curve {
    let mut percentiles = vec![0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0];
    for nines in 3..=last_nines {
        percentiles.push(100.0 - 5.0 * 10f64.powi(2 - nines));
        percentiles.push(100.0 - 10f64.powi(2 - nines));
    }
    let points = percentiles
        .into_iter()
        .map(|percentile| {
            let nines = -(1.0 - percentile / 100.0f64).log10();
            let value_ns = median_ns * (0.85 + 0.5 * nines.powf(1.6) * tail);
            let slack = 0.02 + 0.05 * nines;
            CurvePoint {
                at: percentile,
                estimate: Estimate {
                    value_ns,
                    low_ns: value_ns * (1.0 - slack),
                    high_ns: value_ns * (1.0 + slack),
                },
                samples: 0,
                struck: false,
                verdict: None,
            }
        })
        .collect();
    Curve {
        label: label.to_owned(),
        form: CurveForm::Line,
        stroke: label.parse().unwrap_or(Arm::Quiet).descriptor().stroke,
        points,
        samples: 48_000 + label.len() as u64,
        signs: Signs::default(),
    }
}

fn panel(title: &str, factor: f64, last_nines: i32) -> CurvePanel {
    let curves: Vec<Curve> = SHAPES
        .iter()
        .map(|(arm, median, tail)| curve(arm, median * factor, tail * factor, last_nines))
        .collect();
    let floor: Vec<(f64, f64)> = curves[1]
        .points
        .iter()
        .map(|p| (p.at, p.estimate.value_ns * (0.02 + p.at / 900.0)))
        .collect();
    let noise = Some(NoiseBand::around(
        "noise floor (A/A) around kept-open",
        &curves[1],
        &floor,
    ));
    CurvePanel {
        title: title.to_owned(),
        curves,
        noise,
        caption: None,
    }
}

fn footer() -> Vec<String> {
    vec![
        "PostgreSQL 15.18 (Debian 15.18-0+deb12u1), PgBouncer 1.18.0; shared_buffers 128MB, max_connections 700, huge_pages off, autovacuum off, jit off; local cluster, TCP loopback, auth trust".to_owned(),
        "Intel Xeon 2.30 GHz, 2 cores, KVM, Linux 6.18.0, clock source tsc; reader rate 1 000/s, client rate 100/s, 10 blocks per arm, seed 42, slot order front (verified), keep-awake on".to_owned(),
        "run 20261123T061200Z-churn-tail-3f9c2a, procbench 27d06df9c1ab; redraw: procbench figures results/20261123T061200Z-churn-tail-3f9c2a".to_owned(),
    ]
}

fn percentile_figure(panels: Vec<CurvePanel>) -> CurveFigure {
    CurveFigure {
        title: "What connection churn does to running queries".to_owned(),
        subtitle: "Response time of paced SELECT 1 on persistent connections, while clients work in the way their label says. Compare unpooled with kept-open.".to_owned(),
        quantity: "response time".to_owned(),
        unit: Unit::Ns,
        logarithmic: true,
        caption: "percentile, spaced by 1/(1 − p)".to_owned(),
        along: Along::Percentiles,
        interval: "95 % bootstrap interval over 10 blocks".to_owned(),
        panels,
        notes: Vec::new(),
        footer: footer(),
    }
}

fn two_panels() -> CurveFigure {
    let mut figure = percentile_figure(vec![
        panel("0 standing connections", 1.0, 3),
        panel("500 standing connections", 1.3, 3),
    ]);
    figure.panels[1].curves[6].signs.struck =
        Some("achieved rate 83 % of the offered rate, under 99 %".to_owned());
    figure.panels[1].curves[2].signs.caution =
        Some("server CPU saturated (97 % of 2 cores)".to_owned());
    figure.panels[0].curves[4].signs.caution = Some("client CPU saturated (95 %)".to_owned());
    figure
}

fn mark(series: &str, value_ns: f64, low_ns: f64, high_ns: f64) -> RowMark {
    RowMark {
        series: series.to_owned(),
        estimate: Estimate {
            value_ns,
            low_ns,
            high_ns,
        },
        signs: Signs::default(),
        verdict: None,
    }
}

fn contrast_figure() -> RowFigure {
    let group = |title: &str, factor: f64| RowGroup {
        title: title.to_owned(),
        rows: [
            ("quiet", -9e3, -40.0),
            ("unpooled", 512e3, 95.0),
            ("pool", 3e3, 12.0),
            ("pgbouncer", 61e3, f64::NAN),
            ("pgbouncer-kept", 44e3, f64::NAN),
            ("fork-only", 301e3, 21.0),
        ]
        .iter()
        .map(|(label, server, model)| Row {
            label: (*label).to_owned(),
            marks: [
                ("server", server * factor, 6e3),
                ("model", model * factor, 18.0),
            ]
            .iter()
            .filter(|(_, value, _)| value.is_finite())
            .map(|(series, value, slack)| {
                let slack = slack + value.abs() * 0.1;
                mark(series, *value, value - slack, value + slack)
            })
            .collect(),
            samples: 0,
            signs: Signs::default(),
        })
        .collect(),
    };
    let mut figure = RowFigure {
        form: RowForm::Differences(Unit::NsDifference),
        title: "Excess over kept-open, model and server".to_owned(),
        subtitle: "Difference of p99 response time to the same transactions on kept-open connections of the same mode. The modes have no common absolute scale.".to_owned(),
        quantity: "excess over kept-open at p99".to_owned(),
        interval: "95 % bootstrap interval over 10 blocks".to_owned(),
        groups: vec![
            group("0 standing connections", 1.0),
            group("500 standing connections", 1.6),
        ],
        footer: footer(),
    };
    let groups = &mut figure.groups;
    groups[1].rows[5].marks[0].signs.struck = Some("achieved rate 83 %, under 99 %".to_owned());
    groups[1].rows[1].marks[0].signs.caution = Some("server CPU saturated".to_owned());
    for mark in groups.iter_mut().flat_map(|g| &mut g.rows[2].marks) {
        mark.verdict = Some(Verdict::CannotTell);
    }
    groups[0].rows[1].marks[0].verdict = Some(Verdict::Higher);
    groups[1].rows[5].marks[0].verdict = Some(Verdict::StruckOut);
    figure
}

fn bar_figure() -> RowFigure {
    let bars = |factor: f64| {
        SHAPES
            .iter()
            .skip(1)
            .map(|(arm, _, tail)| Row {
                label: (*arm).to_owned(),
                marks: [
                    ("client", 60e3),
                    ("server", 1_400e3 * (tail - 1.0)),
                    ("pooler", if arm.starts_with("pgb") { 35e3 } else { 0.0 }),
                ]
                .iter()
                .map(|(series, ns)| RowMark::part(series, ns * factor))
                .collect(),
                samples: 0,
                signs: Signs {
                    struck: (*arm == "fork-only").then(|| "achieved rate 83 %".to_owned()),
                    caution: None,
                },
            })
            .collect()
    };
    let group = |title: &str, factor| RowGroup {
        title: title.to_owned(),
        rows: bars(factor),
    };
    RowFigure {
        title: "What one transaction costs in CPU time".to_owned(),
        subtitle: "Client, server with all its children, and pooler, divided by the transactions of the block.".to_owned(),
        quantity: "CPU time per transaction".to_owned(),
        groups: vec![
            group("0 standing connections", 1.0),
            group("500 standing connections", 1.35),
        ],
        footer: footer(),
        ..RowFigure::default()
    }
}

fn count_figure() -> RowFigure {
    let mut counts = bar_figure();
    counts.form = RowForm::Counts;
    for mark in counts
        .groups
        .iter_mut()
        .flat_map(|g| &mut g.rows)
        .flat_map(|r| &mut r.marks)
    {
        *mark = RowMark::part(&mark.series, mark.estimate.value_ns / 1e3);
    }
    counts
}

/// Every figure the layout is checked on.
fn gallery() -> Vec<(&'static str, Box<dyn Figure>)> {
    let mut one_curve = percentile_figure(vec![CurvePanel {
        title: "500 standing connections".to_owned(),
        curves: vec![curve("unpooled", 95e3, 2.0, 5)],
        noise: None,
        caption: None,
    }]);
    one_curve.footer.clear();
    let four = percentile_figure(vec![
        panel("PostgreSQL 13, 0 standing connections", 1.0, 4),
        panel("PostgreSQL 13, 500 standing connections", 1.8, 4),
        panel("PostgreSQL 18, 0 standing connections", 0.9, 4),
        panel("PostgreSQL 18, 500 standing connections", 1.2, 4),
    ]);
    // All curves end together; labels long; every curve has signs; a long footer.
    let mut crowded = percentile_figure(vec![
        panel(
            "a very long panel title that does not fit over its half of the figure at all",
            1.0,
            3
        );
        2
    ]);
    for (i, c) in crowded
        .panels
        .iter_mut()
        .flat_map(|p| &mut p.curves)
        .enumerate()
    {
        *c = curve(Arm::ALL[i % 7].name(), 80e3, 1.0, 3);
        c.label = format!("{} on patched build {i} <&> --enable-something", c.label);
        c.signs.struck = Some("fewer than 10 samples above the percentile".to_owned());
        c.signs.caution = Some(
            "slot order not verified, docker-proxy in the path, threads over cores".to_owned(),
        );
    }
    crowded.footer = (0..9).flat_map(|_| footer()).collect();
    let all_arms = percentile_figure(vec![CurvePanel {
        title: "all arms, two modes".to_owned(),
        curves: Arm::ALL
            .iter()
            .map(|arm| arm.name())
            .enumerate()
            .flat_map(|(i, arm)| {
                let plain = curve(arm, 60e3 + 3e3 * i as f64, 1.0 + 0.1 * i as f64, 4);
                let mut marked = curve(arm, 600.0 + 30.0 * i as f64, 1.0 + 0.1 * i as f64, 4);
                marked.label = format!("{arm}, model");
                [plain, marked]
            })
            .collect(),
        noise: None,
        caption: None,
    }]);
    let mut server_only = contrast_figure();
    for row in server_only.groups.iter_mut().flat_map(|g| &mut g.rows) {
        row.marks.retain(|m| m.series == "server");
    }
    let mut one_mark = server_only.clone();
    one_mark.groups.truncate(1);
    one_mark.groups[0].rows.truncate(1);
    vec![
        ("percentile-two", Box::new(two_panels())),
        ("percentile-one-curve", Box::new(one_curve)),
        ("percentile-four", Box::new(four)),
        ("percentile-crowded", Box::new(crowded)),
        ("percentile-all-arms", Box::new(all_arms)),
        ("contrast", Box::new(contrast_figure())),
        ("contrast-server", Box::new(server_only)),
        ("contrast-one", Box::new(one_mark)),
        ("bars", Box::new(bar_figure())),
        ("counts", Box::new(count_figure())),
        ("tails", Box::new(tail_figure())),
    ]
}

/// As many locks as may ever be: names long, some rows empty, struck or cautioned.
fn tail_figure() -> RowFigure {
    let row = |lock: usize, scale: f64| Row {
        label: format!(
            "some-lock-{lock}{}",
            if lock == 9 { "+reuse-check" } else { "" }
        ),
        marks: [("p50", 1.0), ("p90", 3.0), ("p99", 400.0), ("p99.9", 900.0)]
            .iter()
            .take(4 - lock % 4)
            .map(|(statistic, ns)| {
                let at = |share: f64| ns * scale * (share + lock as f64);
                mark(statistic, at(1.0), at(0.8), at(1.5))
            })
            .filter(|_| lock != 5)
            .collect(),
        samples: 12_000,
        signs: Signs {
            struck: (lock == 3).then(|| "achieved rate 83 %, under 99 %".to_owned()),
            caution: (lock > 6).then(|| "10 load threads on 2 cores".to_owned()),
        },
    };
    let column = |title: &str, scale: f64| RowGroup {
        title: title.to_owned(),
        rows: (0..10).map(|lock| row(lock, scale)).collect(),
    };
    RowFigure {
        form: RowForm::Percentiles,
        title: "Who waits, under which lock".to_owned(),
        subtitle: "Each row is one lock under the same load".to_owned(),
        interval: "95 % bootstrap interval over 12 blocks".to_owned(),
        groups: vec![
            column("Readers: response time of a statement", 900.0),
            column("Writers: ProcArrayAdd's wait for the lock", 60.0),
        ],
        footer: footer(),
        ..RowFigure::default()
    }
}

#[test]
fn tails_are_drawn_once_for_each_row_and_named_when_they_cannot_be() {
    let figure = tail_figure();
    let svg = figure.svg().unwrap();
    assert_eq!(svg.matches("too few samples").count(), 2);
    assert!(svg.contains(">some-lock-3 ○<") && svg.contains(">some-lock-9+reuse-check †<"));
    let marks: usize = figure
        .groups
        .iter()
        .flat_map(|g| &g.rows)
        .map(|r| r.marks.len())
        .sum();
    assert_eq!(figure.csv().lines().count(), 1 + marks);
    let refused = |change: fn(&mut RowFigure)| {
        let mut figure = tail_figure();
        change(&mut figure);
        figure.svg().unwrap_err().to_string()
    };
    assert!(
        refused(|f| f.groups[0].rows[2].marks[0].estimate.low_ns = 0.0).contains("some-lock-2")
    );
    assert!(refused(|f| f.groups.clear()).contains("no mark"));
}

/// Levels of runs need not have the same rows, nor be two: then they lie under one another.
#[test]
fn tails_that_are_no_columns_have_headings() {
    let svg = |change: fn(&mut RowFigure)| {
        let mut figure = tail_figure();
        change(&mut figure);
        figure.svg().unwrap()
    };
    let rows = |svg: &str| svg.matches("some-lock-4<").count();
    assert_eq!(rows(&svg(|_| {})), 1);
    for change in [
        (|f| f.groups[1].rows.swap(0, 1)) as fn(&mut RowFigure),
        |f| drop(f.groups[1].rows.pop()),
    ] {
        assert_eq!(rows(&svg(change)), 2);
    }
    assert_eq!(rows(&svg(|f| f.groups.extend_from_within(..))), 4);
}

/// Filled, pale and hollow marks, a line in the key for each, and the verdict in the CSV.
#[test]
fn a_difference_that_is_not_shown_is_pale() {
    let figure = contrast_figure();
    let svg = figure.svg().unwrap();
    assert_eq!(svg.matches("pale: no difference shown").count(), 1);
    let faint = |svg: &str| svg.matches("stroke-width=\"1.2\" opacity").count();
    // Four differences that are not shown, and the key.
    assert_eq!(faint(&svg), 5);
    let csv = figure.csv();
    assert_eq!(csv.matches(",cannot tell,").count(), 4, "{csv}");
    assert_eq!(csv.matches(",higher,").count(), 1);
    // What is struck out is hollow, not pale.
    for verdict in [None, Some(Verdict::Lower), Some(Verdict::StruckOut)] {
        let mut other = contrast_figure();
        for row in other.groups.iter_mut().flat_map(|g| &mut g.rows) {
            row.marks.iter_mut().for_each(|m| m.verdict = verdict);
        }
        let svg = other.svg().unwrap();
        assert!(faint(&svg) == 0 && !svg.contains("pale:"), "{verdict:?}");
    }
}

fn options() -> usvg::Options<'static> {
    let mut options = usvg::Options::default();
    let font = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/fonts/DejaVuSans.ttf");
    options
        .fontdb_mut()
        .load_font_data(fs::read(font).expect("the bundled font is in the checkout"));
    options
}

/// Text and bounding box (left, top, right, bottom) of every text in pixels.
fn texts(group: &usvg::Group, found: &mut Vec<(String, [f32; 4])>) {
    for node in group.children() {
        match node {
            usvg::Node::Group(inner) => texts(inner, found),
            usvg::Node::Text(text) => {
                let b = text.abs_bounding_box();
                let words = text.chunks().iter().map(|c| c.text()).collect();
                // A line box is taller than its letters; lines may touch, letters may not.
                let trim = b.height() * 0.14;
                found.push((
                    words,
                    [b.left(), b.top() + trim, b.right(), b.bottom() - trim],
                ));
            }
            _ => {}
        }
    }
}

/// What figures are drawn for: the narrowest print among them.
const LOOKS: [Look; 5] = [
    Look::Screen,
    Look::Print { mm: 70.0 },
    Look::Print { mm: 84.0 },
    Look::Print { mm: 174.0 },
    Look::Slide,
];

#[test]
fn no_text_is_clipped_or_covers_another() {
    for ((name, figure), look) in gallery().iter().flat_map(|g| LOOKS.map(|look| (g, look))) {
        let name = format!("{name}{}", look.suffix());
        let tree = usvg::Tree::from_str(&figure.drawn(look).unwrap().file(), &options()).unwrap();
        let (width, height) = (tree.size().width(), tree.size().height());
        let mut found = Vec::new();
        texts(tree.root(), &mut found);
        assert!(found.len() > 8, "{name} has hardly any text");
        for (i, (text, [left, top, right, bottom])) in found.iter().enumerate() {
            assert!(
                *left >= 4.0 && *top >= 4.0 && *right <= width - 4.0 && *bottom <= height - 4.0,
                "{name}: `{text}` is clipped or at the border: {left} {top} {right} {bottom} of {width} x {height}"
            );
            for (other, [l, t, r, b]) in &found[i + 1..] {
                let apart = right <= l || r <= left || bottom <= t || b <= top;
                assert!(apart, "{name}: `{text}` covers `{other}`");
            }
        }
    }
}

/// Everything that is drawn with a value says it in words, where it is drawn.
#[test]
fn every_mark_says_its_numbers() {
    for (name, figure) in gallery() {
        let drawn = figure.drawn(Look::Screen).unwrap();
        let rows = figure.csv();
        let values = rows.lines().skip(1).filter(|l| !l.contains("noise floor"));
        assert_eq!(drawn.told.len(), values.count(), "{name}");
        for told in &drawn.told {
            let [left, top, width, height] = told.place();
            assert!(
                left >= 0.0 && left + width <= drawn.size.0,
                "{name}: {told:?}"
            );
            assert!(
                top >= 0.0 && top + height <= drawn.size.1,
                "{name}: {told:?}"
            );
            assert!(width >= 0.0 && height >= 0.0, "{name}: {told:?}");
            assert!(!told.value.is_empty() && !told.series.is_empty());
        }
    }
    let told = contrast_figure().drawn(Look::Screen).unwrap().told;
    let struck = told.iter().find(|t| t.remark.contains("not to be quoted"));
    assert_eq!(struck.unwrap().at, "fork-only");
    let first = &two_panels().drawn(Look::Screen).unwrap().told[0];
    assert_eq!(
        (first.panel.as_str(), first.at.as_str()),
        ("0 standing connections", "p0")
    );
    assert!(
        first.interval.contains(" to ") && first.samples == "48,005",
        "{first:?}"
    );
}

#[test]
fn type_in_print_can_be_read_and_a_slide_is_16_to_9() {
    for (name, figure) in gallery() {
        for mm in [70.0, 84.0, 174.0, 400.0] {
            let svg = figure.drawn(Look::Print { mm }).unwrap().file();
            assert!(svg.contains(&format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{mm:.2}mm\""
            )));
            let after = |key: &str| {
                let rest = svg.split(key).skip(1);
                let number = rest.map(|r| r.split(['"', ' ']).next().unwrap().parse::<f64>());
                number.map(Result::unwrap).fold(f64::MAX, f64::min)
            };
            let unit = mm / 25.4 * 72.0 / after("viewBox=\"0 0 ");
            let points = after("font-size=\"") * unit;
            assert!(points >= 6.5, "{name}: {points} points");
        }
        let slide =
            usvg::Tree::from_str(&figure.drawn(Look::Slide).unwrap().file(), &options()).unwrap();
        assert_eq!(
            (slide.size().width(), slide.size().height()),
            (960.0, 540.0),
            "{name}"
        );
    }
}

/// In grey the parts of a bar are told apart by texture; for the screen by colour, as ever.
#[test]
fn parts_of_bars_have_textures_in_print() {
    let print = bar_figure().drawn(Look::Print { mm: 84.0 }).unwrap().file();
    // The first strong colour, the server's, is enough by itself.
    for (place, patterns) in [(0, 1), (1, 0), (2, 1)] {
        let count = |what: String| print.matches(&what).count();
        assert_eq!(count(format!("<pattern id=\"part{place}\"")), patterns);
        let filled = count(format!("fill=\"url(#part{place})\""));
        assert_eq!(filled > 0, patterns > 0);
    }
    assert!(!bar_figure().svg().unwrap().contains("<pattern"));
}

/// Many numbers of samples are for the caption; two lines of them stay in the picture.
#[test]
fn a_long_list_of_samples_stands_in_the_caption_alone() {
    let figure = two_panels();
    let has_samples = |look| figure.drawn(look).unwrap().file().contains(">Samples");
    assert!(has_samples(Look::Screen) && !has_samples(Look::Print { mm: 70.0 }));
    assert!(
        figure
            .caption()
            .join("\n")
            .contains("Samples, each panel: quiet:")
    );
}

#[test]
fn two_redraws_are_equal_to_the_byte() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for look in LOOKS {
        for (name, figure) in [
            ("percentile", Box::new(two_panels()) as Box<dyn Figure>),
            ("contrast", Box::new(contrast_figure())),
            ("bars", Box::new(bar_figure())),
        ] {
            let written = |dir: &tempfile::TempDir| {
                let paths = write_figure(&*figure, look, dir.path(), name).unwrap();
                let bytes = paths.into_iter().map(|p| fs::read(p).unwrap());
                bytes.collect::<Vec<_>>()
            };
            let [first, second] = [0, 1].map(|i| written(&dirs[i]));
            assert_eq!(first.len(), if look == Look::Screen { 6 } else { 4 });
            assert!(first == second, "{name}{}", look.suffix());
            // The PDF brings its font.
            let pdf = &first[3];
            assert!(pdf.windows(9).any(|w| w == b"/FontFile"), "{name}");
        }
    }
}

#[test]
fn every_figure_becomes_its_files() {
    let scratch = tempfile::tempdir().unwrap();
    let dir =
        std::env::var_os("PROCBENCH_FIGURE_DIR").map_or(scratch.path().to_owned(), PathBuf::from);
    for (name, figure) in gallery() {
        let written = write_figure(&*figure, Look::Screen, &dir, name).unwrap();
        let names: Vec<_> = written
            .iter()
            .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        let ends = [".svg", "-outlined.svg", ".png", ".pdf", ".csv", ".txt"];
        let expected = ends.map(|end| format!("{name}{end}"));
        assert_eq!(names, expected);
        let svg = fs::read_to_string(&written[0]).unwrap();
        assert!(svg.contains("<text") && svg.contains("DejaVu Sans"));
        let outlined = fs::read_to_string(&written[1]).unwrap();
        assert!(
            !outlined.contains("<text"),
            "{name}: outlined text is not text"
        );
        let tree = usvg::Tree::from_str(&svg, &options()).unwrap();
        // IHDR: width and height, big-endian, at bytes 16 and 20.
        let png = fs::read(&written[2]).unwrap();
        let dimension = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!(&png[1..4], b"PNG");
        let twice = |px: f32| (px * 2.0).round() as u32;
        assert_eq!(
            (dimension(16), dimension(20)),
            (twice(tree.size().width()), twice(tree.size().height()))
        );
        assert!(fs::read(&written[3]).unwrap().starts_with(b"%PDF"));
        assert_eq!(fs::read_to_string(&written[4]).unwrap(), figure.csv());
    }
    let hidden = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
    let files = fs::read_dir(&dir).unwrap();
    let stray = files.filter(|e| hidden(&e.as_ref().unwrap().file_name()));
    assert_eq!(stray.count(), 0, "temporary files are left behind");
}

#[test]
fn golden_svgs_are_unchanged() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let figures: [(&str, Box<dyn Figure>); 3] = [
        ("percentile", Box::new(two_panels())),
        ("contrast", Box::new(contrast_figure())),
        ("bars", Box::new(bar_figure())),
    ];
    for (name, figure) in figures {
        let path = golden.join(format!("{name}.svg"));
        let drawn = figure.svg().unwrap();
        if std::env::var_os("PROCBENCH_BLESS").is_some() {
            fs::write(&path, &drawn).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap();
        let difference = stored.lines().zip(drawn.lines()).position(|(a, b)| a != b);
        assert!(
            stored == drawn,
            "{} differs from line {difference:?}; look at the figure, then PROCBENCH_BLESS=1 cargo test --test figures",
            path.display()
        );
    }
}

/// Attribute values of all elements drawn by `svg` that contain `part`.
fn dashes(svg: &str) -> BTreeSet<&str> {
    svg.split("stroke-dasharray=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

#[test]
fn an_arm_looks_the_same_wherever_it_stands() {
    let both = percentile_figure(vec![panel("a", 1.0, 3)]).svg().unwrap();
    let mut alone = percentile_figure(vec![panel("a", 1.0, 3)]);
    alone.panels[0].curves.retain(|c| c.label == "pgbouncer");
    let alone = alone.svg().unwrap();
    assert!(dashes(&alone).is_subset(&dashes(&both)));
    assert!(
        alone.contains("stroke-dasharray=\"6 2.5\""),
        "pgbouncer keeps its dash"
    );
}

#[test]
fn signs_reach_label_note_and_csv() {
    let figure = two_panels();
    let svg = figure.svg().unwrap();
    assert!(svg.contains(">fork-only ○<") && svg.contains(">unpooled †<"));
    let caption = figure.caption().join("\n");
    let reason = "○ achieved rate 83 % of the offered rate, under 99 %: fork-only (500";
    assert!(
        caption.contains(reason) && !svg.contains(reason),
        "{caption}"
    );
    assert!(
        figure
            .csv()
            .contains("\"achieved rate 83 % of the offered rate, under 99 %\"")
    );
    let rows: usize = figure
        .panels
        .iter()
        .flat_map(|p| &p.curves)
        .map(|c| c.points.len())
        .sum();
    let floors: usize = figure
        .panels
        .iter()
        .filter_map(|p| p.noise.as_ref())
        .map(|n| n.edges.len())
        .sum();
    assert_eq!(figure.csv().lines().count(), 1 + rows + floors);
}

#[test]
fn what_cannot_be_drawn_is_refused_with_its_name() {
    let refused = |change: fn(&mut CurveFigure)| {
        let mut figure = two_panels();
        change(&mut figure);
        match figure.svg() {
            Err(FigureError::Unfit { reason, .. }) => reason,
            other => panic!("drawn or failed otherwise: {}", other.is_ok()),
        }
    };
    assert!(refused(|f| f.panels.clear()).contains("0 panels"));
    assert!(refused(|f| f.panels[1].curves.clear()).contains("500 standing connections"));
    assert!(
        refused(|f| f.panels[0].curves[2].points[3].estimate.value_ns = 0.0).contains("unpooled")
    );
    assert!(
        refused(|f| f.panels[0].curves[2].points[3].estimate.high_ns = f64::NAN)
            .contains("unpooled")
    );
    let at_the_end: fn(&mut CurveFigure) = |f| {
        let last = f.panels[0].curves[2].points.last_mut().unwrap();
        last.at = 100.0;
    };
    assert!(refused(at_the_end).contains("at 100;"));
    assert!(refused(|f| f.panels[0].curves[2].points.swap(1, 2)).contains("order"));
    let mut contrast = contrast_figure();
    contrast.groups[0].rows[1].marks[0].estimate.low_ns = f64::INFINITY;
    assert!(contrast.svg().unwrap_err().to_string().contains("unpooled"));
    contrast.groups.clear();
    assert!(contrast.svg().unwrap_err().to_string().contains("no mark"));
    let mut bars = bar_figure();
    bars.groups[0].rows[0].marks[0].estimate.value_ns = -1.0;
    assert!(bars.svg().unwrap_err().to_string().contains("kept-open"));
    let no_dir =
        write_figure(&two_panels(), Look::Screen, Path::new("/dev/null/dir"), "x").unwrap_err();
    assert!(no_dir.to_string().contains("/dev/null/dir"), "{no_dir}");
}
