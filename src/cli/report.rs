//! `report`: one HTML page of stored runs; no server, no clock.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Args;

use super::cluster;
use super::outcome::{CommandError, Outcome};
use super::stored::{Groups, chapters, read_groups};
use crate::console::{print, tell};
use crate::record::write_atomically;
use crate::report::html::{self, Group, REPORT_FILE_NAME};

/// Programs that open a page in the user's browser.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// `procbench report`
#[derive(Debug, Args)]
#[command(after_help = "\
The page holds everything: style, script, figures, tables. Nothing is fetched from the network.

Examples:
  procbench report results/chapter-quick            writes results/chapter-quick/report.html
  procbench report results/churn-tail --open        the same of one experiment, in the browser
  procbench report results/pool --out pool.html")]
pub struct ReportCommand {
    /// Directory of a chapter, an experiment or a run
    dir: PathBuf,
    /// Open it in the browser
    #[arg(long)]
    open: bool,
    /// File to write instead of DIR/report.html
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl ReportCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// Unreadable run files, and a place that cannot be written to, are wrong requests; a full disk is a failure.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let text = if cluster::are_all(&self.dir) {
            cluster::page(&self.dir)?
        } else {
            page(&read_groups(std::slice::from_ref(&self.dir))?, &self.dir)?
        };
        let own_dir = match self.dir.is_file() {
            true => self.dir.parent().unwrap_or(&self.dir),
            false => &self.dir,
        };
        let path = self.out.unwrap_or_else(|| own_dir.join(REPORT_FILE_NAME));
        write_atomically(&path, text.as_bytes()).map_err(CommandError::unwritten_file)?;
        print(format!("{}\n", path.display()));
        if self.open && !OPENERS.iter().any(|program| opens(program, &path)) {
            let (programs, path) = (OPENERS.join(" nor "), path.display());
            tell(&format!(
                "procbench: neither {programs} could open it: open {path} in a browser yourself"
            ));
        }
        Ok(Outcome::Done)
    }
}

/// The page of these runs, below `dir`.
fn page(groups: &Groups, dir: &Path) -> Result<String, CommandError> {
    let all: usize = groups.values().map(Vec::len).sum();
    let chapters = chapters(groups, &[dir.to_owned()]);
    let text = match &chapters[..] {
        [(_, runs)] if runs.len() == all => html::of_chapter(runs),
        _ => {
            let groups = groups.iter().map(|(place, runs)| Group {
                dir: match place.strip_prefix(dir) {
                    Ok(below) => below.display().to_string(),
                    Err(_) => String::new(),
                },
                runs: runs.iter().map(|run| &run.1).collect(),
            });
            html::of_groups(groups.collect())
        }
    };
    Ok(text.context("no report")?)
}

/// Whether a program was there and opened a page.
fn opens(program: impl AsRef<OsStr>, path: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
