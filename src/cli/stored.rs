//! Stored runs below a directory, read and analysed, by the directory of their experiment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::outcome::CommandError;
use crate::experiment::analyse;
use crate::parallel::each;
use crate::record::{RunFileError, find_runs, read_run};
use crate::stats::Analysis;

/// Runs by the directory of their experiment, each with its own directory.
pub type Groups = BTreeMap<PathBuf, Vec<(PathBuf, Analysis)>>;

/// The chapters among them, with their runs: directories in or below `dirs` all of whose experiments are below
/// their own names, `churn-tail` among them.
pub fn chapters<'a>(groups: &'a Groups, dirs: &[PathBuf]) -> Vec<(&'a Path, Vec<&'a Analysis>)> {
    let mut by_parent: BTreeMap<&Path, Vec<(&Path, &Analysis)>> = BTreeMap::new();
    for (group, runs) in groups {
        let of_group = runs.iter().map(|(_, run)| (group.as_path(), run));
        by_parent
            .entry(group.parent().unwrap_or(group))
            .or_default()
            .extend(of_group);
    }
    let is_chapter = |runs: &[(&Path, &Analysis)]| {
        runs.iter().all(|(dir, a)| dir.ends_with(&a.run.experiment))
            && runs.iter().any(|(_, a)| a.run.experiment == "churn-tail")
    };
    let asked = |at: &Path| dirs.iter().any(|dir| at.starts_with(dir));
    let here = by_parent.into_iter().filter(|(at, _)| asked(at));
    let chapters = here.filter(|(_, runs)| is_chapter(runs));
    let chapters = chapters.map(|(dir, runs)| (dir, runs.into_iter().map(|r| r.1).collect()));
    chapters.collect()
}

/// Every run below these directories. Runs of one experiment lie in `<dir>/<mode>/run.json`; a single run in
/// `<dir>/run.json`.
///
/// # Errors
/// Unreadable run files are a wrong request.
pub fn read_groups(dirs: &[PathBuf]) -> Result<Groups, CommandError> {
    let found = dirs.iter().map(|dir| find_runs(dir));
    let found: Result<Vec<_>, RunFileError> = found.collect();
    let found = found.map_err(CommandError::request)?;
    let paths: BTreeSet<PathBuf> = found.into_iter().flatten().collect();
    let paths: Vec<PathBuf> = paths.into_iter().collect();
    // A run has thousands of histograms to unpack.
    let read = each(&paths, |path| read_run(path).map(|run| analyse(&run)));
    let mut groups = Groups::new();
    for (path, read) in paths.iter().zip(read) {
        let analysis = read.map_err(CommandError::request)?;
        let dir = path.parent().map(PathBuf::from).unwrap_or_default();
        let is_mode_dir = dir
            .file_name()
            .is_some_and(|n| n == analysis.run.mode.name());
        let group = match dir.parent() {
            Some(parent) if is_mode_dir => parent.to_owned(),
            _ => dir.clone(),
        };
        groups.entry(group).or_default().push((dir, analysis));
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;

    #[test]
    fn a_chapter_has_its_experiments_below_their_own_names() {
        let group = |dir: &str, experiment: &str| {
            let mut run = sample_run(2);
            run.experiment = experiment.to_owned();
            (PathBuf::from(dir), vec![(PathBuf::new(), analyse(&run))])
        };
        let groups = Groups::from([
            group("results/quick/churn-tail", "churn-tail"),
            group("results/quick/pool", "pool"),
            group("results/pool", "pool"),
            group("results/lock-part", "churn-tail"),
        ]);
        let found = chapters(&groups, &["results".into()]);
        let dirs: Vec<&Path> = found.iter().map(|c| c.0).collect();
        assert_eq!(dirs, [Path::new("results/quick")]);
        assert_eq!(found[0].1.len(), 2);
        // An experiment alone is none of the directory above it.
        let below = ["results/quick/churn-tail".into()];
        assert!(chapters(&groups, &below).is_empty());
    }
}
