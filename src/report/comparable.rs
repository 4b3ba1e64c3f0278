//! Which runs may be laid side by side, and why others may not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::arm::Arm;
use crate::config::Config;
use crate::factor::{Factor, Factors};
use crate::record::{RunHead, levels_side_by_side};
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
    for analysis in analyses {
        if analysis.blocks == 0 {
            return Err(Incomparable(format!(
                "run {} has no measured block",
                analysis.run.run_id
            )));
        }
    }
    others.iter().try_for_each(|other| pair(first, other))
}

fn pair(first: &Analysis, second: &Analysis) -> Result<(), Incomparable> {
    let (a, b) = (&first.run, &second.run);
    let differ = |what: &str, x: String, y: String| {
        Err(Incomparable(format!(
            "{what}: {x} in {}, {y} in {}",
            a.run_id, b.run_id
        )))
    };
    if a.run_id == b.run_id {
        return Err(Incomparable(format!("both are run {}", a.run_id)));
    }
    let alike = |what: &str, x: String, y: String| {
        if x == y { Ok(()) } else { differ(what, x, y) }
    };
    alike(
        "different experiments",
        a.experiment.clone(),
        b.experiment.clone(),
    )?;
    let (x, y) = (first.clock(), second.clock());
    alike("different clocks", x.to_string(), y.to_string())?;
    match (a.client_rate_per_second, b.client_rate_per_second) {
        (Some(x), Some(y)) if (x - y).abs() <= 0.01 * x.max(y) => {}
        (None, None) => {}
        (x, y) => {
            let text =
                |rate: Option<f64>| rate.map_or("closed loop".to_owned(), |r| format!("{r}/s"));
            return differ(
                "different client rates (give both runs the same --client-rate)",
                text(x),
                text(y),
            );
        }
    }
    let awake = |run: &RunHead| run.provenance.keep_awake.clone();
    let same_mode = a.mode == b.mode;
    if same_mode {
        alike("cores were kept awake differently", awake(a), awake(b))?;
    }
    let machine = |run: &RunHead| {
        let p = &run.provenance;
        format!("{}, {} cores, Linux {}", p.cpu_model, p.cores, p.kernel)
    };
    alike("different machines", machine(a), machine(b))?;
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
    let base = |run: &RunHead| {
        Arm::baseline(&run.config.arms).map_or_else(|| "none".to_owned(), |arm| arm.to_string())
    };
    let kind = |run: &RunHead| {
        let server = run.provenance.server.as_ref();
        server.map_or(String::new(), |s| s.kind.clone())
    };
    if same_mode {
        alike("different baselines", base(a), base(b))?;
        alike("different kinds of server", kind(a), kind(b))?;
    }
    match different_setting(&settings(&a.config), &settings(&b.config), same_mode) {
        Some((path, x, y)) => differ(&format!("different {path}"), x, y),
        None => Ok(()),
    }
}

/// What of a configuration may differ between comparable runs, and why.
const MAY_DIFFER: [(&str, &str); 12] = [
    (
        "factors",
        "factors are what runs are compared by: the levels are checked",
    ),
    (
        "arms",
        "arms that both have are compared: that there is one is checked",
    ),
    (
        "client_rate",
        "the rate that was asked for: the one that was offered is checked",
    ),
    (
        "duration_ns",
        "how much was measured: the intervals carry it",
    ),
    ("blocks", "how much was measured: the intervals carry it"),
    ("starts", "how much was measured: the intervals carry it"),
    ("seed", "random numbers"),
    (
        "page_size_if_granted",
        "decides only whether a level may be absent",
    ),
    (
        "model.cpu_cost_source",
        "words: the costs themselves are checked",
    ),
    (
        "server.server",
        "where servers come from: the kind that ran is checked",
    ),
    ("server.combine", "decides only which levels there are"),
    ("server.own", "what is allowed, not what is done"),
];

/// What may differ besides where a model is laid beside a server.
const BETWEEN_MODES: [(&str, &str); 4] = [
    ("mode", "it is what is compared"),
    ("model", "a server has no such settings"),
    ("server", "a model has no such settings"),
    ("warmup_ns", "a server takes longer to get warm"),
];

/// Every setting of a configuration by its path, such as `model.background.committers`.
fn settings(config: &Config) -> BTreeMap<String, String> {
    fn walk(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(&format!("{path}{dot}{name}"), value, found);
                }
            }
            other => drop(found.insert(path.to_owned(), other.to_string())),
        }
    }
    let mut found = BTreeMap::new();
    walk(
        "",
        &serde_json::to_value(config).unwrap_or_default(),
        &mut found,
    );
    found
}

/// The first setting that differs and may not.
fn different_setting(
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
    same_mode: bool,
) -> Option<(String, String, String)> {
    let between: &[_] = if same_mode { &[] } else { &BETWEEN_MODES };
    let may = |path: &str| {
        let covers = |(name, _): &&(&str, &str)| {
            path.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        MAY_DIFFER.iter().chain(between).any(|row| covers(&row))
    };
    let value = |of: &BTreeMap<String, String>, path: &str| {
        of.get(path)
            .cloned()
            .unwrap_or_else(|| "not set".to_owned())
    };
    let paths: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    paths
        .into_iter()
        .find(|path| !may(path) && a.get(*path) != b.get(*path))
        .map(|path| (path.clone(), value(a, path), value(b, path)))
}

/// What keeps every level of one from standing beside any of the other, with
/// both sides' levels; `None` if some pair can be compared.
fn no_common_level(a: &Analysis, b: &Analysis) -> Option<(&'static str, String, String)> {
    let (of_a, of_b) = (a.level_factors(), b.level_factors());
    let (keys, named) = levels_side_by_side(&[of_a.clone(), of_b.clone()]);
    let has =
        |levels: &[Factors], key: &Factors| levels.iter().any(|l| l.only(&named).agrees_with(key));
    if keys.iter().any(|key| has(&of_a, key) && has(&of_b, key)) {
        return None;
    }
    let same_standing = of_a
        .iter()
        .any(|x| of_b.iter().any(|y| x.standing == y.standing));
    let (what, named): (_, &[Factor]) = if same_standing {
        ("no common level", &named)
    } else {
        ("no common number of standing connections", &[])
    };
    let list = |levels: &[Factors]| {
        let mut names: Vec<String> = levels.iter().map(|l| l.label(named)).collect();
        names.dedup();
        format!("[{}]", names.join("; "))
    };
    Some((what, list(&of_a), list(&of_b)))
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
                let config = settings(&(experiment.config)(mode, Scale::Full));
                for path in config.keys() {
                    let mut other = config.clone();
                    other.insert(path.clone(), "something else".to_owned());
                    match different_setting(&config, &other, true) {
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
