use std::collections::BTreeMap;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::*;
use crate::arm::Arm;
use crate::demo::charts::{Curve, Scale, axis};
use crate::demo::event::{Command, Event, Second};

/// A second with statements of 60 us, and a p99 of so many ms.
fn second(arm: Arm, p99_ms: u64) -> Stretch {
    Stretch {
        arm,
        standing: 0,
        isolate: Some(Isolate::On),
        seconds: 1.0,
        statements: 1_000,
        p50_ns: Some(60_000),
        p99_ns: Some(p99_ms * 1_000_000),
        slow_share: Some(p99_ms as f64 / 100.0),
        transactions_per_second: 80.0,
        connections_per_second: 80.0,
        failed: 0,
        cores: BTreeMap::from([
            (CpuGroup::Postmaster, 0.04),
            (CpuGroup::Backends, 0.25),
            (CpuGroup::Reader, 0.13),
            (CpuGroup::Client, 0.07),
        ]),
        own_cores: None,
        machine_busy: None,
    }
}

/// Ten calm seconds and ten of churn.
fn scene(colour: bool) -> Scene {
    let mut scene = Scene::new("a PostgreSQL of its own", colour);
    let calm = second(Arm::KeptOpen, 1);
    for (step, stretch) in [(0, calm.clone()), (1, second(Arm::Unpooled, 8))] {
        scene.take(Event::Step(step, Some(18)));
        for _ in 0..10 {
            scene.take(Event::Second(Box::new(Second {
                now: stretch.clone(),
                step: stretch.clone(),
                calm: (step > 0).then(|| calm.clone()),
                open_connections: 2_021,
                caution: (step > 0).then(|| "Other programs used 45 %".to_owned()),
            })));
        }
    }
    scene
}

fn drawn(scene: &Scene, (width, height): (u16, u16)) -> ratatui::buffer::Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, scene)).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &ratatui::buffer::Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let symbols: Vec<&str> = buffer.content().iter().map(|c| c.symbol()).collect();
    let lines: Vec<String> = symbols.chunks(width).map(|line| line.concat()).collect();
    lines.join("\n")
}

#[test]
fn both_sizes_hold_step_sentences_numbers_lines_and_keys() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        let text = text(&drawn(&scene(true), size));
        let step = &steps()[1];
        let wanted = [
            "2/7 Reconnecting for each transaction",
            "readers: own core, 8 s left",
            "Other programs used 45 %",
            "━ p99  • p50  - calm",
            step.look.split_whitespace().next_back().unwrap(),
            step.beware,
            "2,021",
            "8.00 ms",
            "80",
            "4 %",
            "25 %",
            "readers",
            "13 %",
            "clients",
            "7 %",
            "p99",
            "slow statements",
            "calm",
            "q quit",
            "h help",
            "10 ms",
        ];
        for wanted in wanted {
            assert!(text.contains(wanted), "{size:?}: {wanted}\n{text}");
        }
        let is_roomy = size.0 > 100;
        assert_eq!(text.contains("CPU of server"), is_roomy, "{text}");
        assert!(
            text.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)),
            "no line\n{text}"
        );
    }
}

#[test]
fn without_colour_there_is_none() {
    let colours = |colour| {
        let buffer = drawn(&scene(colour), (120, 40));
        buffer
            .content()
            .iter()
            .filter(|c| c.fg != Color::Reset || c.bg != Color::Reset)
            .count()
    };
    assert!(colours(true) > 0);
    assert_eq!(colours(false), 0);
}

#[test]
fn a_small_terminal_is_told_what_is_needed_and_help_explains_every_key() {
    let small = text(&drawn(&scene(true), (60, 20)));
    assert!(small.contains("80 columns"), "{small}");
    let mut scene = scene(true);
    scene.help = true;
    for size in [(80, 24), (120, 40)] {
        let help = text(&drawn(&scene, size));
        for (_, _, words) in KEYS {
            assert!(help.contains(words), "{words}\n{help}");
        }
        assert!(help.contains("or were cut off."), "{help}");
        let is_in_the_box = |l: &str| l.starts_with(['┌', '│', '└']);
        assert!(help.lines().skip(1).all(is_in_the_box), "{help}");
    }
}

#[test]
fn before_the_first_second_nothing_is_made_up() {
    let mut scene = Scene::new("a stored run", true);
    assert!(text(&drawn(&scene, (80, 24))).contains("starting"));
    scene.take(Event::Step(0, Some(18)));
    scene.take(Event::Said("PostgreSQL starts".to_owned()));
    let text = text(&drawn(&scene, (80, 24)));
    assert!(
        text.contains("PostgreSQL starts") && !text.contains("80 "),
        "{text}"
    );
}

#[test]
fn a_start_is_told_from_a_second_and_keys_are_acknowledged() {
    let mut scene = scene(true);
    scene.take(Event::Starting("a fresh server starts".to_owned()));
    scene.note(Command::Next);
    let starting = text(&drawn(&scene, (80, 24)));
    assert!(starting.contains("starting, 0 s") && !starting.contains("s left"));
    assert!(starting.contains("noted: the next step, after the start"));
    scene.take(Event::Ending("ending: the server stops"));
    assert!(text(&drawn(&scene, (80, 24))).contains("ending: the server stops"));
    // The longest title has room for all of the header.
    for (number, step) in steps().iter().enumerate() {
        let mut scene = self::scene(false);
        scene.step = Some((number, None));
        scene.gone = 125;
        let text = text(&drawn(&scene, (80, 24)));
        let said = text.lines().next().unwrap();
        assert!(
            said.contains(step.title) && said.contains("own core, 125 s gone"),
            "{said}"
        );
    }
}

#[test]
fn axes_are_round_and_hold_their_values() {
    let curve = |values: &[f64]| Curve {
        name: "",
        colour: None,
        points: values.iter().map(|&v| (0.0, v)).collect(),
        calm: None,
    };
    let (bounds, labels) = axis(Scale::Time, &[curve(&[60e3, 120e6])]);
    assert_eq!(bounds, [4.0, 9.0]);
    assert_eq!(labels[0], "10 µs");
    assert_eq!(labels.last().unwrap(), "1 s");
    let (bounds, labels) = axis(Scale::Percent, &[curve(&[0.0, 7.2])]);
    assert_eq!((bounds, labels[2].as_str()), ([0.0, 10.0], "10 %"));
    let (bounds, labels) = axis(Scale::Time, &[curve(&[24e3, 80e3])]);
    assert_eq!(
        (bounds, labels),
        ([4.0, 5.0], ["10 µs", "100 µs"].map(str::to_owned).to_vec())
    );
    assert_eq!(axis(Scale::Time, &[curve(&[])]).0, [4.0, 7.0]);
    let (bounds, _) = axis(Scale::Rate, &[curve(&[])]);
    assert_eq!(bounds, [0.0, 1.0]);
    assert_eq!(axis(Scale::Rate, &[curve(&[1_700.0])]).1[1], "1,000/s");
}
