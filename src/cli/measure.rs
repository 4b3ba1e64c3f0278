//! `model` and `server`: one mode with free parameters; and the steps that
//! every measuring command shares.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::factor_options::{OfModel, OfServer};
use super::options::{LoadOptions, ModelOptions, OutputOptions, StdoutFormat};
use super::outcome::{CommandError, Outcome};
use super::server_options::ServerOptions;
use crate::arm::Mode;
use crate::chapter7::find_cluster_runs;
use crate::config::{self, Config, ServerChoice};
use crate::conninfo::{Conninfo, Environment};
use crate::console::{complain, print, tell};
use crate::execute::{execute, run_id};
use crate::experiment::{self, Experiment, analyse};
use crate::factor::Isolate;
use crate::load::Cancel;
use crate::load::driver::Bench;
use crate::load::progress::Progress;
use crate::model::ModelBench;
use crate::record::{RunFileError, find_runs, write_atomically, write_run};
use crate::report::brief::Brief;
use crate::report::comparison::comparison;
use crate::report::figure::Look;
use crate::report::markdown::wrapped;
use crate::report::rows::{self, SummaryRow};
use crate::report::section::{self, Section};
use crate::report::{advice, drawings, findings, summary_text};
use crate::server::ServerBench;
use crate::server::provision::sweep_and_tell;
use crate::stats::Analysis;

/// `procbench model`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench model --quick
  procbench model --lock std --standing 0,2000 --client-rate 200
  procbench model --arms kept-open,unpooled --reader-rate max --duration 10s
  procbench model --pg 13,15,18 --mapping fresh --standing 0..2000:5 --quick
  procbench model --without reuse --commit-rate 0,10..1000:log4 --quick")]
pub struct ModelCommand {
    #[command(flatten)]
    load: LoadOptions,
    #[command(flatten)]
    factors: OfModel,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    output: OutputOptions,
}

/// `procbench server`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench server --quick
  procbench server --server local --standing 0,200,500 --query select-only
  PGPASSWORD=... procbench server postgres://me@db.example:5432/app   # your own server: should I pool?
  procbench server 'host=db.example user=me dbname=app sslmode=verify-full sslrootcert=ca.pem'
  procbench server --url-from-env     the server of PGHOST, PGSERVICE and the like, as psql connects to
  procbench server --transport unix --arms quiet,kept-open,unpooled")]
pub struct ServerCommand {
    /// Your own server, as with --server URL: gentle load, nothing changed, an answer to 'should I pool?'
    #[arg(value_name = "URL", conflicts_with = "server")]
    url: Option<Conninfo>,
    /// Your own server, as psql finds it without arguments: PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE, ...
    #[arg(long, conflicts_with_all = ["url", "server"])]
    url_from_env: bool,
    /// Connections per second that your server gets from its users, if you know it (for the estimate)
    #[arg(long, value_name = "RATE", value_parser = config::their_rate, allow_negative_numbers = true)]
    their_rate: Option<f64>,
    #[command(flatten)]
    load: LoadOptions,
    #[command(flatten)]
    factors: OfServer,
    #[command(flatten)]
    server: ServerOptions,
    #[command(flatten)]
    output: OutputOptions,
}

/// What a free run begins with.
fn free_run(mode: Mode, load: &LoadOptions) -> Result<Config, CommandError> {
    let experiment = experiment::find("churn-tail").map_err(CommandError::request)?;
    let mut config = experiment.config(mode, load.scale());
    // Cores of their own are the experiment's: a free run is the machine as it is, unless --isolate is given.
    for isolate in &mut config.factors.isolate {
        *isolate = Isolate::Off;
    }
    config.factors.isolate.truncate(1);
    Ok(config)
}

impl ModelCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A wrong request, or a run that could not be written.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let mut config = free_run(Mode::Model, &self.load)?;
        self.load.apply(&mut config)?;
        self.factors.apply(&mut config)?;
        // After the factors: --committers 0 stands beside --commit-rate, and is refused.
        if let Some(model) = &mut config.model {
            self.model.apply(model)?;
        }
        one_run("model", &config, &self.output)
    }
}

impl ServerCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A wrong request, or a run that could not be written.
    pub fn run(mut self) -> Result<Outcome, CommandError> {
        let mut config = free_run(Mode::Server, &self.load)?;
        if let Some(url) = self.url {
            self.server.server = Some(ServerChoice::Url(url));
        } else if self.url_from_env {
            let nothing_said = "postgres://".parse().map_err(CommandError::Request)?;
            self.server.server = Some(ServerChoice::Url(nothing_said));
        } else if self.server.server.is_none()
            && let Some(variable) = Environment::of_this_process().names_server()
        {
            tell(&format!(
                "procbench: {variable} is set, and a server is started all the same: --url-from-env measures the one it names"
            ));
        }
        let is_url = matches!(self.server.server, Some(ServerChoice::Url(_)));
        if is_url {
            config::gentle(&mut config, self.load.quick);
        } else if self.their_rate.is_some() {
            return Err(CommandError::Request(
                "--their-rate is for a server of your own: name it by URL".to_owned(),
            ));
        }
        self.load.apply(&mut config)?;
        self.server.apply(&self.factors, &mut config)?;
        if let Some(server) = &mut config.server {
            server.own.their_rate = self.their_rate;
        }
        if is_url && config::add_pooler(&mut config) {
            tell("procbench: --pgbouncer: the arm pgbouncer takes part, too");
        }
        one_run("server", &config, &self.output)
    }
}

fn one_run(name: &str, config: &Config, output: &OutputOptions) -> Result<Outcome, CommandError> {
    config.validate().map_err(CommandError::request)?;
    let (dir, id, made) = output_dir(output, name)?;
    let cancel = Cancel::on_signals().context("cannot handle signals")?;
    let Some(analysis) = measure(name, config, &cancel, &dir, Some(id))? else {
        remove_empty(&made);
        return Ok(Outcome::Partial);
    };
    draw_alone(&analysis, &dir)?;
    print_run(&analysis, output, &dir)?;
    tell(&format!(
        "procbench: run file and figures are in {}",
        dir.display()
    ));
    Ok(outcome_of(&analysis))
}

/// Draws one run into its directory, with its pages if it was against somebody's own server; returns the figures'
/// stems.
pub fn draw_alone(analysis: &Analysis, dir: &Path) -> Result<Vec<String>, CommandError> {
    let written = drawings::draw_run(analysis, Look::Screen, dir).context("drawing")?;
    let stems = drawings::stems(&written);
    if let Some(page) = advice::one_page(analysis, &stems) {
        save_summary(dir, &page)?;
    }
    if let Some(details) = advice::details(analysis, &stems) {
        save_text(&dir.join("DETAILS.md"), &details)?;
    }
    Ok(stems)
}

/// Writes `SUMMARY.md`.
pub fn save_summary(dir: &Path, text: &str) -> Result<(), CommandError> {
    save_text(&dir.join("SUMMARY.md"), text)
}

/// Writes a page; the prose of one in Markdown is wrapped.
pub fn save_text(path: &Path, text: &str) -> Result<(), CommandError> {
    let is_markdown = path.extension().is_some_and(|e| e == "md");
    let text = if is_markdown { &wrapped(text) } else { text };
    write_atomically(path, text.as_bytes())
        .with_context(|| format!("{} could not be saved", path.display()))?;
    Ok(())
}

/// Makes a directory for results. Gives those that were not there before, the innermost first.
pub fn make_dir(dir: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let is_missing = |d: &&Path| !d.as_os_str().is_empty() && !d.exists();
    let missing: Vec<PathBuf> = dir
        .ancestors()
        .take_while(is_missing)
        .map(Path::to_owned)
        .collect();
    // Found out before hours of measuring, not after.
    std::fs::create_dir_all(dir)
        .and_then(|()| tempfile::tempfile_in(dir).map(drop))
        .map_err(|e| CommandError::unwritten(dir, &e))?;
    Ok(missing)
}

/// Removes what was made for results, as far as there is nothing in it.
pub fn remove_empty(made: &[PathBuf]) {
    for dir in made {
        // One that is not empty stays.
        let _ = std::fs::remove_dir(dir);
    }
}

/// The directory of a new run, the id in its name, and what was made for it.
///
/// # Errors
/// When it cannot be written to, or holds an earlier run that is not to be overwritten.
pub fn output_dir(
    output: &OutputOptions,
    name: &str,
) -> Result<(PathBuf, String, Vec<PathBuf>), CommandError> {
    let id = run_id();
    let dir = output.out.clone().unwrap_or_else(|| {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        PathBuf::from(format!("results/{now}-{name}-{id}"))
    });
    if !output.overwrite && dir.is_dir() {
        let runs = match find_runs(&dir) {
            Err(RunFileError::NoRuns(_)) => Ok(Vec::new()),
            found => found,
        };
        let on_clusters = find_cluster_runs(&dir);
        let found = runs.and_then(|runs| Ok([runs, on_clusters?].concat()));
        if let Some(there) = found.map_err(CommandError::request)?.first() {
            return Err(CommandError::Request(format!(
                "--out {}: an earlier run is there ({}): name another directory, or give --overwrite",
                dir.display(),
                there.display()
            )));
        }
    }
    let made = make_dir(&dir)?;
    Ok((dir, id, made))
}

/// Done, or partial.
pub fn outcome_of(analysis: &Analysis) -> Outcome {
    match analysis.run.partial_reason() {
        Some(_) => Outcome::Partial,
        None => Outcome::Done,
    }
}

/// Measures `config`, writes the run file and its analysis into `dir`, says on stderr if it is partial. Where nothing
/// was measured nothing is written.
pub fn measure(
    name: &str,
    config: &Config,
    cancel: &Cancel,
    dir: &Path,
    id: Option<String>,
) -> Result<Option<Analysis>, CommandError> {
    let mut bench: Box<dyn Bench + '_> = match &config.server {
        Some(server) => {
            sweep_and_tell(&tell);
            Box::new(ServerBench::new((config, server), cancel.clone(), &tell))
        }
        None => Box::new(ModelBench::new(config, cancel.clone()).map_err(CommandError::request)?),
    };
    let mut progress = Progress::stderr();
    let mut run = execute(name, config, bench.as_mut(), cancel, &mut progress);
    drop(bench);
    id.into_iter().for_each(|id| run.run_id = id);
    if let Some(reason) = run.partial_reason().filter(|_| run.blocks.is_empty()) {
        tell(&format!(
            "procbench: {reason}: nothing was measured, so nothing is kept"
        ));
        return Ok(None);
    }
    let path = write_run(dir, &run).context("the run could not be saved")?;
    if let Some(reason) = run.partial_reason() {
        complain(&format!(
            "procbench: PARTIAL RUN: {reason}; what was measured is in {}",
            path.display()
        ));
    }
    let analysis = analyse(&run);
    save_analysis(&analysis, dir)?;
    Ok(Some(analysis))
}

/// Writes `analysis.json`.
pub fn save_analysis(analysis: &Analysis, dir: &Path) -> Result<(), CommandError> {
    let written = analysis.write(dir);
    written.context("the analysis could not be saved")?;
    Ok(())
}

/// Prints sections on stdout.
pub fn print_sections<'a>(sections: impl IntoIterator<Item = &'a Section>) {
    print(section::terminal(sections));
}

/// An answer with the summary's rows.
#[derive(Serialize)]
struct Answered {
    answer: serde_json::Value,
    rows: Vec<SummaryRow>,
}

/// Prints a run on stdout.
pub fn print_run(
    analysis: &Analysis,
    output: &OutputOptions,
    dir: &Path,
) -> Result<(), CommandError> {
    let format = output.stdout.format();
    if format != StdoutFormat::Text {
        let rows = rows::summary_rows(analysis);
        return match advice::for_programs(analysis) {
            Some(answer) if format == StdoutFormat::Json => {
                print_json(&Answered { answer, rows }).map(drop)
            }
            _ => print_rows(&rows, format),
        };
    }
    let Some(brief) = advice::brief(analysis) else {
        print_answer(None, &[analysis], output, dir);
        return Ok(());
    };
    if output.details {
        print_sections(&summary_text::tables(analysis));
        print_sections(advice::advice(analysis).iter().flatten());
    }
    print(brief.terminal(&where_the_rest_is(dir)));
    Ok(())
}

fn where_the_rest_is(dir: &Path) -> String {
    format!(
        "One page: {}; all of it: DETAILS.md there, or --details.",
        dir.join("SUMMARY.md").display()
    )
}

/// Prints the answer of some runs on one screen; before it every table, if asked for.
pub fn print_answer(
    experiment: Option<&Experiment>,
    items: &[&Analysis],
    output: &OutputOptions,
    dir: &Path,
) {
    if output.details {
        for item in items {
            print_sections(&summary_text::tables(item));
        }
        if items.len() > 1 {
            print_sections(&comparison(items));
        }
        print_sections([&findings::answer(items)]);
    }
    let rest = match experiment {
        Some(_) => where_the_rest_is(dir),
        None => format!(
            "Run file and figures: {}; every table: --details.",
            dir.display()
        ),
    };
    print(Brief::of(experiment, items).terminal(&rest));
}

/// Prints the summary's rows for other programs, those of all runs together.
pub fn print_rows(rows: &[SummaryRow], format: StdoutFormat) -> Result<(), CommandError> {
    if format == StdoutFormat::Csv {
        print(rows::summary_csv(rows));
    } else {
        print_json(&rows)?;
    }
    Ok(())
}

/// Prints a result for other programs.
pub fn print_json(result: &impl Serialize) -> Result<Outcome, CommandError> {
    let json = serde_json::to_string_pretty(result).context("cannot write JSON")?;
    print(format!("{json}\n"));
    Ok(Outcome::Done)
}
