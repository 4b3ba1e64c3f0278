//! `figures`: redraws everything from stored runs; no server, no clock.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::canned::{conclude_chapter, draw_all, draw_figures};
use super::cluster;
use super::measure::{draw_alone, print_json, save_analysis};
use super::outcome::{CommandError, Outcome};
use super::stored::{chapters, read_groups};
use crate::console::print;
use crate::names::named_enum;
use crate::parallel::each;
use crate::report::drawings;
use crate::report::figure::Look;
use crate::stats::Analysis;

/// `procbench figures`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples (of a chapter its report.html, too):
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

impl FiguresCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// Unreadable run files are a wrong request.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let look = self.look()?;
        let others = self.dirs.iter().filter(|dir| !cluster::are_all(dir));
        let others: Vec<PathBuf> = others.cloned().collect();
        let groups = read_groups(&others)?;
        if look == Look::Screen {
            for (chapter, runs) in chapters(&groups, &self.dirs) {
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
        for dir in &self.dirs {
            figures.extend(cluster::redraw(dir, look)?);
        }
        if self.json {
            return print_json(&figures);
        }
        for figure in figures {
            print(format!("{figure}\n"));
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

    #[test]
    fn widths_have_names_and_bounds() {
        let widths = ["column", "page", "120.5"].map(|text| millimetres(text).unwrap());
        assert_eq!(widths, [COLUMN, PAGE, 120.5]);
        for wrong in ["wide", "8", "NaN", "-84", "1e9", ""] {
            assert!(millimetres(wrong).is_err(), "{wrong}");
        }
    }
}
