//! The experiments there are, and the analysis of their runs.

use super::definition::{Experiment, Scale};
use super::{
    accounting, anatomy, busy_share, ceiling, churn_tail, commit_rate, lock_part, locks,
    membership_hold, pool, standing,
};
use crate::names::unknown;
use crate::record::Run;
use crate::stats::{Analysis, Answer};

/// Puts a run into numbers, and holds them against the prediction of its experiment.
pub fn analyse(run: &Run) -> Analysis {
    let Ok(experiment) = find(&run.experiment) else {
        return crate::stats::analyse(run, Answer::Contrast, None);
    };
    let mut analysis = crate::stats::analyse(run, experiment.answer, experiment.smaller_than);
    analysis.is_declared = experiment.is_declared(&run.config);
    let finding = (experiment.assess)(&analysis);
    analysis.with_finding(finding)
}

/// No such experiment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownExperiment(String);

/// Every experiment, in the order of the chapter.
pub fn registry() -> &'static [Experiment] {
    &REGISTRY
}

static REGISTRY: [Experiment; 11] = [
    churn_tail::EXPERIMENT,
    lock_part::EXPERIMENT,
    pool::EXPERIMENT,
    membership_hold::EXPERIMENT,
    busy_share::EXPERIMENT,
    standing::EXPERIMENT,
    commit_rate::EXPERIMENT,
    accounting::EXPERIMENT,
    anatomy::EXPERIMENT,
    ceiling::EXPERIMENT,
    locks::EXPERIMENT,
];

/// The experiments of the chapter at one scale, in its order.
pub fn chapter(scale: Scale) -> Vec<&'static Experiment> {
    REGISTRY
        .iter()
        .filter(|e| e.in_chapter.contains(&scale))
        .collect()
}

/// Finds an experiment by name.
///
/// # Errors
/// Names the ones there are.
pub fn find(name: &str) -> Result<&'static Experiment, UnknownExperiment> {
    let found = REGISTRY.iter().find(|e| e.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = REGISTRY.iter().map(|e| e.name).collect();
        UnknownExperiment(unknown("experiment", name, &names))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::{Arm, Mode};
    use crate::record::{SeriesHistogram, SeriesKey};
    use crate::stats::{Outcome, ROUNDS_NEEDED, STARTS_NEEDED};
    use crate::testing::sample_run;

    #[test]
    fn every_experiment_is_valid_in_every_mode_and_scale() {
        for experiment in registry() {
            assert!(find(experiment.name).is_ok());
            assert!(experiment.short.len() <= 60, "{}", experiment.short);
            for &mode in experiment.modes {
                for scale in [Scale::Quick, Scale::Full] {
                    let config = experiment.config(mode, scale);
                    config.validate().unwrap();
                    assert_eq!(config.mode, mode);
                    assert!(config.blocks as usize >= ROUNDS_NEEDED);
                    assert!(config.starts as usize >= STARTS_NEEDED);
                    let sweeps = experiment.sweeps().iter();
                    assert!(sweeps.clone().all(|s| config.arms.contains(&s.arms[0])));
                }
            }
        }
        // The controls nearest to the lock are not left out of the full run.
        let full = find("churn-tail")
            .unwrap()
            .config(Mode::Server, Scale::Full);
        assert_eq!(full.arms, Arm::all_in(Mode::Server));
        assert!(chapter(Scale::Quick).len() > 1 && chapter(Scale::Full).len() > 3);
        assert!(find("nope").unwrap_err().to_string().contains("churn-tail"));
    }

    /// A run of `membership-hold` whose holds grow by these ns for each standing connection.
    fn holds(slopes: &[(&str, &str, u64)]) -> Run {
        let mut run = sample_run(12);
        run.experiment = "membership-hold".to_owned();
        let key: SeriesKey = "client.procarray-add.hold.service".parse().unwrap();
        let blocks = std::mem::take(&mut run.blocks);
        for (pg, slots, slope) in slopes {
            for block in &blocks {
                let mut block = block.clone();
                block.factors.pg = Some(pg.parse().unwrap());
                block.factors.slot_order = Some(slots.parse().unwrap());
                block.factors.page_size = Some("4k".parse().unwrap());
                block.factors.mapping = Some("fresh".parse().unwrap());
                let mut hold = SeriesHistogram::default();
                for _ in 0..50 {
                    hold.record(1000 + slope * u64::from(block.factors.standing));
                }
                block.series.insert(key, hold);
                run.blocks.push(block);
            }
        }
        run
    }

    #[test]
    fn a_slope_prediction_stands_or_falls_by_its_intervals() {
        let outcome =
            |slopes: &[(&str, &str, u64)]| analyse(&holds(slopes)).finding.unwrap().outcome;
        let (flat, behind) = (("13", "front", 1), ("15", "behind", 2));
        let steep = ("15", "front", 100);
        assert_eq!(outcome(&[flat, steep, behind]), Some(Outcome::Stands));
        let other = ("15", "behind", 60);
        assert_eq!(outcome(&[flat, steep, other]), Some(Outcome::PartlyRefuted));
        let equal = ("15", "front", 1);
        assert_eq!(outcome(&[flat, equal, behind]), Some(Outcome::Refuted));
        // Without 13 the fifth is judged all the same.
        assert_eq!(outcome(&[steep, behind]), Some(Outcome::CannotTell));
        assert_eq!(outcome(&[steep, other]), Some(Outcome::PartlyRefuted));
    }

    #[test]
    fn a_finding_on_fewer_rounds_or_starts_than_a_claim_needs_is_only_seen() {
        let found = |change: fn(&mut Run)| {
            let mut run = holds(&[("13", "front", 1), ("15", "front", 100)]);
            change(&mut run);
            let finding = analyse(&run).finding.unwrap();
            let because = finding.statements[0].because.clone();
            (finding.outcome, because.unwrap_or_default())
        };
        assert_eq!(found(|_| {}).0, Some(Outcome::Stands));
        let few = |seen| {
            (
                Some(Outcome::CannotTell),
                format!("{seen}; a claim needs 12 over 6"),
            )
        };
        let rounds = found(|run| run.blocks.retain(|b| b.round < 11));
        assert_eq!(rounds, few("seen in 11 rounds over 6 starts"));
        let starts = found(|run| run.blocks.iter_mut().for_each(|b| b.start %= 5));
        assert_eq!(starts, few("seen in 12 rounds over 4 starts"));
    }

    #[test]
    fn the_analysis_is_written_whole_and_names_its_layout() {
        let dir = tempfile::tempdir().unwrap();
        let analysis = analyse(&holds(&[("13", "front", 1), ("15", "front", 100)]));
        let path = analysis.write(dir.path()).unwrap();
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(json["schema_version"], 2);
        assert_eq!(json["answer"], "sweeps");
        assert_eq!(json["sweeps"][0]["lines"][1]["slope"]["value"], 100.0);
        assert_eq!(json["finding"]["statements"][0]["outcome"], "stands");
        let contender = &json["levels"][0]["contenders"][0];
        let key = "client.procarray-add.hold.service";
        assert_eq!(contender["series"][key]["samples"], 12 * 50);
    }
}
