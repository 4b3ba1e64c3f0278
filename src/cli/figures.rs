//! `figures`: redraws everything from stored runs; no server, no clock.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::canned::{conclude_chapter, draw_all};
use super::measure::{draw_alone, save_analysis};
use super::outcome::{CommandError, Outcome};
use crate::console::print;
use crate::experiment::analyse;
use crate::record::{find_runs, read_run};
use crate::stats::Analysis;

/// `procbench figures`
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  procbench figures results/20261123T101500Z-chapter-1a2b3c")]
pub struct FiguresCommand {
    /// Directory below which run files are looked for
    dir: PathBuf,
}

/// Runs by the directory of their experiment.
type Groups = BTreeMap<PathBuf, Vec<(PathBuf, Analysis)>>;

/// The chapters among them, with their runs: directories all of whose experiments are below their own names,
/// `churn-tail` among them.
fn chapters(groups: &Groups) -> Vec<(&Path, Vec<&Analysis>)> {
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
    let chapters = by_parent.into_iter().filter(|(_, runs)| is_chapter(runs));
    let chapters = chapters.map(|(dir, runs)| (dir, runs.into_iter().map(|r| r.1).collect()));
    chapters.collect()
}

impl FiguresCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// Unreadable run files are a wrong request.
    pub fn run(self) -> Result<Outcome, CommandError> {
        // Runs of one experiment lie in `<dir>/<mode>/run.json`; a single run in `<dir>/run.json`.
        let mut groups = Groups::new();
        let paths = find_runs(&self.dir).map_err(CommandError::request)?;
        // A run has thousands of histograms: unpacked on a thread each.
        let read: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = paths
                .iter()
                .map(|path| scope.spawn(|| read_run(path).map(|run| analyse(&run))))
                .collect();
            threads.into_iter().map(|t| t.join()).collect()
        });
        for (path, read) in paths.iter().zip(read) {
            let read = read.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let analysis = read.map_err(CommandError::request)?;
            let dir = path.parent().map(PathBuf::from).unwrap_or_default();
            save_analysis(&analysis, &dir)?;
            let is_mode_dir = dir
                .file_name()
                .is_some_and(|n| n == analysis.run.mode.name());
            let group = match dir.parent() {
                Some(parent) if is_mode_dir => parent.to_owned(),
                _ => dir.clone(),
            };
            groups.entry(group).or_default().push((dir, analysis));
        }
        for (chapter, runs) in chapters(&groups) {
            conclude_chapter(&runs, chapter)?;
        }
        for (group, mut runs) in groups {
            // The server first, as when they were measured.
            runs.sort_by_key(|(_, analysis)| std::cmp::Reverse(analysis.run.mode));
            let items: Vec<&Analysis> = runs.iter().map(|r| &r.1).collect();
            let in_mode_dirs = runs.iter().all(|(dir, _)| *dir != group);
            let stems = if in_mode_dirs {
                draw_all(&items, &group)?
            } else {
                let drawn: Result<Vec<_>, _> =
                    items.iter().map(|item| draw_alone(item, &group)).collect();
                drawn?.concat()
            };
            for stem in stems {
                let figure = group.join(format!("{stem}.png"));
                print(&format!("{}\n", figure.display()));
            }
        }
        Ok(Outcome::Done)
    }
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
        let found = chapters(&groups);
        let dirs: Vec<&Path> = found.iter().map(|c| c.0).collect();
        assert_eq!(dirs, [Path::new("results/quick")]);
        assert_eq!(found[0].1.len(), 2);
    }
}
