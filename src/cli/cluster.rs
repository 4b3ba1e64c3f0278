//! Experiments on clusters of their own: measured, judged, drawn, summed up.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::canned::Given;
use super::measure::{
    output_dir, print_json, print_sections, remove_empty, save_summary, save_text,
};
use super::options::{OutputOptions, StdoutFormat};
use super::outcome::{CommandError, Outcome};
use crate::arm::Mode;
use crate::chapter7::{
    Assessment, CLUSTER_RUN_FILE_NAME, ClusterExperiment, ClusterRun, Order, drawings,
    find_cluster_runs, html, of, read_cluster_run, registry, summary, terminal,
};
use crate::clock::{Clock, MonotonicClock};
use crate::config::ServerChoice;
use crate::console::{complain, print, tell};
use crate::execute::run_id;
use crate::experiment;
use crate::load::Cancel;
use crate::record::{Provenance, RunFileError, RunStatus, ServerProvenance, find_runs, write_json};
use crate::report::drawings::{stems, write_all};
use crate::report::figure::Look;
use crate::report::html::REPORT_FILE_NAME;
use crate::server::provision::sweep_and_tell;

/// `procbench chapter7`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench chapter7 --quick
  procbench run partition-detach --pg 16      one of them, on another version")]
pub struct Chapter7Command {
    #[command(flatten)]
    asked: ClusterOptions,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    output: OutputOptions,
}

/// What only these experiments take.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct ClusterOptions {
    /// failover-loss: measures Patroni, too, in containers (about four minutes more)
    #[arg(long)]
    pub(super) with_patroni: bool,
}

impl Chapter7Command {
    /// Carries out the command.
    ///
    /// # Errors
    /// A wrong request, or results that could not be written.
    pub fn run(self) -> Result<Outcome, CommandError> {
        carry_out(
            "chapter7",
            registry(),
            (&self.given, &self.asked),
            &self.output,
        )
    }
}

/// The options that these experiments have, by their ids.
const OPTIONS: [&str; 15] = [
    "experiment",
    "with_patroni",
    "quick",
    "seed",
    "server",
    "pg",
    "pg_bin",
    "pg_image",
    "out",
    "overwrite",
    "format",
    "json",
    "details",
    "verbose",
    "quiet",
];

fn order(given: &Given, asked: &ClusterOptions) -> Result<Order, CommandError> {
    let given_ids = given.load.given();
    let is_known = |id: &String| OPTIONS.contains(&id.as_str());
    if let Some(other) = given_ids.iter().find(|id| !is_known(id)) {
        return Err(CommandError::Request(format!(
            "--{}: experiments on clusters of their own have no such option; they take --quick, --seed, --server docker|local, --pg, --pg-bin and --pg-image",
            other.replace('_', "-")
        )));
    }
    if let Some(ServerChoice::Url(_)) = &given.server.server {
        return Err(CommandError::Request(
            "--server URL: these experiments drop tables and kill servers, and touch none but their own: give docker or local".to_owned(),
        ));
    }
    if asked.with_patroni && given.server.server == Some(ServerChoice::Local) {
        return Err(CommandError::Request(
            "--with-patroni: Patroni runs in containers: leave out --server local".to_owned(),
        ));
    }
    let churn = experiment::find("churn-tail").map_err(CommandError::request)?;
    let config = given.config(churn, Mode::Server)?;
    let server = config.server.map(|s| s.server).unwrap_or_default();
    let names_a_version = ["pg", "pg_bin", "pg_image"]
        .iter()
        .any(|id| given_ids.iter().any(|g| g == id));
    let source = match &config.factors.pg[..] {
        _ if !names_a_version => None,
        [one] => Some(one.clone()),
        _ => {
            return Err(CommandError::Request(
                "--pg: one version at a time here".to_owned(),
            ));
        }
    };
    Ok(Order {
        server,
        source,
        scale: given.load.scale(),
        with_patroni: asked.with_patroni,
        seed: config.seed,
        cancel: Cancel::default(),
    })
}

/// Carries out one or several, each in a directory of its own if there are several.
///
/// # Errors
/// A wrong request, or results that could not be written.
pub(super) fn carry_out(
    name: &str,
    experiments: &[&ClusterExperiment],
    (given, asked): (&Given, &ClusterOptions),
    output: &OutputOptions,
) -> Result<Outcome, CommandError> {
    let mut order = order(given, asked)?;
    if output.stdout.format() == StdoutFormat::Csv {
        return Err(CommandError::Request(
            "--format csv: these experiments print text or json".to_owned(),
        ));
    }
    let (dir, _, made) = output_dir(output, name)?;
    order.cancel = Cancel::on_signals().context("cannot handle signals")?;
    sweep_and_tell(&tell);
    let mut outcome = Outcome::Done;
    let mut kept = false;
    for experiment in experiments {
        if order.cancel.is_cancelled() {
            outcome = Outcome::Partial;
            break;
        }
        let place = match experiments {
            [_] => dir.clone(),
            _ => dir.join(experiment.name),
        };
        let seconds = (experiment.planned)(&order).as_secs();
        tell(&format!(
            "procbench: {}: planned time: about {seconds} s",
            experiment.name
        ));
        let run = measure(experiment, &order);
        if let Some(reason) = run.partial_reason() {
            outcome = Outcome::Partial;
            complain(&format!("procbench: PARTIAL RUN: {reason}"));
        }
        if run.measured.is_empty() {
            tell("procbench: nothing was measured, so nothing is kept");
            continue;
        }
        kept = true;
        run.write(&place).context("the run could not be saved")?;
        let figures = drawings(experiment, &run);
        let drawn = write_all(figures, Look::Screen, &place).context("drawing")?;
        let assessment = conclude(experiment, &run, &place, &drawn)?;
        match output.stdout.format() {
            StdoutFormat::Text => {
                if output.details {
                    print_sections(&assessment.tables);
                }
                let page = place.join("SUMMARY.md");
                let rest = format!("One page: {}; all of it: DETAILS.md there.", page.display());
                print(terminal(experiment, &run, &assessment, &rest));
            }
            _ => drop(print_json(&assessment)?),
        }
    }
    if kept {
        save_text(&dir.join(REPORT_FILE_NAME), &page(&dir)?)?;
    }
    match kept {
        true => tell(&format!("procbench: everything is in {}", dir.display())),
        false => remove_empty(&made),
    }
    Ok(outcome)
}

/// Measures one; a rule that must always hold and does not makes the run partial.
fn measure(experiment: &ClusterExperiment, order: &Order) -> ClusterRun {
    let began_ns = MonotonicClock.now_ns();
    let started_at = jiff::Timestamp::now().round(jiff::Unit::Second);
    let mut provenance = Provenance::collect();
    let (measured, done) = (experiment.measure)(order);
    provenance.server = Some(ServerProvenance {
        version: measured.server_version().to_owned(),
        ..ServerProvenance::default()
    });
    let broken = || (experiment.assess)(&measured).violation();
    let reason = done.err().or_else(broken);
    ClusterRun {
        schema_version: ClusterRun::SCHEMA_VERSION,
        run_id: run_id(),
        status: match reason {
            None => RunStatus::Complete,
            Some(reason) => RunStatus::Partial { reason },
        },
        started_at: started_at.map_or_else(|_| String::new(), |t| t.to_string()),
        elapsed_ns: MonotonicClock.now_ns() - began_ns,
        seed: order.seed,
        provenance,
        measured,
    }
}

/// Judges and sums up a run whose figures are drawn, into `dir`.
fn conclude(
    experiment: &ClusterExperiment,
    run: &ClusterRun,
    dir: &Path,
    drawn: &[PathBuf],
) -> Result<Assessment, CommandError> {
    let assessment = (experiment.assess)(&run.measured);
    let json = serde_json::to_vec(&assessment);
    write_json(dir, "analysis.json", json).context("the analysis could not be saved")?;
    let (page, details) = summary(experiment, run, &assessment, &stems(drawn));
    save_summary(dir, &page)?;
    save_text(&dir.join("DETAILS.md"), &details)?;
    Ok(assessment)
}

/// Whether there are runs below a directory, and all of them are on clusters.
pub(super) fn are_all(dir: &Path) -> bool {
    find_cluster_runs(dir).is_ok_and(|found| !found.is_empty())
        && matches!(find_runs(dir), Err(RunFileError::NoRuns(_)))
}

/// Every run below a directory, in the chapter's order, with where it lies.
fn stored(dir: &Path) -> Result<Vec<(PathBuf, ClusterRun)>, CommandError> {
    let found = find_cluster_runs(dir).map_err(CommandError::request)?;
    // A file that was named may be of another kind.
    let found = found
        .into_iter()
        .filter(|path| path.ends_with(CLUSTER_RUN_FILE_NAME));
    let runs = found.map(|path| {
        let run = read_cluster_run(&path).map_err(CommandError::request)?;
        Ok((path, run))
    });
    let mut runs = runs.collect::<Result<Vec<_>, CommandError>>()?;
    let place = |run: &ClusterRun| {
        let mut all = registry().iter();
        all.position(|e| e.name == of(&run.measured).name)
    };
    runs.sort_by_key(|(path, run)| (place(run), path.clone()));
    Ok(runs)
}

/// One HTML page of the stored runs below a directory.
///
/// # Errors
/// Unreadable run files are a wrong request.
pub(super) fn page(dir: &Path) -> Result<String, CommandError> {
    let runs: Vec<ClusterRun> = stored(dir)?.into_iter().map(|r| r.1).collect();
    Ok(html(&runs).context("no report")?)
}

/// Redraws the stored runs below a directory for a look; the names of the figures.
///
/// # Errors
/// Unreadable run files are a wrong request.
pub(super) fn redraw(dir: &Path, look: Look) -> Result<Vec<String>, CommandError> {
    let mut figures = Vec::new();
    for (path, run) in stored(dir)? {
        let (experiment, place) = (of(&run.measured), path.parent().unwrap_or(dir));
        let drawn = write_all(drawings(experiment, &run), look, place).context("drawing")?;
        if look == Look::Screen {
            conclude(experiment, &run, place, &drawn)?;
        }
        let pictures = drawn
            .iter()
            .filter(|p| p.extension().is_some_and(|e| e == "png"));
        figures.extend(pictures.map(|p| p.display().to_string()));
    }
    Ok(figures)
}
