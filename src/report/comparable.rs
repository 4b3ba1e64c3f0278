//! Which runs may be laid side by side, and why others may not.

use std::collections::BTreeSet;

use itertools::Itertools;

use crate::arm::Arm;
use crate::config::different_setting;
use crate::factor::{Factor, Factors};
use crate::record::levels_side_by_side;
use crate::stats::Analysis;

/// Why runs are not compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the runs are not comparable: {0}")]
pub struct Incomparable(String);

/// Checks every run against the first.
///
/// # Errors
/// The first reason found, in one line.
pub fn check(analyses: &[&Analysis]) -> Result<(), Incomparable> {
    let Some((first, others)) = analyses.split_first() else {
        return Ok(());
    };
    if let Some(empty) = analyses.iter().find(|a| a.blocks == 0) {
        let problem = format!("run {} has no measured block", empty.run.run_id);
        return Err(Incomparable(problem));
    }
    others.iter().try_for_each(|other| pair(first, other))
}

fn pair(first: &Analysis, second: &Analysis) -> Result<(), Incomparable> {
    let (a, b) = (&first.run, &second.run);
    if a.run_id == b.run_id {
        return Err(Incomparable(format!("both are run {}", a.run_id)));
    }
    let differ = |what: &str, x: String, y: String| {
        let (a, b) = (&a.run_id, &b.run_id);
        Err(Incomparable(format!("{what}: {x} in {a}, {y} in {b}")))
    };
    let alike = |what: &str, of: fn(&Analysis) -> String| match (of(first), of(second)) {
        (x, y) if x == y => Ok(()),
        (x, y) => differ(what, x, y),
    };
    alike("different experiments", |x| x.run.experiment.clone())?;
    alike("different clocks", |x| x.clock().to_string())?;
    let rates = (a.client_rate_per_second, b.client_rate_per_second);
    if !matches!(rates, (Some(x), Some(y)) if (x - y).abs() <= 0.01 * x.max(y)) {
        let what = "different client rates (give both runs the same --client-rate)";
        alike(what, |x| match x.run.client_rate_per_second {
            Some(rate) => format!("{rate}/s"),
            None => "closed loop".to_owned(),
        })?;
    }
    let same_mode = a.mode == b.mode;
    if same_mode {
        let what = "cores were kept awake differently";
        alike(what, |x| x.run.provenance.keep_awake.clone())?;
    }
    alike("different machines", |x| x.run.provenance.machine())?;
    if let Some((what, x, y)) = no_common_level(first, second) {
        return differ(what, x, y);
    }
    let contenders = |analysis: &Analysis| -> BTreeSet<(Arm, bool)> {
        let all = analysis.contenders();
        all.map(|(_, c)| (c.arm, c.twin)).collect()
    };
    if contenders(first).is_disjoint(&contenders(second)) {
        return Err(Incomparable("they have no arm in common".to_owned()));
    }
    if same_mode {
        alike("different baselines", |x| {
            let base = Arm::baseline(&x.run.config.arms);
            base.map_or("none", Arm::name).to_owned()
        })?;
        alike("different kinds of server", |x| {
            let server = x.run.provenance.server.as_ref();
            server.map_or(String::new(), |s| s.kind.clone())
        })?;
    }
    let may = |path: &str| may_differ(path, same_mode);
    match different_setting(&a.config.settings(), &b.config.settings(), may) {
        Some((path, x, y)) => differ(&format!("different {path}"), x, y),
        None => Ok(()),
    }
}

/// What of a configuration may differ between comparable runs.
const MAY_DIFFER: [&str; 13] = [
    // What runs are compared by: the levels are checked.
    "factors",
    // Arms that both have are compared: that there is one is checked.
    "arms",
    "arms_by_name",
    // The rate that was asked for: the one that was offered is checked.
    "client_rate",
    // How much was measured: the intervals carry it.
    "duration_ns",
    "blocks",
    "starts",
    // Random numbers.
    "seed",
    // Decides only whether a level may be absent.
    "page_size_if_granted",
    // Words: the costs themselves are checked.
    "model.cpu_cost_source",
    // Where servers come from: the kind that ran is checked.
    "server.server",
    // Decides only which levels there are.
    "server.combine",
    // What is allowed, not what is done.
    "server.own",
];

/// What may differ besides where a model is laid beside a server.
const BETWEEN_MODES: [&str; 5] = [
    // It is what is compared.
    "mode",
    // A server has no such settings, and a model none of a server's.
    "model",
    "server",
    // A server takes longer to get warm.
    "warmup_ns",
    // A server's share its cores, of which there may be one. They hold the lock shared, each run is held against its
    // own controls, and the footer says how many there were.
    "readers",
];

/// Whether a setting may differ between comparable runs.
fn may_differ(path: &str, same_mode: bool) -> bool {
    MAY_DIFFER.contains(&path) || (!same_mode && BETWEEN_MODES.contains(&path))
}

/// What keeps every level of one from standing beside any of the other, with
/// both sides' levels; `None` if some pair can be compared.
fn no_common_level(a: &Analysis, b: &Analysis) -> Option<(&'static str, String, String)> {
    let both = [a.level_factors(), b.level_factors()];
    let (keys, named) = levels_side_by_side(&both);
    let has =
        |levels: &[Factors], key: &Factors| levels.iter().any(|l| l.only(&named).agrees_with(key));
    if keys
        .iter()
        .any(|key| both.iter().all(|levels| has(levels, key)))
    {
        return None;
    }
    let [of_a, of_b] = &both;
    let mut pairs = of_a.iter().cartesian_product(of_b);
    let (what, named): (_, &[Factor]) = if pairs.any(|(x, y)| x.standing == y.standing) {
        ("no common level", &named)
    } else {
        ("no common number of standing connections", &[])
    };
    let list = |levels: &[Factors]| {
        let names = levels.iter().map(|l| l.label(named)).dedup();
        format!("[{}]", names.collect_vec().join("; "))
    };
    Some((what, list(of_a), list(of_b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::config::ModelConfig;
    use crate::experiment::analyse;
    use crate::factor::OfferedRate;
    use crate::record::{Run, SeriesKey};
    use crate::testing::sample_run;

    fn other() -> Run {
        let mut run = sample_run(2);
        run.run_id = "other".into();
        run
    }

    fn check(a: &Run, b: &Run) -> Result<(), Incomparable> {
        super::check(&[&analyse(a), &analyse(b)])
    }

    fn reason(change: impl Fn(&mut Run)) -> String {
        let (a, mut b) = (sample_run(2), other());
        change(&mut b);
        check(&a, &b).unwrap_err().to_string()
    }

    #[test]
    fn like_runs_are_comparable() {
        assert_eq!(check(&sample_run(2), &other()), Ok(()));
        let mut server = other();
        server.mode = Mode::Server;
        assert_eq!(check(&sample_run(2), &server), Ok(()));
    }

    #[test]
    fn each_difference_is_named() {
        assert!(reason(|b| b.experiment = "locks".into()).contains("different experiments"));
        assert!(
            reason(|b| b.client_rate_per_second = Some(200.0))
                .contains("100/s in abc123, 200/s in other")
        );
        assert!(reason(|b| b.client_rate_per_second = None).contains("closed loop"));
        assert!(
            reason(|b| b.config.reader_rate = OfferedRate::Max).contains("different reader_rate")
        );
        assert!(reason(|b| b.blocks.clear()).contains("no measured block"));
        assert!(
            reason(|b| b.config.clients = 99)
                .contains("different clients: 2 in abc123, 99 in other")
        );
        assert!(reason(|b| b.run_id = "abc123".into()).contains("both are run"));
        let clocks = reason(|b| {
            for block in &mut b.blocks {
                block.series.remove(&SeriesKey::READER_RESPONSE);
            }
        });
        assert!(
            clocks.contains("different clocks: response in abc123, service in other"),
            "{clocks}"
        );
        let levels = reason(|b| b.blocks.iter_mut().for_each(|x| x.factors.standing += 1));
        assert!(levels.contains("no common number"), "{levels}");
        let lock = |run: &mut Run, names: [&str; 2]| {
            for (block, name) in run.blocks.iter_mut().zip(names.into_iter().cycle()) {
                block.factors.lock = Some(name.parse().unwrap());
            }
        };
        let (mut a, mut b) = (sample_run(2), other());
        lock(&mut a, ["std", "sharded"]);
        lock(&mut b, ["parking_lot"; 2]);
        let levels = check(&a, &b).unwrap_err().to_string();
        assert!(levels.contains("no common level: [0, lock"), "{levels}");
        lock(&mut b, ["parking_lot", "std"]);
        assert_eq!(check(&a, &b), Ok(()));
    }

    /// The fields were listed by hand: runs that differed in `--inject-hold`, `--without` or the background
    /// were compared, the positive control against nothing.
    #[test]
    fn every_setting_is_looked_at_or_may_differ_for_a_reason() {
        use crate::experiment::{Scale, registry};
        let mut seen = BTreeSet::new();
        for experiment in registry() {
            for &mode in experiment.modes {
                let config = experiment.config(mode, Scale::Full).settings();
                for path in config.keys() {
                    let mut other = config.clone();
                    other.insert(path.clone(), "something else".to_owned());
                    match different_setting(&config, &other, |p| may_differ(p, true)) {
                        Some((found, _, _)) => assert_eq!(&found, path),
                        None => {
                            seen.insert(path.clone());
                        }
                    }
                }
            }
        }
        // Whoever adds a setting decides here whether runs may differ in it.
        seen.retain(|path| !path.starts_with("factors."));
        let may = [
            "arms",
            "arms_by_name",
            "blocks",
            "client_rate",
            "duration_ns",
            "model.cpu_cost_source",
            "page_size_if_granted",
            "seed",
            "server.combine",
            "server.server",
            "starts",
        ];
        assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), may);
    }

    /// The chapter lays them side by side; nobody saw that it had stopped.
    #[test]
    fn the_halves_of_an_experiment_differ_in_nothing_that_forbids_a_comparison() {
        use crate::experiment::{Scale, registry};
        use crate::stats::Answer;
        // Arms against each other: sweeps of the model are not laid beside a server's.
        let contrasts = registry().iter().filter(|e| e.answer == Answer::Contrast);
        let in_both = contrasts.filter(|e| e.modes.len() > 1);
        assert!(in_both.clone().any(|e| e.name == "churn-tail"));
        for (experiment, scale) in in_both.flat_map(|e| [(e, Scale::Quick), (e, Scale::Full)]) {
            let [a, b] =
                [Mode::Server, Mode::Model].map(|m| experiment.config(m, scale).settings());
            let differ = different_setting(&a, &b, |path| may_differ(path, false));
            assert_eq!(differ, None, "{}", experiment.name);
        }
    }

    #[test]
    fn what_is_injected_left_out_or_goes_on_beside_must_be_the_same() {
        let model = |change: fn(&mut ModelConfig)| {
            let mut a = crate::testing::run_under_locks(8, &[("std", 1)]);
            a.run_id = "abc123".into();
            let mut b = a.clone();
            b.run_id = "other".into();
            change(b.config.model.as_mut().unwrap());
            check(&a, &b).unwrap_err().to_string()
        };
        assert!(
            model(|m| m.inject_hold_ns = 1).contains("different model.inject_hold_ns: 400000 in")
        );
        assert!(model(|m| m.ablations.reuse = false).contains("different model.ablations.reuse"));
        assert!(model(|m| m.background.committers = 3).contains("model.background.committers"));
    }
}
