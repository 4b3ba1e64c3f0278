//! `demo`: churn live in the terminal, step by step; or a stored demonstration once more.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context;
use clap::Args;

use super::measure::{draw_alone, output_dir, print_rows, remove_empty, save_analysis};
use super::options::{OutputOptions, StdoutFormat};
use super::outcome::{CommandError, Outcome};
use crate::config::{self, Config, ServerChoice, ServerConfig};
use crate::conninfo::{Conninfo, Environment};
use crate::console::{Talk, print, talks, tell};
use crate::demo::{Command, Event, Lines, Live, Replay, conduct, show, steps_taken};
use crate::execute::Session;
use crate::experiment::analyse;
use crate::factor::{ClientRate, Isolate, OfferedRate, PgSource};
use crate::load::Cancel;
use crate::load::driver::Failure;
use crate::record::{Run, find_runs, read_run, write_run};
use crate::report::rows;
use crate::report::step_table::steps_side_by_side;
use crate::server::ServerBench;
use crate::server::cores::can_isolate;
use crate::server::provision::sweep_and_tell;
use crate::stats::Stretch;

/// The name of its runs.
const NAME: &str = "demo";

/// What its runs say of themselves.
const REMARK: &str = "a demonstration: its steps ran one after another, not interleaved, so that nothing in it can be told from a drift of the machine";

/// `procbench demo`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench demo                        on a PostgreSQL that is started for it
  procbench demo --seconds 10 --standing 4000
  procbench demo --wait                 each step goes on until n is pressed
  PGPASSWORD=... procbench demo postgres://me@db.example:5432/app   # gentle: few connections, low rates
  procbench demo --replay results/demo  a stored one, without a server
  procbench demo --lines | tee demo.txt

Keys: n next, b back, space pause, + - rate, > < standing connections, ? help, q quit.")]
pub struct DemoCommand {
    /// Your own server: gentle load, nothing changed
    #[arg(value_name = "URL")]
    url: Option<Conninfo>,
    /// Play a stored demonstration: its directory, or its run file
    #[arg(long, value_name = "RUN", conflicts_with_all = ["url", "standing", "client_rate", "pg", "server", "isolate", "pgbouncer", "seconds"])]
    replay: Option<PathBuf>,
    /// Seconds for each step
    #[arg(long, value_name = "N", default_value_t = 18, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Each step waits for a key: press n, or space at the end of a stored step
    #[arg(long, conflicts_with = "seconds")]
    wait: bool,
    /// Standing connections of the last two steps; 0 leaves them out (default: 2000, none on your own server)
    #[arg(long, value_name = "N")]
    standing: Option<u32>,
    /// Transactions per second (default: 80, 20 on your own server)
    #[arg(long, value_name = "RATE")]
    client_rate: Option<f64>,
    /// PostgreSQL major version: 13, 15, 17 or 18
    #[arg(long, value_name = "MAJOR", conflicts_with = "url")]
    pg: Option<u32>,
    /// Where it is started: auto, docker or local
    #[arg(long, value_name = "WHERE", conflicts_with = "url")]
    server: Option<ServerChoice>,
    /// Readers on a core of their own, so that a slow statement is no queue for the CPU: on or off (default: on, where this machine can)
    #[arg(long, value_name = "on|off", conflicts_with = "url")]
    isolate: Option<Isolate>,
    /// Your own PgBouncer before the server at URL
    #[arg(long, value_name = "URL", requires = "url")]
    pgbouncer: Option<Conninfo>,
    /// Print lines, as without a terminal
    #[arg(long)]
    lines: bool,
    #[command(flatten)]
    output: OutputOptions,
}

impl DemoCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A wrong request, or a run that could not be written.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let whole = Cancel::on_signals().context("cannot handle signals")?;
        let part = whole.of_a_part();
        if self.wait && !self.is_shown() {
            return Err(CommandError::Request(
                "--wait waits for a key, and there is no terminal to press one on: leave it out"
                    .to_owned(),
            ));
        }
        match &self.replay {
            Some(path) => self.play(path, &part, &whole),
            None => self.measure(&part, &whole),
        }
    }

    fn play(&self, path: &Path, part: &Cancel, whole: &Cancel) -> Result<Outcome, CommandError> {
        let run = stored(path)?;
        let place = format!("a stored run of {}; nothing is measured", run.started_at);
        let in_its_time = self.is_shown();
        self.shown(&place, (part, whole), |events, commands| {
            let mut replay = Replay::new(&run, in_its_time, part.clone());
            // To be asked to stop is no failure of a stored run.
            drop(conduct(&mut replay, commands, events, (part, self.wait)));
        })?;
        self.print_table(&run)?;
        Ok(Outcome::Done)
    }

    fn measure(&self, part: &Cancel, whole: &Cancel) -> Result<Outcome, CommandError> {
        let config = self.config()?;
        let server = config.server.as_ref();
        let server = server.unwrap_or_else(|| unreachable!("a demonstration has a server"));
        let (dir, id, made) = output_dir(&self.output, NAME)?;
        sweep_and_tell(&tell);
        let place = match &server.server {
            ServerChoice::Url(url) => format!("{url}, gently"),
            _ => "a PostgreSQL of its own".to_owned(),
        };
        let mut run = self.shown(&place, (part, whole), |events, commands| {
            let say = |line: &str| {
                let line = line.strip_prefix("procbench: ").unwrap_or(line);
                drop(events.send(Event::Said(line.to_owned())));
            };
            let mut bench = ServerBench::new((&config, server), part.clone(), &say);
            let session = Session::begin(NAME, &config, &mut bench)?;
            let seconds = (!self.wait).then_some(self.seconds);
            let mut live = Live::new(session, &config, seconds);
            let outcome = conduct(&mut live, commands, events, (part, self.wait));
            drop(events.send(Event::Ending(
                "ending: the server stops, then the figures are written",
            )));
            let by_its_user = part.is_cancelled() && !whole.is_cancelled();
            let mut remarks = vec![REMARK.to_owned()];
            let outcome = match outcome {
                Err(Failure::Interrupted) if by_its_user => {
                    remarks.push("it was ended before its last step".to_owned());
                    Ok(())
                }
                other => other,
            };
            Ok::<_, Failure>(live.end(outcome, remarks))
        })??;
        if let Some(reason) = run.partial_reason().filter(|_| run.blocks.is_empty()) {
            remove_empty(&made);
            return Err(CommandError::Failed(anyhow::anyhow!(
                "{reason}: nothing was measured, so nothing is kept"
            )));
        }
        run.run_id = id;
        write_run(&dir, &run).context("the run could not be saved")?;
        let analysis = analyse(&run);
        save_analysis(&analysis, &dir)?;
        self.print_table(&run)?;
        draw_alone(&analysis, &dir)?;
        tell(&format!(
            "procbench: run file and figures are in {0}; procbench demo --replay {0} plays it",
            dir.display()
        ));
        match run.partial_reason() {
            Some(reason) => {
                tell(&format!("procbench: PARTIAL RUN: {reason}"));
                Ok(Outcome::Partial)
            }
            None => Ok(Outcome::Done),
        }
    }

    /// Whether there is a terminal to show it on.
    fn is_shown(&self) -> bool {
        !self.lines && std::io::stdout().is_terminal() && std::io::stdin().is_terminal()
    }

    /// Does `work` on a thread of its own, and shows what it tells.
    fn shown<T: Send>(
        &self,
        place: &str,
        (part, whole): (&Cancel, &Cancel),
        work: impl FnOnce(&Sender<Event>, &Receiver<Command>) -> T + Send,
    ) -> Result<T, CommandError> {
        let (tells, events) = channel();
        let (asks, commands) = channel();
        let (done, shown) = std::thread::scope(|scope| {
            let worker = scope.spawn(move || work(&tells, &commands));
            let shown = if self.is_shown() {
                show(place, (&events, &asks), (part, whole))
            } else {
                let mut lines = Lines::default();
                let lines = events.iter().map(|event| lines.of(&event));
                lines.for_each(|line| self.say(&line));
                Ok(())
            };
            if shown.is_err() {
                part.cancel();
            }
            (worker.join(), shown)
        });
        let done = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        shown.context("the terminal could not be used")?;
        Ok(done)
    }

    /// Prints a line of the demonstration, or tells it where other programs read what is printed.
    fn say(&self, line: &str) {
        match self.output.stdout.format() {
            StdoutFormat::Text if talks(Talk::Usual) => print(line),
            StdoutFormat::Text => {}
            _ => tell(line.trim_end()),
        }
    }

    fn print_table(&self, run: &Run) -> Result<(), CommandError> {
        let format = self.output.stdout.format();
        if format != StdoutFormat::Text {
            return print_rows(&rows::summary_rows(&analyse(run)), format);
        }
        let steps: Vec<Stretch> = steps_taken(run);
        let cores = run.provenance.cores;
        self.say(
            "
",
        );
        print(steps_side_by_side(&steps, run.slow_over_ns, cores));
        Ok(())
    }

    fn config(&self) -> Result<Config, CommandError> {
        let mut config = crate::demo::config().map_err(CommandError::request)?;
        let isolate = self.isolate.unwrap_or(match can_isolate() {
            Ok(()) => Isolate::On,
            Err(_) => Isolate::Off,
        });
        config.factors.isolate = vec![isolate];
        let environment = Environment::of_this_process();
        let said = match &self.server {
            Some(ServerChoice::Url(url)) => Some(url),
            _ => self.url.as_ref(),
        };
        let full = |url: &Conninfo| {
            let url = url.clone().with_environment(&environment);
            url.map_err(CommandError::Request)
        };
        if let Some(url) = said {
            let measured = (config.duration_ns, config.warmup_ns, config.arms.clone());
            config::gentle(&mut config, true);
            (config.duration_ns, config.warmup_ns) = (measured.0, measured.1);
            config.blocks = 1;
            config.arms = measured.2;
            let has_pgbouncer = self.pgbouncer.is_some();
            config.arms.retain(|arm| {
                arm.needs_own_server().is_none() && (has_pgbouncer || !arm.needs_pgbouncer())
            });
            ServerConfig::take_as_is(&mut config.factors);
            if let Some(server) = &mut config.server {
                server.server = ServerChoice::Url(full(url)?);
                server.pgbouncer = self.pgbouncer.as_ref().map(full).transpose()?;
            }
        } else if let Some(server) = &mut config.server {
            server.server = self.server.clone().unwrap_or_default();
        }
        if let Some(pg) = self.pg {
            config.factors.pg = vec![PgSource::Major(pg)];
        }
        match self.standing {
            Some(0) => config.factors.standing = vec![0],
            Some(standing) => config.factors.standing = vec![0, standing],
            None => {}
        }
        if let Some(rate) = self.client_rate {
            if !(rate.is_finite() && rate >= 1.0) {
                return Err(CommandError::Request(format!(
                    "--client-rate {rate} is no rate to watch: give 1 per second or more"
                )));
            }
            config.client_rate = ClientRate::Given(OfferedRate::PerSecond(rate));
        }
        config.validate().map_err(CommandError::request)?;
        Ok(config)
    }
}

/// The stored demonstration at `path`.
fn stored(path: &Path) -> Result<Run, CommandError> {
    let file = if path.is_dir() {
        let found = find_runs(path).map_err(CommandError::request)?;
        let mut found = found.into_iter();
        found.next().unwrap_or_else(|| path.to_owned())
    } else {
        path.to_owned()
    };
    let run = read_run(&file).map_err(CommandError::request)?;
    if run.experiment != NAME {
        return Err(CommandError::Request(format!(
            "{} is a run of {}, not of a demonstration: procbench figures draws it",
            file.display(),
            run.experiment
        )));
    }
    Ok(run)
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        CommandError::Failed(anyhow::anyhow!("{failure}"))
    }
}
