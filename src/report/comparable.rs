//! Which runs may be laid side by side, and why others may not.

use std::collections::BTreeSet;

use crate::arm::Arm;
use crate::arm::Mode;
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
    if a.experiment != b.experiment {
        return differ(
            "different experiments",
            a.experiment.clone(),
            b.experiment.clone(),
        );
    }
    let (x, y) = (first.clock(), second.clock());
    if x != y {
        return differ("different clocks", x.to_string(), y.to_string());
    }
    if a.config.reader_rate != b.config.reader_rate {
        return differ(
            "different reader rates",
            a.config.reader_rate.to_string(),
            b.config.reader_rate.to_string(),
        );
    }
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
    if a.mode == b.mode && awake(a) != awake(b) {
        return differ("cores were kept awake differently", awake(a), awake(b));
    }
    if a.config.keep_awake != b.config.keep_awake {
        return differ(
            "different --keep-awake",
            a.config.keep_awake.to_string(),
            b.config.keep_awake.to_string(),
        );
    }
    let machine = |run: &RunHead| {
        let p = &run.provenance;
        format!("{}, {} cores, Linux {}", p.cpu_model, p.cores, p.kernel)
    };
    if machine(a) != machine(b) {
        return differ("different machines", machine(a), machine(b));
    }
    if let Some((what, x, y)) = no_common_level(first, second) {
        return differ(what, x, y);
    }
    let contenders = |analysis: &Analysis| -> BTreeSet<(Arm, bool)> {
        let all = analysis.levels.iter().flat_map(|l| &l.contenders);
        all.map(|c| (c.arm, c.twin)).collect()
    };
    if contenders(first).is_disjoint(&contenders(second)) {
        return Err(Incomparable("they have no arm in common".to_owned()));
    }
    if a.mode == b.mode {
        same_mode(a, b)?;
    }
    Ok(())
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

/// Two runs in one mode may differ in declared factors only.
fn same_mode(a: &RunHead, b: &RunHead) -> Result<(), Incomparable> {
    let differ = |what: &str, x: String, y: String| {
        Err(Incomparable(format!(
            "{what}: {x} in {}, {y} in {}",
            a.run_id, b.run_id
        )))
    };
    let (x, y) = (&a.config, &b.config);
    for (what, p, q) in [
        ("different numbers of readers", x.readers, y.readers),
        ("different numbers of clients", x.clients, y.clients),
        ("different pool sizes", x.pool_size, y.pool_size),
    ] {
        if p != q {
            return differ(what, p.to_string(), q.to_string());
        }
    }
    if x.arrivals != y.arrivals {
        return differ(
            "different arrivals",
            format!("{:?}", x.arrivals),
            format!("{:?}", y.arrivals),
        );
    }
    let base = |run: &RunHead| {
        Arm::baseline(&run.config.arms).map_or_else(|| "none".to_owned(), |arm| arm.to_string())
    };
    if base(a) != base(b) {
        return differ("different baselines", base(a), base(b));
    }
    let kind = |run: &RunHead| {
        run.provenance
            .server
            .as_ref()
            .map(|s| s.kind.clone())
            .unwrap_or_default()
    };
    if kind(a) != kind(b) {
        return differ("different kinds of server", kind(a), kind(b));
    }
    if a.mode == Mode::Server
        && let (Some(p), Some(q)) = (&x.server, &y.server)
    {
        if p.query != q.query {
            return differ(
                "different queries",
                p.query.to_string(),
                q.query.to_string(),
            );
        }
        if p.disconnect != q.disconnect {
            return differ(
                "different --disconnect",
                format!("{:?}", p.disconnect),
                format!("{:?}", q.disconnect),
            );
        }
        if p.protocol != q.protocol {
            return differ(
                "different --protocol",
                format!("{:?}", p.protocol),
                format!("{:?}", q.protocol),
            );
        }
    }
    if let (Some(p), Some(q)) = (&x.model, &y.model)
        && (p.fork_cpu_ns, p.session_cpu_ns, p.snapshots_per_statement)
            != (q.fork_cpu_ns, q.session_cpu_ns, q.snapshots_per_statement)
    {
        return Err(Incomparable(
            "the models differ in --fork-cpu, --session-cpu or --snapshots".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::analyse;
    use crate::factor::OfferedRate;
    use crate::record::{Run, SeriesKey};
    use crate::testing::sample_run;

    fn other() -> Run {
        let mut run = sample_run(8);
        run.run_id = "other".into();
        run
    }

    fn check(a: &Run, b: &Run) -> Result<(), Incomparable> {
        super::check(&[&analyse(a), &analyse(b)])
    }

    fn reason(change: impl Fn(&mut Run)) -> String {
        let (a, mut b) = (sample_run(8), other());
        change(&mut b);
        check(&a, &b).unwrap_err().to_string()
    }

    #[test]
    fn like_runs_are_comparable() {
        assert_eq!(check(&sample_run(8), &other()), Ok(()));
        let mut server = other();
        server.mode = Mode::Server;
        assert_eq!(check(&sample_run(8), &server), Ok(()));
    }

    #[test]
    fn each_difference_is_named() {
        assert!(reason(|b| b.experiment = "locks".into()).contains("different experiments"));
        assert!(
            reason(|b| b.client_rate_per_second = Some(200.0))
                .contains("100/s in abc123, 200/s in other")
        );
        assert!(reason(|b| b.client_rate_per_second = None).contains("closed loop"));
        assert!(reason(|b| b.config.reader_rate = OfferedRate::Max).contains("reader rates"));
        assert!(reason(|b| b.blocks.clear()).contains("no measured block"));
        assert!(reason(|b| b.config.clients = 99).contains("numbers of clients"));
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
                block.factors.lock = Some(name.to_owned());
            }
        };
        let (mut a, mut b) = (sample_run(8), other());
        lock(&mut a, ["std", "sharded"]);
        lock(&mut b, ["parking_lot"; 2]);
        let levels = check(&a, &b).unwrap_err().to_string();
        assert!(levels.contains("no common level: [0, lock"), "{levels}");
        lock(&mut b, ["parking_lot", "std"]);
        assert_eq!(check(&a, &b), Ok(()));
    }
}
