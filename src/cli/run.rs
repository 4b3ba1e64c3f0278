//! `run`: one canned experiment.

use clap::Args;

use super::canned::{Given, ModeChoice, Order, carry_out};
use super::cluster::{self, ClusterOptions};
use super::named::{Named, Names};
use super::options::OutputOptions;
use super::outcome::{CommandError, Outcome};

/// `procbench run`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  procbench run churn-tail --quick
  procbench run churn-tail --mode server --server local --standing 0,200
  procbench run locks --quick         the model under every lock
  procbench run lsn-ladder            what a commit waits for, level by level (7.1)
  procbench run partition-detach      inserts while a partition is removed (7.3)
  procbench run failover-loss         acknowledged rows that a failover loses (7.5)
  procbench experiments               lists the names")]
pub struct RunCommand {
    /// Name of the experiment
    #[arg(value_parser = Names)]
    experiment: Named,
    /// Which modes to run
    #[arg(long, value_enum, default_value = "both")]
    mode: ModeChoice,
    #[command(flatten)]
    asked: ClusterOptions,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    output: OutputOptions,
}

impl RunCommand {
    /// Carries out the command.
    ///
    /// # Errors
    /// A wrong request, or results that could not be written.
    pub fn run(self) -> Result<Outcome, CommandError> {
        let (given, output) = (self.given, self.output);
        let name = match self.experiment {
            Named::Canned(experiment) => experiment.name,
            Named::OnCluster(on) => on.name,
        };
        if self.asked.with_patroni && name != "failover-loss" {
            return Err(CommandError::Request(format!(
                "--with-patroni: {name} has no part with Patroni, run failover-loss has"
            )));
        }
        let experiment = match self.experiment {
            Named::Canned(experiment) => experiment,
            Named::OnCluster(on) => {
                return cluster::carry_out(on.name, &[on], (&given, &self.asked), &output);
            }
        };
        let order = Order {
            experiments: &[experiment],
            modes: self.mode,
            name: experiment.name,
            is_chapter: false,
            resumes: false,
        };
        carry_out(&order, &given, &output)
    }
}
