//! What `run` and `chapter` share: canned experiments, measured, compared, drawn, summed up.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

use super::factor_options::OfBoth;
use super::measure::{
    measure, outcome_of, output_dir, print_answer, print_rows, remove_empty, save_summary,
    save_text,
};
use super::options::{LoadOptions, ModelOptions, OutputOptions, StdoutFormat};
use super::outcome::{CommandError, Outcome};
use super::server_options::ServerOptions;
use super::taken_over::take_over;
use crate::arm::Mode;
use crate::config::Config;
use crate::console::{complain, print, tell};
use crate::execute::estimate;
use crate::experiment::{self, Experiment, lay_beside};
use crate::factor::{ClientRate, Factor, OfferedRate};
use crate::load::Cancel;
use crate::report::brief::Brief;
use crate::report::figure::Look;
use crate::report::html::REPORT_FILE_NAME;
use crate::report::{comparable, drawings, html, one_page, rows, summary_text};
use crate::stats::{Analysis, connection_cpu};

/// Which modes to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModeChoice {
    /// Both, the server first.
    Both,
    /// The model only.
    Model,
    /// The server only.
    Server,
}

/// The options of a canned experiment, in either mode.
#[derive(Debug, clap::Args)]
pub(super) struct Given {
    #[command(flatten)]
    pub(super) load: LoadOptions,
    #[command(flatten)]
    pub(super) factors: OfBoth,
    #[command(flatten)]
    pub(super) server: ServerOptions,
    #[command(flatten)]
    pub(super) model: ModelOptions,
}

impl Given {
    /// # Errors
    /// What makes no sense, in one line.
    pub(super) fn config(
        &self,
        experiment: &Experiment,
        mode: Mode,
    ) -> Result<Config, CommandError> {
        let mut config = experiment.config(mode, self.load.scale());
        self.load.apply(&mut config)?;
        // One list of arms for both modes: each runs those it has. With none of them the
        // list stays, so that validation names what is wrong.
        if config.arms.iter().any(|a| a.exists_in(mode)) {
            config.arms.retain(|a| a.exists_in(mode));
        }
        self.server.apply(&self.factors, &mut config)?;
        // After the factors: --committers 0 stands beside --commit-rate, and is refused.
        if let Some(model) = &mut config.model {
            self.model.apply(model)?;
        }
        config.validate().map_err(CommandError::request)?;
        Ok(config)
    }
}

/// What is to be carried out, and where it goes.
pub(super) struct Order<'a> {
    /// The experiments.
    pub(super) experiments: &'a [&'a Experiment],
    /// Which modes of each.
    pub(super) modes: ModeChoice,
    /// The name in the directory's name.
    pub(super) name: &'static str,
    /// Whether each experiment has a directory of its own.
    pub(super) is_chapter: bool,
    /// Whether complete runs that are there already are taken over.
    pub(super) resumes: bool,
}

impl Order<'_> {
    /// The modes in which to run one of them.
    fn modes(&self, experiment: &Experiment) -> Vec<Mode> {
        let mut modes = experiment.modes.to_vec();
        modes.retain(|mode| match self.modes {
            ModeChoice::Both => true,
            ModeChoice::Model => *mode == Mode::Model,
            ModeChoice::Server => *mode == Mode::Server,
        });
        modes
    }

    /// One of them in one mode; its model beside its server where both are run.
    fn config(
        &self,
        experiment: &Experiment,
        mode: Mode,
        given: &Given,
    ) -> Result<Config, CommandError> {
        let mut config = given.config(experiment, mode)?;
        if mode == Mode::Model && self.modes(experiment).contains(&Mode::Server) {
            lay_beside(&mut config, &given.config(experiment, Mode::Server)?);
        }
        Ok(config)
    }

    /// Time that all of it takes, roughly.
    ///
    /// # Errors
    /// What makes no sense, in one line.
    pub(super) fn planned(&self, given: &Given) -> Result<Duration, CommandError> {
        let mut planned = Duration::ZERO;
        for experiment in self.experiments {
            let wanted = self.modes(experiment);
            if wanted.is_empty() {
                let modes: Vec<&str> = experiment.modes.iter().map(|m| m.name()).collect();
                return Err(CommandError::Request(format!(
                    "experiment '{}' cannot run in that mode: give --mode {}",
                    experiment.name,
                    modes.join(" or --mode ")
                )));
            }
            for mode in wanted {
                planned += estimate(&self.config(experiment, mode, given)?);
            }
        }
        Ok(planned)
    }
}

/// `4 min 10 s`.
fn in_words(time: Duration) -> String {
    match (time.as_secs() / 60, time.as_secs() % 60) {
        (0, s) => format!("{} s", s.max(1)),
        (m, s) => format!("{m} min {s} s"),
    }
}

/// Carries out an order; what fails or is interrupted makes it partial, the rest goes on.
///
/// # Errors
/// A wrong request, or results that could not be written.
pub(super) fn carry_out(
    order: &Order<'_>,
    given: &Given,
    output: &OutputOptions,
) -> Result<Outcome, CommandError> {
    let planned = order.planned(given)?;
    let (dir, _, made) = output_dir(output, order.name)?;
    let cancel = Cancel::on_signals().context("cannot handle signals")?;
    tell(&format!(
        "procbench: planned time: about {}",
        in_words(planned)
    ));
    let mut outcome = Outcome::Done;
    let mut measured: Vec<Analysis> = Vec::new();
    for experiment in order.experiments {
        let mut place = dir.clone();
        if order.is_chapter {
            place.push(experiment.name);
        }
        let mut all: Vec<Analysis> = Vec::new();
        for mode in order.modes(experiment) {
            if cancel.is_cancelled() {
                outcome = Outcome::Partial;
                break;
            }
            let mut config = order.config(experiment, mode, given)?;
            if let Some(server) = all.iter().find(|m| m.run.mode == Mode::Server) {
                follow_server(&mut config, server, given);
            }
            let mode_dir = place.join(mode.name());
            let known = match order.resumes {
                true => take_over(experiment.name, &config, &mode_dir)?,
                false => None,
            };
            let analysis = match known {
                Some(analysis) => Some(analysis),
                None => measure(experiment.name, &config, &cancel, &mode_dir, None)?,
            };
            let Some(analysis) = analysis else {
                outcome = Outcome::Partial;
                continue;
            };
            outcome = outcome.max(outcome_of(&analysis));
            all.push(analysis);
        }
        if all.is_empty() {
            continue;
        }
        if let Err(problem) = conclude(experiment, &all, &place, output, order.is_chapter) {
            // The run files are there; the other experiments still have to be measured.
            complain(&format!("procbench: {}: {problem}", experiment.name));
            outcome = Outcome::Partial;
        }
        measured.extend(all);
    }
    if measured.is_empty() {
        remove_empty(&made);
        return Ok(outcome);
    }
    let format = output.stdout.format();
    if format != StdoutFormat::Text {
        let rows: Vec<_> = measured.iter().flat_map(rows::summary_rows).collect();
        print_rows(&rows, format)?;
    }
    let is_told = order.is_chapter && format == StdoutFormat::Text;
    if order.is_chapter {
        let runs: Vec<&Analysis> = measured.iter().collect();
        conclude_chapter(&runs, &dir)?;
        if is_told {
            let page = dir.join("SUMMARY.md");
            let rest = format!(
                "One page: {}; all of it in a browser: report.html there.",
                page.display()
            );
            print(Brief::of_chapter(&runs).terminal(&rest));
        }
    }
    if !is_told {
        tell(&format!("procbench: everything is in {}", dir.display()));
    }
    if order.is_chapter && outcome == Outcome::Partial {
        complain(&format!(
            "procbench: not complete: the same command with --resume {} measures what is missing",
            dir.display()
        ));
    }
    Ok(outcome)
}

/// The model offers the server's rate and burns the CPU that the server was
/// seen to use for a connection, so that the two can be laid side by side.
fn follow_server(config: &mut Config, server: &Analysis, given: &Given) {
    if !given.factors.is_given(Factor::ClientRate)
        && let Some(rate) = server.run.client_rate_per_second
    {
        config.client_rate = ClientRate::Given(OfferedRate::PerSecond(rate));
    }
    if !given.model.give_cpu()
        && let Some(model) = &mut config.model
        && let Some(cost) = connection_cpu(server)
    {
        model.fork_cpu_ns = cost.fork_ns;
        model.session_cpu_ns = cost.session_ns;
        model.cpu_cost_source = format!(
            "CPU of the server in run {}: fork-only, and unpooled minus fork-only, without the readers' part",
            server.run.run_id
        );
    }
}

/// Writes the chapter's own summary, its argument against these runs, and all of it as one HTML page.
pub fn conclude_chapter(runs: &[&Analysis], dir: &Path) -> Result<(), CommandError> {
    save_summary(dir, &one_page::of_chapter(runs))?;
    let page = html::of_chapter(runs).context("no report")?;
    save_text(&dir.join(REPORT_FILE_NAME), &page)
}

/// Figures, comparison and summary of one experiment's runs. A chapter's own answer comes at its end.
fn conclude(
    experiment: &Experiment,
    all: &[Analysis],
    dir: &Path,
    output: &OutputOptions,
    is_part: bool,
) -> Result<(), CommandError> {
    let items: Vec<&Analysis> = all.iter().collect();
    draw_all(&items, dir)?;
    let is_text = output.stdout.format() == StdoutFormat::Text;
    if is_text && (output.details || !is_part) {
        print_answer(Some(experiment), &items, output, dir);
    }
    Ok(())
}

/// Draws each run of an experiment beside its run file and, if they may be compared, all of them together, and
/// sums them up; returns the figures' stems relative to `dir`.
pub fn draw_all(items: &[&Analysis], dir: &Path) -> Result<Vec<String>, CommandError> {
    let stems = draw_figures(items, Look::Screen, dir)?;
    if let Some(first) = items.first()
        && let Ok(experiment) = experiment::find(&first.run.experiment)
    {
        save_summary(dir, &one_page::of_experiment(experiment, items, &stems))?;
        let details = summary_text::markdown(experiment, items, &stems);
        save_text(&dir.join("DETAILS.md"), &details)?;
    }
    Ok(stems)
}

/// The figures alone.
pub fn draw_figures(
    items: &[&Analysis],
    look: Look,
    dir: &Path,
) -> Result<Vec<String>, CommandError> {
    let mut written = Vec::new();
    if items.len() > 1 {
        match comparable::check(items) {
            Ok(()) => {
                let drawn = drawings::draw_comparison(items, look, dir);
                written.extend(drawn.context("drawing")?);
            }
            Err(reason) => tell(&format!("procbench: no comparison: {reason}")),
        }
    }
    for item in items {
        let place = dir.join(item.run.mode.name());
        let drawn = drawings::draw_run(item, look, &place);
        written.extend(drawn.context("drawing")?);
    }
    let stems: Vec<String> = written
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "png"))
        .filter_map(|path| path.strip_prefix(dir).ok())
        .map(|path| path.with_extension("").display().to_string())
        .collect();
    Ok(stems)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::chapter;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        given: Given,
    }

    fn planned(arguments: &[&str]) -> Duration {
        let line = std::iter::once("procbench").chain(arguments.iter().copied());
        let given = Line::parse_from(line).given;
        let experiments = chapter(given.load.scale());
        let order = Order {
            experiments: &experiments,
            modes: ModeChoice::Both,
            name: "chapter",
            is_chapter: true,
            resumes: false,
        };
        order.planned(&given).unwrap()
    }

    #[test]
    fn the_chapter_is_planned_within_its_bounds() {
        let minutes = |m: u64| Duration::from_secs(60 * m);
        let quick = planned(&["--quick"]);
        assert!(quick <= minutes(4), "{quick:?}");
        let full = planned(&[]);
        assert!(full <= minutes(45), "{full:?}");
    }
}
