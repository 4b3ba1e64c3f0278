//! The model half of `churn-tail` at its quick scale, with run file, figures and summary
//! below `results/`: what `procbench run churn-tail --mode model --quick` does, for
//! whoever begins with `cargo bench`.
//!
//! `cargo bench --bench chapter`; libtest's and criterion's flags are accepted and ignored,
//! but `--list` names it only, and `--test` makes it very short and keeps nothing.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use procbench::arm::Mode;
use procbench::config::Config;
use procbench::execute::{execute, run_id};
use procbench::experiment::analyse;
use procbench::experiment::{self, Experiment, Scale};
use procbench::load::Cancel;
use procbench::load::progress::Progress;
use procbench::model::ModelBench;
use procbench::record::{write_atomically, write_run};
use procbench::report::figure::Look;
use procbench::report::findings::answer;
use procbench::report::section::terminal;
use procbench::report::{drawings, summary_text};

/// What is measured.
const EXPERIMENT: &str = "churn-tail";

fn main() -> ExitCode {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    if given("--list") {
        println!("chapter: benchmark");
        return ExitCode::SUCCESS;
    }
    let measured = if given("--test") {
        very_short()
    } else {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let name = format!("results/{now}-{EXPERIMENT}-bench-{}", run_id());
        // The benches' working directory is not promised; results belong to the package.
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        experiment::find(EXPERIMENT)
            .map_err(anyhow::Error::new)
            .and_then(|e| measure(e, &e.config(Mode::Model, Scale::Quick), &dir))
    };
    match measured {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("procbench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One block of each arm, to see that all of it works.
fn very_short() -> anyhow::Result<bool> {
    let experiment = experiment::find(EXPERIMENT)?;
    let mut config = experiment.config(Mode::Model, Scale::Quick);
    config.blocks = 1;
    config.starts = 1;
    config.duration_ns = 20_000_000;
    config.warmup_ns = 5_000_000;
    let dir = tempfile::tempdir().context("no temporary directory")?;
    measure(experiment, &config, dir.path())
}

/// Measures, draws and sums up into `dir`. Whether all of it was measured.
fn measure(experiment: &Experiment, config: &Config, dir: &Path) -> anyhow::Result<bool> {
    config.validate()?;
    let model_dir = dir.join(Mode::Model.name());
    std::fs::create_dir_all(&model_dir)
        .with_context(|| format!("cannot write to {}", model_dir.display()))?;

    let cancel = Cancel::on_signals().context("cannot handle signals")?;
    let mut bench = ModelBench::new(config, cancel.clone())?;
    let mut progress = Progress::stderr();
    let run = execute(experiment.name, config, &mut bench, &cancel, &mut progress);
    write_run(&model_dir, &run).context("the run could not be saved")?;
    let summary = analyse(&run);

    let drawn = drawings::draw_run(&summary, Look::Screen, &model_dir).context("drawing")?;
    let figures: Vec<String> = drawn
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "png"))
        .filter_map(|path| path.strip_prefix(dir).ok())
        .map(|path| path.with_extension("").display().to_string())
        .collect();
    let text = summary_text::markdown(experiment, &[&summary], &figures);
    let summary_file = dir.join("SUMMARY.md");
    write_atomically(&summary_file, text.as_bytes())
        .map_err(|e| anyhow!("the summary could not be saved: {e}"))?;

    print!("{}", terminal(&summary_text::tables(&summary)));
    print!("{}", terminal([&answer(&[&summary])]));
    println!("summary: {}", summary_file.display());
    for figure in figures {
        println!("figure:  {}", dir.join(format!("{figure}.png")).display());
    }
    if let Some(reason) = run.partial_reason() {
        eprintln!("procbench: PARTIAL RUN: {reason}");
        return Ok(false);
    }
    Ok(true)
}
