//! `figures`: redraws everything from stored runs; no server, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread::scope;

use anyhow::Context;
use clap::Args;

use super::canned::{conclude_chapter, draw_all, draw_figures};
use super::measure::{draw_alone, print_json, save_analysis};
use super::outcome::{CommandError, Outcome};
use crate::console::print;
use crate::experiment::analyse;
use crate::names::named_enum;
use crate::record::{RunFileError, find_runs, read_run};
use crate::report::drawings;
use crate::report::figure::Look;
use crate::stats::Analysis;

/// `procbench figures`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench figures results/churn-tail results/pool
  procbench figures results --width column    for a book's column: PDF, SVG and PNG of 84 mm beside the usual ones
  procbench figures results --theme slides    16:9, large type, few words")]
pub struct FiguresCommand {
    /// Directories below which run files are looked for
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// For print, beside the usual figures: column (84 mm), page (174 mm), or so many mm
    #[arg(long, value_name = "WIDTH", value_parser = millimetres)]
    width: Option<f64>,
    /// print (a page wide unless --width is given) or slides, beside the usual figures
    #[arg(long, value_name = "THEME")]
    theme: Option<Theme>,
    /// Print the figures' names as JSON
    #[arg(long)]
    json: bool,
}

named_enum! {
    /// What figures are for, if not for the screen.
    pub enum Theme: "theme" {
        /// A book.
        Print = "print",
        /// A projector.
        Slides = "slides",
    }
}

/// Widths that have a name, in mm.
const COLUMN: f64 = 84.0;
const PAGE: f64 = 174.0;

fn millimetres(text: &str) -> Result<f64, String> {
    match (text, text.parse()) {
        ("column", _) => Ok(COLUMN),
        ("page", _) => Ok(PAGE),
        (_, Ok(mm)) if (70.0..=400.0).contains(&mm) => Ok(mm),
        _ => Err("give column, page, or 70 to 400 (mm)".to_owned()),
    }
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

/// Carries out `work` on each of `items`, on a thread each; results in their order.
fn each<I: Sync, R: Send>(items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let work = &work;
    scope(|scope| {
        let spawn = |item| scope.spawn(move || work(item));
        let threads: Vec<_> = items.iter().map(spawn).collect();
        let done = threads.into_iter().map(|t| t.join());
        done.map(|r| r.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

impl FiguresCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// Unreadable run files are a wrong request.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let look = self.look()?;
        let groups = self.groups()?;
        if look == Look::Screen {
            for (chapter, runs) in chapters(&groups) {
                conclude_chapter(&runs, chapter)?;
            }
        }
        let groups: Vec<_> = groups.into_iter().collect();
        let drawn = each(&groups, |(dir, runs)| draw(dir, runs, look));
        let mut figures = Vec::new();
        for (stems, (group, _)) in drawn.into_iter().zip(&groups) {
            let pictures = stems?.into_iter().map(|stem| format!("{stem}.png"));
            figures.extend(pictures.map(|name| group.join(name).display().to_string()));
        }
        if self.json {
            return print_json(&figures);
        }
        for figure in figures {
            print(&format!("{figure}\n"));
        }
        Ok(Outcome::Done)
    }

    fn look(&self) -> Result<Look, CommandError> {
        match (self.theme, self.width) {
            (None, None) => Ok(Look::Screen),
            (Some(Theme::Slides), None) => Ok(Look::Slide),
            (Some(Theme::Slides), Some(_)) => Err(CommandError::Request(
                "--width is for print, and a slide is 16:9: leave one of --width and --theme out"
                    .to_owned(),
            )),
            (_, mm) => Ok(Look::Print {
                mm: mm.unwrap_or(PAGE),
            }),
        }
    }

    /// The runs that are there.
    fn groups(&self) -> Result<Groups, CommandError> {
        let found = self.dirs.iter().map(|dir| find_runs(dir));
        let found: Result<Vec<_>, RunFileError> = found.collect();
        let paths: BTreeSet<PathBuf> = found
            .map_err(CommandError::request)?
            .into_iter()
            .flatten()
            .collect();
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        // A run has thousands of histograms to unpack.
        let read = each(&paths, |path| read_run(path).map(|run| analyse(&run)));
        let mut groups = Groups::new();
        for (path, read) in paths.iter().zip(read) {
            let analysis = read.map_err(CommandError::request)?;
            let dir = path.parent().map(PathBuf::from).unwrap_or_default();
            // Runs of one experiment lie in `<dir>/<mode>/run.json`; a single run in `<dir>/run.json`.
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
}

/// Draws the runs of one experiment; returns the figures' stems relative to `group`.
fn draw(
    group: &Path,
    runs: &[(PathBuf, Analysis)],
    look: Look,
) -> Result<Vec<String>, CommandError> {
    if look == Look::Screen {
        for (dir, analysis) in runs {
            save_analysis(analysis, dir)?;
        }
    }
    let mut items: Vec<&Analysis> = runs.iter().map(|r| &r.1).collect();
    // The server first, as when they were measured.
    items.sort_by_key(|analysis| std::cmp::Reverse(analysis.run.mode));
    let in_mode_dirs = runs.iter().all(|(dir, _)| dir != group);
    if in_mode_dirs && look == Look::Screen {
        return draw_all(&items, group);
    }
    if in_mode_dirs {
        return draw_figures(&items, look, group);
    }
    let drawn: Result<Vec<_>, CommandError> = items
        .iter()
        .map(|item| match look {
            Look::Screen => draw_alone(item, group),
            look => {
                let written = drawings::draw_run(item, look, group).context("drawing")?;
                Ok(drawings::stems(&written))
            }
        })
        .collect();
    Ok(drawn?.concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample_run;

    #[test]
    fn widths_have_names_and_bounds() {
        let widths = ["column", "page", "120.5"].map(|text| millimetres(text).unwrap());
        assert_eq!(widths, [COLUMN, PAGE, 120.5]);
        for wrong in ["wide", "8", "NaN", "-84", "1e9", ""] {
            assert!(millimetres(wrong).is_err(), "{wrong}");
        }
    }

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
