//! `run` and `chapter`: canned experiments, measured, compared, drawn, summed up.

use std::path::Path;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::measure::{Measured, measure, output_dir, print_run, print_tables};
use super::options::{LoadOptions, ModelOptions, OutputOptions, StdoutFormat, VersionOptions};
use super::outcome::{CommandError, Outcome};
use super::print;
use super::server_options::ServerOptions;
use crate::config::{ClientRate, Config};
use crate::execute::estimate;
use crate::experiment::{self, Experiment, Scale};
use crate::load::{Cancel, OfferedRate};
use crate::model::connection_cpu;
use crate::record::{Mode, write_atomically};
use crate::report::{comparable, drawings, findings, summary_text, table};

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

/// `procbench run`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench run churn-tail --quick
  procbench run churn-tail --mode server --server local --standing 0,200
  procbench run locks --quick         the model under every lock
  procbench experiments               lists the names")]
pub struct RunCommand {
    /// Name of the experiment
    experiment: String,
    /// Which modes to run
    #[arg(long, value_enum, default_value = "both")]
    mode: ModeChoice,
    #[command(flatten)]
    load: LoadOptions,
    #[command(flatten)]
    version: VersionOptions,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    output: OutputOptions,
}

/// `procbench chapter`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench chapter --quick --install   the README's first command, some minutes
  procbench chapter                     for print, about a quarter of an hour
  procbench chapter --quick --server local")]
pub struct ChapterCommand {
    /// Install what is missing first (apt-get on Debian and Ubuntu; elsewhere prints the command)
    #[arg(long)]
    install: bool,
    #[command(flatten)]
    load: LoadOptions,
    #[command(flatten)]
    version: VersionOptions,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    output: OutputOptions,
}

impl RunCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A wrong request, or results that could not be written.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let experiment = experiment::find(&self.experiment).map_err(CommandError::request)?;
        let given = Given {
            load: self.load,
            version: self.version,
            server: self.server,
            model: self.model,
        };
        let dir_name = experiment.name;
        carry_out(&[experiment], self.mode, &given, &self.output, dir_name)
    }
}

impl ChapterCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A wrong request, or results that could not be written.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let given = Given {
            load: self.load,
            version: self.version,
            server: self.server,
            model: self.model,
        };
        // Those that lay model and server side by side; the others are `run` by name.
        let experiments: Vec<&Experiment> = experiment::registry()
            .iter()
            .filter(|e| e.modes.contains(&Mode::Server) && e.modes.contains(&Mode::Model))
            .collect();
        for experiment in &experiments {
            for &mode in experiment.modes {
                given.config(experiment, mode)?;
            }
        }
        if self.install {
            super::doctor::install_missing()?;
        }
        carry_out(
            &experiments,
            ModeChoice::Both,
            &given,
            &self.output,
            "chapter",
        )
    }
}

/// What was given on the command line.
struct Given {
    load: LoadOptions,
    version: VersionOptions,
    server: ServerOptions,
    model: ModelOptions,
}

impl Given {
    /// # Errors
    /// What makes no sense, in one line.
    fn config(&self, experiment: &Experiment, mode: Mode) -> Result<Config, CommandError> {
        let scale = if self.load.quick {
            Scale::Quick
        } else {
            Scale::Full
        };
        let mut config = (experiment.config)(mode, scale);
        self.load.apply(&mut config);
        // One list of arms for both modes: each runs those it has. With none of them the
        // list stays, so that validation names what is wrong.
        if config.arms.iter().any(|a| a.exists_in(mode)) {
            config.arms.retain(|a| a.exists_in(mode));
        }
        if let Some(model) = &mut config.model {
            self.model.apply(model);
            self.version.apply(model).map_err(CommandError::request)?;
        }
        if let Some(server) = &mut config.server {
            self.server.apply(&self.version, server);
        }
        config.validate().map_err(CommandError::request)?;
        Ok(config)
    }
}

fn carry_out(
    experiments: &[&Experiment],
    modes: ModeChoice,
    given: &Given,
    output: &OutputOptions,
    name: &str,
) -> Result<Outcome, CommandError> {
    let wanted = |mode| match modes {
        ModeChoice::Both => true,
        ModeChoice::Model => mode == Mode::Model,
        ModeChoice::Server => mode == Mode::Server,
    };
    let mut planned = std::time::Duration::ZERO;
    for experiment in experiments {
        if !experiment.modes.iter().any(|&m| wanted(m)) {
            let modes: Vec<&str> = experiment.modes.iter().map(|m| m.name()).collect();
            return Err(CommandError::Request(format!(
                "experiment '{}' cannot run in that mode: give --mode {}",
                experiment.name,
                modes.join(" or --mode ")
            )));
        }
        for &mode in experiment.modes.iter().filter(|m| wanted(**m)) {
            planned += estimate(&given.config(experiment, mode)?);
        }
    }
    let (dir, _) = output_dir(output, name)?;
    let cancel = Cancel::on_signals().context("cannot handle signals")?;
    eprintln!(
        "procbench: planned time: about {} s",
        planned.as_secs().max(1)
    );
    let mut outcome = Outcome::Done;
    for experiment in experiments {
        let place = if experiments.len() > 1 {
            dir.join(experiment.name)
        } else {
            dir.clone()
        };
        let mut all: Vec<Measured> = Vec::new();
        for &mode in experiment.modes.iter().filter(|m| wanted(**m)) {
            if cancel.is_cancelled() {
                outcome = Outcome::Partial;
                break;
            }
            let mut config = given.config(experiment, mode)?;
            if let Some(server) = all.iter().find(|m| m.run.mode == Mode::Server) {
                follow_server(&mut config, server, given);
            }
            let request = config.server.as_ref().map(|_| given.server.request());
            let mode_dir = place.join(mode.name());
            let measured = measure(
                experiment.name,
                &config,
                request.as_ref(),
                &cancel,
                &mode_dir,
                None,
            )?;
            if measured.outcome() == Outcome::Partial {
                outcome = Outcome::Partial;
            }
            all.push(measured);
        }
        conclude(experiment, &all, &place, output.format)?;
    }
    crate::console::tell(&format!("procbench: everything is in {}", dir.display()));
    Ok(outcome)
}

/// The model offers the server's rate and burns the CPU that the server was
/// seen to use for a connection, so that the two can be laid side by side.
fn follow_server(config: &mut Config, server: &Measured, given: &Given) {
    if given.load.client_rate.is_none()
        && let Some(rate) = server.run.client_rate_per_second
    {
        config.client_rate = ClientRate::Given(OfferedRate::PerSecond(rate));
    }
    let costs_given = given.model.fork_cpu.is_some() || given.model.session_cpu.is_some();
    if !costs_given
        && let Some(model) = &mut config.model
        && let Some(cost) = connection_cpu(&server.run, &server.summary)
    {
        model.fork_cpu_ns = cost.fork_ns;
        model.session_cpu_ns = cost.session_ns;
        model.cpu_cost_source = format!(
            "CPU of the server in run {}: fork-only minus quiet, unpooled minus fork-only",
            server.run.run_id
        );
    }
}

/// Figures, comparison and summary of one experiment's runs.
fn conclude(
    experiment: &Experiment,
    all: &[Measured],
    dir: &Path,
    format: StdoutFormat,
) -> Result<(), CommandError> {
    let items: Vec<drawings::Summarized<'_>> = all.iter().map(|m| (&m.run, &m.summary)).collect();
    let figures = draw_all(&items, dir)?;
    let text = summary_text::markdown(experiment, &items, &figures);
    write_atomically(&dir.join("SUMMARY.md"), text.as_bytes())
        .context("the summary could not be saved")?;
    if format != StdoutFormat::Text {
        return all.iter().try_for_each(|m| print_run(m, format));
    }
    for measured in all {
        print_tables(&measured.run, &measured.summary);
    }
    if items.len() > 1 {
        print(&table::comparison_table(&items));
    }
    for item in &items {
        for line in findings::findings(item) {
            print(&format!("{}\n", line.replace("**", "")));
        }
        let told = (experiment.assess)(item.0, item.1);
        if !told.is_empty() {
            print(&format!("{}: {told}\n", findings::place(item.0)));
        }
    }
    print(&format!(
        "\nsummary: {}\n",
        dir.join("SUMMARY.md").display()
    ));
    for figure in figures {
        print(&format!(
            "figure:  {}\n",
            dir.join(format!("{figure}.png")).display()
        ));
    }
    Ok(())
}

/// Draws each run beside its run file and, if they may be compared, all of them
/// together; returns the stems relative to `dir`.
pub fn draw_all(
    items: &[drawings::Summarized<'_>],
    dir: &Path,
) -> Result<Vec<String>, CommandError> {
    let redraw = format!("procbench figures {}", dir.display());
    let runs: Vec<_> = items.iter().map(|i| i.0).collect();
    let mut written = Vec::new();
    if items.len() > 1 {
        match comparable::check(&runs) {
            Ok(()) => {
                written.extend(drawings::draw_comparison(items, dir, &redraw).context("drawing")?)
            }
            Err(reason) => crate::console::tell(&format!("procbench: no comparison: {reason}")),
        }
    }
    for item in items {
        let place = dir.join(item.0.mode.name());
        written.extend(drawings::draw_run(*item, &place, &redraw).context("drawing")?);
    }
    let stems = written
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "png"))
        .filter_map(|path| path.strip_prefix(dir).ok())
        .map(|path| path.with_extension("").display().to_string())
        .collect();
    Ok(stems)
}
