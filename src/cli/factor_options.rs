//! The options whose lists make levels: one per row of the table of factors.

use std::collections::BTreeMap;

use clap::builder::TypedValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::outcome::CommandError;
use crate::arm::Mode;
use crate::config::{Config, ServerConfig};
use crate::console::tell;
use crate::factor::{Auth, FACTORS, Factor, FactorLists, FactorRow, Isolate};
use crate::procarray::MappingKind;
use crate::procarray::locks::{LockChoice, LockKind};
use crate::server::cores::{can_isolate, enough_cores};

/// The values given of each factor that one of the modes has.
#[derive(Debug, Clone)]
pub struct FactorOptions<const MODEL: bool, const SERVER: bool> {
    given: BTreeMap<Factor, String>,
}

/// Options of the model.
pub type OfModel = FactorOptions<true, false>;

/// Options of the server.
pub type OfServer = FactorOptions<false, true>;

/// Options of both.
pub type OfBoth = FactorOptions<true, true>;

fn argument(row: &'static FactorRow) -> Arg {
    let check = move |text: String| {
        FactorLists::default().set(row.factor, &text)?;
        Ok::<_, String>(text)
    };
    let help = match row.factor {
        Factor::Lock => {
            let names: Vec<&str> = LockKind::ALL.iter().map(|kind| kind.name()).collect();
            format!("{}: {}", row.help, names.join(", "))
        }
        _ => row.help.to_owned(),
    };
    Arg::new(row.key)
        .long(row.option)
        .value_name(row.value_name)
        .help_heading(row.heading)
        .help(help)
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .value_parser(clap::builder::StringValueParser::new().try_map(check))
}

impl<const MODEL: bool, const SERVER: bool> clap::Args for FactorOptions<MODEL, SERVER> {
    fn augment_args(command: Command) -> Command {
        Self::rows().fold(command, |command, row| command.arg(argument(row)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<const MODEL: bool, const SERVER: bool> clap::FromArgMatches for FactorOptions<MODEL, SERVER> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = Self::rows().filter_map(|row| {
            let texts = matches.get_many::<String>(row.key)?;
            let texts: Vec<&str> = texts.map(String::as_str).collect();
            Some((row.factor, texts.join(",")))
        });
        Ok(FactorOptions {
            given: given.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<const MODEL: bool, const SERVER: bool> FactorOptions<MODEL, SERVER> {
    fn rows() -> impl Iterator<Item = &'static FactorRow> {
        FACTORS.iter().filter(|row| {
            (MODEL && row.modes.contains(&Mode::Model))
                || (SERVER && row.modes.contains(&Mode::Server))
        })
    }

    /// Whether values of this factor were given.
    pub fn is_given(&self, factor: Factor) -> bool {
        self.given.contains_key(&factor)
    }

    /// Lays the given values over `config`, those that its mode has.
    ///
    /// # Errors
    /// None that was not found when the command line was read.
    pub fn apply(&self, config: &mut Config) -> Result<(), CommandError> {
        if config.server.as_ref().is_some_and(ServerConfig::is_url) {
            // An experiment's own lists are for servers of ours.
            ServerConfig::take_as_is(&mut config.factors);
        }
        for (&factor, values) in &self.given {
            if factor.row().modes.contains(&config.mode) {
                let set = config.factors.set(factor, values);
                set.map_err(CommandError::Request)?;
            }
        }
        // An experiment's own level is left out where it cannot be; one that is asked for by name is refused.
        if self.is_given(Factor::Isolate) && config.factors.isolate.contains(&Isolate::On) {
            enough_cores().map_err(CommandError::Request)?;
        }
        let alone = config.factors.isolate == [Isolate::On];
        if alone
            && !self.is_given(Factor::Isolate)
            && let Err(why) = can_isolate()
        {
            tell(&format!(
                "procbench: readers get no cores of their own: {why}"
            ));
            config.factors.isolate = vec![Isolate::Off];
        }
        // A single rate is a setting; several make levels.
        if let [rate] = config.factors.client_rate[..] {
            config.client_rate = rate;
            config.factors.client_rate.clear();
        }
        if let Some(model) = &mut config.model {
            let background = &mut model.background;
            let rates = &mut config.factors.commit_rate;
            if self.is_given(Factor::CommitRate) && rates.iter().any(|r| r.0 > 0.0) {
                background.committers = background.committers.max(1);
            }
            if let [rate] = rates[..] {
                background.commit_rate_per_second = rate.0;
                rates.clear();
            }
        }
        // Page sizes asked for by name: a run without them is partial.
        if self.is_given(Factor::PageSize) {
            config.page_size_if_granted = false;
        }
        // An experiment forks its connections where the lock works between processes.
        let works = |lock: &LockChoice| lock.kind.works_between_processes();
        if !self.is_given(Factor::Mapping) && !config.factors.lock.iter().all(works) {
            config.factors.mapping.retain(|m| *m != MappingKind::Forked);
            if config.factors.mapping.is_empty() {
                config.factors.mapping.push(MappingKind::default());
            }
        }
        // An experiment's iterations go with its SCRAM.
        if !self.is_given(Factor::ScramIterations) && !config.factors.auth.contains(&Auth::Scram) {
            config.factors.scram_iterations.clear();
        }
        Ok(())
    }
}
