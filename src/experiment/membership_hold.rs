//! `membership-hold`: how long connecting and disconnecting hold ProcArrayLock.

use super::defaults::{Lengths, every_profile, model_with_little_cpu};
use super::definition::{Experiment, Scale};
use crate::arm::{Arm, Mode};
use crate::config::{Config, Tracing};
use crate::factor::{ClientRate, Factor, Factors, OfferedRate, PgSource};
use crate::procarray::{MappingKind, PageSize, SlotOrder};
use crate::record::{Operation, Phase, Role, SeriesKey};
use crate::stats::{
    Along, Analysis, Answer, Finding, Outcome, Quantity, Statement, Statistic, Sweep, Swept, Unit,
};

const P50: Statistic = Statistic::Percentile(50.0);

const fn hold(operation: Operation) -> Quantity {
    Quantity::Time(
        SeriesKey::service(Role::Client, operation, Phase::Hold),
        P50,
    )
}

/// As PostgreSQL is; mapped beforehand by a write per page, and by few reads.
const HOLDERS: &[Arm] = &[Arm::Unpooled, Arm::Premapped, Arm::PremappedFew];
const PANELS: &[Factor] = &[Factor::SlotOrder, Factor::Mapping];

const SWEEPS: [Sweep; 4] = [
    Sweep {
        stem: "add-hold",
        title: "How long joining the ProcArray holds ProcArrayLock",
        look_at: "Compare a version's line where standing connections lie behind its slot (slots front: each is renumbered) with the one where none does (slots behind), and a fresh mapping, which faults, with one that is mapped",
        quantity_words: "hold of ProcArrayLock in ProcArrayAdd, p50",
        arms: HOLDERS,
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
        arms: HOLDERS,
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
        arms: HOLDERS,
        quantity: hold(Operation::ProcArrayRemove),
        along: Along::Standing,
        panels: PANELS,
        logarithmic: false,
    },
    Sweep {
        stem: "startup",
        title: "How long a connection's startup takes, ProcArrayAdd and all",
        look_at: "Without a trace this is the bound: ProcArrayAdd is a part of startup, so that its hold grows by no more than this does, if nothing else gets shorter",
        quantity_words: "from the startup message to ReadyForQuery (server), p50",
        arms: &[Arm::Unpooled],
        quantity: STARTUP,
        along: Along::Standing,
        panels: PANELS,
        logarithmic: false,
    },
];

const STARTUP: Quantity = Quantity::Time(
    SeriesKey::service(Role::Client, Operation::Connect, Phase::Startup),
    P50,
);

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "membership-hold",
    short: "how long connecting and disconnecting hold ProcArrayLock",
    question: "How long do connecting and disconnecting hold ProcArrayLock, by standing connections, version, slot order, mapping and page size?",
    prediction: "With standing connections behind the slot (slots front) and a fresh mapping of 4 kB pages, PostgreSQL 15's ProcArrayAdd holds the lock in proportion to their number, about 0.2 µs each, because it faults in a page for every four or five PGPROCs that it renumbers; 16, 17 and 18 do the same. 13 renumbers nothing and is flat. With slots behind, with pages of 2 MB, or with the array mapped before the lock is taken (premapped, premapped-few), at most a fifth of that slope is left. ProcArrayRemove faults in nothing and grows far less.",
    refuted_by: "In front, fresh, 4 kB: 15's slope is not above 13's (their intervals overlap). Or a line behind, with 2 MB pages, or of an array mapped beforehand, has more than a fifth of 15's slope.",
    primary_outcome: "Slope of ProcArrayAdd's median hold against standing connections, slots front, fresh mapping of 4 kB pages, PostgreSQL 15 against 13.",
    declared_percentile: 50.0,
    smaller_than: None,
    assess,
    answer: Answer::Sweeps(&SWEEPS),
    limits: &[
        "Not how long a statement waits: that takes a rate of connections, too, and is `churn-tail`'s question.",
        "Not what a fault costs elsewhere: it depends on the kernel, on virtualisation and on the CPU. The number of faults carries over, its price does not.",
        "Not a server's hold to the microsecond: on 14 and later the trace has four probes within a hold, and says what one costs. The number of faults is exact.",
        "Not that 17 and 18 are always as slow: the slot order is arranged here. On a server they give out slots from the lowest up, so that new connections come in behind until the list has wrapped.",
    ],
    what_to_do: "Use huge pages where many connections stand: the hold then hardly grows with their number.",
    modes: &[Mode::Server, Mode::Model],
    in_chapter: &[],
    configure,
};

const CLAIM: &str = "with slots in front and a fresh mapping of 4 kB pages, ProcArrayAdd's median hold grows faster on PostgreSQL 15 than on 13";

fn assess(analysis: &Analysis) -> Option<Finding> {
    let sweep = analysis.sweeps.first()?;
    let is_model = analysis.run.mode == Mode::Model;
    let slope_of = |arm, pg: u32, slots: SlotOrder, page_size: PageSize| {
        let rest = Factors {
            pg: Some(PgSource::Major(pg)),
            slot_order: Some(slots),
            page_size: Some(page_size),
            // A server has the mapping that the kernel gives it.
            mapping: is_model.then_some(MappingKind::Fresh),
            ..Factors::default()
        };
        sweep.slope(arm, &rest)
    };
    let slope = |pg, slots, page_size| slope_of(Arm::Unpooled, pg, slots, page_size);
    let of_13 = slope(13, SlotOrder::Front, PageSize::Small);
    let Some(steep) = slope(15, SlotOrder::Front, PageSize::Small) else {
        let why = "not measured, or struck out (it needs PostgreSQL 15 and 13, slots front, a fresh mapping of 4 kB pages, and two numbers of standing connections; on a server, a trace)";
        let none = Statement::cannot_tell(CLAIM, why);
        return Some(Finding::of([vec![none], bounds(analysis)].concat()));
    };
    let unit = Unit::NsPerConnection;
    let first = match of_13 {
        Some(flat) => Statement::above(CLAIM, steep, flat.or_level(), Outcome::Refuted)
            .with("PostgreSQL 15", steep, unit)
            .with("PostgreSQL 13", flat, unit),
        None => Statement::cannot_tell(CLAIM, "13 was not measured, or struck out").with(
            "PostgreSQL 15",
            steep,
            unit,
        ),
    };
    let grows = steep.low_ns > 0.0 && first.outcome != Some(Outcome::Refuted);
    let mut statements = vec![first];
    if grows {
        let fifth = steep.times(0.2);
        let behind = slope(15, SlotOrder::Behind, PageSize::Small);
        let huge = slope(15, SlotOrder::Front, PageSize::Huge);
        let mapped = |arm| slope_of(arm, 15, SlotOrder::Front, PageSize::Small);
        let mut left = vec![
            ("15 with slots behind", behind),
            ("15 with 2 MB pages", huge),
            ("13", of_13),
        ];
        if !is_model {
            left.push(("15, premapped", mapped(Arm::Premapped)));
            left.push(("15, premapped-few", mapped(Arm::PremappedFew)));
        }
        for (name, slope) in left {
            let claim = format!("at most a fifth of 15's slope is left for {name}");
            statements.push(match slope {
                Some(slope) => {
                    Statement::above(claim, fifth, slope, Outcome::CannotTell).with("", slope, unit)
                }
                None => Statement::told(claim).because("not measured"),
            });
        }
    }
    Some(Finding::of(statements))
}

/// What a server's run says without a trace.
fn bounds(analysis: &Analysis) -> Vec<Statement> {
    let is_traced = analysis.sweeps.first().is_some_and(|s| !s.lines.is_empty());
    let of = |s: &&Swept| s.sweep.quantity == STARTUP && !is_traced;
    let lines = analysis
        .sweeps
        .iter()
        .find(of)
        .into_iter()
        .flat_map(|s| &s.lines);
    let told = lines.filter(|l| !l.is_struck()).filter_map(|line| {
        let claim = "not traced: ProcArrayAdd's hold grows by no more than a connection's median startup does, if nothing else in it gets shorter";
        let name = line.rest.words(&analysis.varying).join(", ");
        Some(Statement::told(claim).with(name, line.slope?, Unit::NsPerConnection))
    });
    told.collect()
}

fn configure(config: &mut Config, scale: Scale) -> Lengths {
    let (standing, lengths) = match scale {
        Scale::Quick => (
            &[0, 1000, 2000][..],
            Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 15,
                warmup_ms: 2,
            },
        ),
        Scale::Full => (
            &[0, 250, 500, 1000, 2000][..],
            Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 50,
                warmup_ms: 5,
            },
        ),
    };
    config.arms = vec![Arm::Unpooled];
    config.reader_rate = OfferedRate::PerSecond(200.0);
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(500.0));
    config.factors.standing = standing.to_vec();
    config.factors.slot_order = vec![SlotOrder::Front, SlotOrder::Behind];
    config.factors.page_size = PageSize::ALL.to_vec();
    config.page_size_if_granted = true;
    if let Some(server) = &mut config.server {
        config.arms = HOLDERS.to_vec();
        server.trace = Tracing::EveryBlock;
        config.client_rate = ClientRate::Given(OfferedRate::PerSecond(50.0));
        return match scale {
            Scale::Quick => Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 400,
                warmup_ms: 50,
            },
            Scale::Full => Lengths {
                blocks: 12,
                starts: 6,
                block_ms: 1000,
                warmup_ms: 100,
            },
        };
    }
    config.factors.pg = every_profile();
    config.factors.mapping = vec![MappingKind::Fresh, MappingKind::Shared];
    let why = "the hold is looked at, not the CPU beside it";
    config.model = Some(model_with_little_cpu(why));
    lengths
}
