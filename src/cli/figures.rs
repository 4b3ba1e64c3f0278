//! `figures`: redraws everything from stored runs; no server, no clock.

use std::path::PathBuf;

use clap::Args;

use super::canned::{conclude_chapter, draw_all};
use super::measure::{draw_alone, save_analysis};
use super::outcome::{CommandError, Outcome};
use super::stored::{chapters, read_groups};
use crate::console::print;
use crate::stats::Analysis;

/// `procbench figures`
#[derive(Debug, Args)]
#[command(after_help = "\
Example (of a chapter, its report.html, too):
  procbench figures results/20261123T101500Z-chapter-1a2b3c")]
pub struct FiguresCommand {
    /// Directory below which run files are looked for
    dir: PathBuf,
}

impl FiguresCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// Unreadable run files are a wrong request.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let groups = read_groups(&self.dir)?;
        for (dir, analysis) in groups.values().flatten() {
            save_analysis(analysis, dir)?;
        }
        for (chapter, runs) in chapters(&groups, &self.dir) {
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
