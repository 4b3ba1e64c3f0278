//! `membership-hold`: how long connecting and disconnecting hold ProcArrayLock.

use super::churn_tail::default_model;
use super::sweep_config::{SweepLength, base, lengths, not_measured};
use super::{Answer, Experiment, Scale};
use crate::arm::Arm;
use crate::arm::Mode;
use crate::config::{Config, ModelConfig};
use crate::factor::ClientRate;
use crate::factor::OfferedRate;
use crate::factor::{Factor, Factors};
use crate::procarray::{MappingKind, PageSize, PgProfile, SlotOrder};
use crate::record::{Operation, Phase, Role, Run, SeriesKey};
use crate::report::sweep_words::slope_words;
use crate::stats::{Along, Analysis, Estimate, Quantity, Statistic, Sweep, sweep_lines};

const P50: Statistic = Statistic::Percentile(50.0);

const fn hold(operation: Operation) -> Quantity {
    Quantity::Time(
        SeriesKey::service(Role::Client, operation, Phase::Hold),
        P50,
    )
}

const PANELS: &[Factor] = &[Factor::SlotOrder, Factor::Mapping];

const SWEEPS: [Sweep; 3] = [
    Sweep {
        stem: "add-hold",
        title: "How long joining the ProcArray holds ProcArrayLock",
        look_at: "Compare a version's line where standing connections lie behind its slot (slots front: each is renumbered) with the one where none does (slots behind), and a fresh mapping, which faults, with one that is mapped",
        quantity_words: "hold of ProcArrayLock in ProcArrayAdd, p50",
        arm: Arm::Unpooled,
        quantity: hold(Operation::ProcArrayAdd),
        along: Along::Standing,
        panels: PANELS,
        logarithmic: false,
    },
    Sweep {
        stem: "add-faults",
        title: "Page faults while ProcArrayAdd holds ProcArrayLock",
        look_at: "A fault for each page of PGPROCs that is renumbered: what a line has here, its hold has in time",
        quantity_words: "minor faults of one ProcArrayAdd, mean",
        arm: Arm::Unpooled,
        quantity: Quantity::Ratio {
            of: &["faults.procarray-add"],
            over: &["operations.procarray-add"],
            share: false,
        },
        along: Along::Standing,
        panels: PANELS,
        logarithmic: false,
    },
    Sweep {
        stem: "remove-hold",
        title: "How long leaving the ProcArray holds ProcArrayLock",
        look_at: "The pages are mapped by now: what is left is moving the arrays and renumbering",
        quantity_words: "hold of ProcArrayLock in ProcArrayRemove, p50",
        arm: Arm::Unpooled,
        quantity: hold(Operation::ProcArrayRemove),
        along: Along::Standing,
        panels: PANELS,
        logarithmic: false,
    },
];

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "membership-hold",
    question: "How long do connecting and disconnecting hold ProcArrayLock, by standing connections, version, slot order, mapping and page size?",
    prediction: "With standing connections behind the slot (slots front) and a fresh mapping of 4 kB pages, PostgreSQL 15's ProcArrayAdd holds the lock in proportion to their number, about 0.2 us each, because it faults in a page for every four or five PGPROCs that it renumbers; 16, 17 and 18 do the same. 13 renumbers nothing and is flat. With slots behind, or with pages of 2 MB, at most a fifth of that slope is left. ProcArrayRemove faults in nothing and grows far less.",
    refuted_by: "In front, fresh, 4 kB: 15's slope is not above 13's (their intervals overlap). Or a line behind, or with 2 MB pages, has more than a fifth of 15's slope.",
    primary_outcome: "Slope of ProcArrayAdd's median hold against standing connections, slots front, fresh mapping of 4 kB pages, PostgreSQL 15 against 13.",
    declared_percentile: 50.0,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not how long a statement waits: that takes a rate of connections, too, and is `churn-tail`'s question.",
        "Not what a fault costs elsewhere: it depends on the kernel, on virtualisation and on the CPU. The number of faults carries over, its price does not.",
        "Not that 17 and 18 are always as slow: the slot order is arranged here. On a server they give out slots from the lowest up, so that new connections come in behind until the list has wrapped.",
    ],
    modes: &[Mode::Model],
    in_chapter: &[],
    config,
};

/// The slope of the line at these factors, where it was measured and may be quoted.
fn assess(run: &Run, summary: &Analysis) -> String {
    let lines = sweep_lines(run, summary, &SWEEPS[0]);
    let slope = |rest: &Factors| -> Option<Estimate> {
        let line = lines.iter().find(|l| l.rest.agrees_with(rest))?;
        line.slope.filter(|_| !line.is_struck())
    };
    let at = |pg: &str, slots: &str, page_size: &str| Factors {
        pg: Some(pg.to_owned()),
        slot_order: Some(slots.to_owned()),
        page_size: Some(page_size.to_owned()),
        mapping: Some(MappingKind::Fresh.to_string()),
        ..Factors::default()
    };
    let (Some(of_15), Some(of_13)) = (
        slope(&at("15", "front", "4k")),
        slope(&at("13", "front", "4k")),
    ) else {
        return "primary outcome: not measured, or struck out (it needs PostgreSQL 15 and 13, slots front, a fresh mapping of 4 kB pages, and two numbers of standing connections).".to_owned();
    };
    let words = |slope| slope_words(SWEEPS[0].quantity, slope);
    let mut told = format!(
        "primary outcome (slots front, fresh, 4 kB): ProcArrayAdd's median hold grows on PostgreSQL 15 by {}, on 13 by {}. ",
        words(of_15),
        words(of_13)
    );
    if of_15.low_ns <= of_13.high_ns.max(0.0) {
        return told + "The prediction is refuted: 15's slope was not shown to be above 13's.";
    }
    let others = [
        ("15 with slots behind", slope(&at("15", "behind", "4k"))),
        ("15 with 2 MB pages", slope(&at("15", "front", "2m"))),
        ("13", Some(of_13)),
    ];
    let too_steep: Vec<&str> = others
        .iter()
        .filter(|(_, s)| s.is_some_and(|s| s.low_ns > of_15.value_ns / 5.0))
        .map(|(name, _)| *name)
        .collect();
    let unclear: Vec<&str> = others
        .iter()
        .filter(|(_, s)| {
            s.is_some_and(|s| s.high_ns > of_15.value_ns / 5.0 && s.low_ns <= of_15.value_ns / 5.0)
        })
        .map(|(name, _)| *name)
        .collect();
    let absent: Vec<&str> = others
        .iter()
        .filter(|(_, s)| s.is_none())
        .map(|(name, _)| *name)
        .collect();
    told += &match (&too_steep[..], &unclear[..]) {
        ([], []) => "The prediction stands: a fifth of it or less".to_owned(),
        ([], unclear) => format!(
            "15's slope is above 13's, but whether a fifth of it or less is left is open for {}",
            unclear.join(", ")
        ),
        (steep, _) => format!(
            "The prediction is refuted in its second part: more than a fifth of it for {}",
            steep.join(", ")
        ),
    };
    if too_steep.is_empty() && unclear.is_empty() {
        let measured = others.iter().filter(|(_, s)| s.is_some());
        let names: Vec<&str> = measured.map(|(name, _)| *name).collect();
        told += &format!(" is left for {}", names.join(", "));
    }
    if !absent.is_empty() {
        told += &format!("; not measured: {}", absent.join(", "));
    }
    told + "."
}

fn config(mode: Mode, scale: Scale) -> Config {
    let (standing, length) = match scale {
        Scale::Quick => (
            vec![0, 1000, 2000],
            SweepLength {
                blocks: 8,
                visits: 3,
                block_ms: 20,
                warmup_ms: 2,
            },
        ),
        Scale::Full => (
            vec![0, 250, 500, 1000, 2000],
            SweepLength {
                blocks: 10,
                visits: 5,
                block_ms: 60,
                warmup_ms: 5,
            },
        ),
    };
    lengths(
        Config {
            arms: vec![Arm::Unpooled],
            readers: 1,
            reader_rate: OfferedRate::PerSecond(200.0),
            clients: 1,
            client_rate: ClientRate::Given(OfferedRate::PerSecond(500.0)),
            standing,
            slot_orders: vec![SlotOrder::Front, SlotOrder::Behind],
            model: Some(ModelConfig {
                profiles: PgProfile::ALL.to_vec(),
                mappings: vec![MappingKind::Fresh, MappingKind::Shared],
                page_sizes: PageSize::ALL.to_vec(),
                page_size_if_granted: true,
                fork_cpu_ns: 20_000,
                session_cpu_ns: 20_000,
                cpu_cost_source: not_measured("the hold is looked at, not the CPU beside it"),
                ..default_model()
            }),
            ..base(mode)
        },
        length,
    )
}
