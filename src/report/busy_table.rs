//! Predicted beside observed: how often the lock is busy, for how long, and what becomes slow by it.

use itertools::Itertools;

use super::format::{duration, interval, quantity, rate, share};
use super::section::{Section, Table, cell};
use crate::arm::Mode;
use crate::record::levels_side_by_side;
use crate::stats::{Analysis, BusyPrediction, Compared, Unit};

/// `3.10 %`, or `3.10 % to 3.30 %` where both ends differ.
pub(super) fn predicted(compared: &Compared, words: impl Fn(f64) -> String) -> String {
    let ends = [compared.predicted.low, compared.predicted.high].map(words);
    match ends {
        [low, high] if low == high => low,
        [low, high] => format!("{low} to {high}"),
    }
}

pub(super) fn observed(compared: &Compared, words: impl Fn(f64) -> String) -> String {
    cell(compared.observed.map(|seen| interval(seen, words)))
}

/// `+0.40 pp`: observed minus predicted.
pub(super) fn error(compared: &Compared) -> String {
    cell(compared.error().map(points))
}

/// A row for each level of a run whose holds were measured at two numbers of standing connections.
pub(super) fn busy_table(analysis: &Analysis) -> Option<Section> {
    let header = [
        "connections/s",
        "hold predicted",
        "observed (95 %)",
        "busy predicted",
        "observed (95 %)",
        "error",
        "mean wait predicted",
        "observed (95 %)",
        "slow predicted",
        "observed (95 %)",
        "error",
    ];
    let mut table = Table::by_level(&analysis.varying, &["holds behind it"], header);
    for prediction in &analysis.busy {
        table.push_level(&prediction.factors, row(prediction));
    }
    let of = analysis.busy.iter();
    let arms = of.filter_map(|p| p.against).map(|arm| arm.to_string());
    let against = arms.unique().join(" or ");
    let notes = vec![
        "Holds: ProcArrayAdd's and ProcArrayRemove's together, a line through those at two numbers of standing connections. Busy: share of the shared acquisitions that find the lock held; a reader that waits comes no second time. Mean wait: of the readers among these.".to_owned(),
        format!("Slow: by how much the share of statements slower than {} (service time) grows from {against} to unpooled; predicted from the lock alone, for snapshots of one statement at once and as far apart as the statement is long. Error: observed minus the nearer end of the prediction.", slow_over(analysis)),
    ];
    Section::table(
        "The lock's part, predicted from holds and rate",
        table,
        notes,
    )
}

/// `120 µs`, or both ends of the thresholds.
fn slow_over(analysis: &Analysis) -> String {
    let all = analysis.busy.iter().filter_map(|p| p.slow_over_ns);
    match all.minmax().into_option() {
        Some((one, other)) if one == other => duration(one as f64),
        Some((least, most)) => format!("{} to {}", duration(least as f64), duration(most as f64)),
        None => "the threshold".to_owned(),
    }
}

fn row(prediction: &BusyPrediction) -> Vec<String> {
    let [first, last] = prediction.from;
    let behind = match prediction.is_fitted {
        true => format!("{first} and {last}, itself one"),
        false => format!("{first} and {last}"),
    };
    let (hold, busy, wait) = (&prediction.hold_ns, &prediction.busy, &prediction.wait_ns);
    let slow = prediction.slow_share.as_ref();
    vec![
        behind,
        rate(prediction.per_second),
        predicted(hold, duration),
        observed(hold, duration),
        predicted(busy, share),
        observed(busy, share),
        error(busy),
        predicted(wait, duration),
        observed(wait, duration),
        cell(slow.map(|s| predicted(s, share))),
        cell(slow.and_then(|s| Some(interval(s.observed?, points)))),
        cell(slow.map(error)),
    ]
}

/// A difference of shares: `+1.20 pp`.
pub(super) fn points(difference: f64) -> String {
    quantity(difference, Unit::ShareDifference)
}

/// The server's holds and the model's run as predictions of the same level, beside what the server saw; `None` unless both
/// modes have predictions.
pub(super) fn busy_by_mode(items: &[&Analysis]) -> Option<Section> {
    let of = |mode| {
        items
            .iter()
            .copied()
            .find(|a| a.run.mode == mode && !a.busy.is_empty())
    };
    let (server, model) = (of(Mode::Server)?, of(Mode::Model)?);
    let (levels, named) = levels_side_by_side(&[server.level_factors(), model.level_factors()]);
    let header = [
        "busy: by the server's holds",
        "by the model's run (95 %)",
        "server, observed (95 %)",
        "mean wait: by the server's holds",
        "by the model's run (95 %)",
        "server, observed (95 %)",
    ];
    let mut table = Table::by_level(&named, &[], header);
    for level in &levels {
        let at = |analysis: &'_ Analysis| {
            let mut all = analysis.busy.iter();
            all.find(|p| p.factors.agrees_with(level)).cloned()
        };
        let (Some(server), Some(model)) = (at(server), at(model)) else {
            continue;
        };
        let cells = [
            predicted(&server.busy, share),
            observed(&model.busy, share),
            observed(&server.busy, share),
            predicted(&server.wait_ns, duration),
            observed(&model.wait_ns, duration),
            observed(&server.wait_ns, duration),
        ];
        table.push_level(level, cells);
    }
    let note =
        "The model runs with the server's rate and the CPU that the server used for a connection.";
    Section::table(
        "Two predictions of the server's lock, and what was seen",
        table,
        [note],
    )
}
