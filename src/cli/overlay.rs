//! Options that are fields of a configuration: what is given is laid over what is there.

use std::marker::PhantomData;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::outcome::CommandError;

/// What was given of the options that the fields of `T` declare.
#[derive(Debug, Clone)]
pub struct Overlay<T> {
    matches: ArgMatches,
    of: PhantomData<T>,
}

impl<T: Args> Args for Overlay<T> {
    fn augment_args(command: Command) -> Command {
        // For an update no option is required, and none has a default.
        T::augment_args_for_update(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T> FromArgMatches for Overlay<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Overlay {
            matches: matches.clone(),
            of: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.matches = matches.clone();
        Ok(())
    }
}

impl<T: Args> Overlay<T> {
    /// Lays the given values over `target`.
    ///
    /// # Errors
    /// None that clap has not found when it read the command line.
    pub fn apply(&self, target: &mut T) -> Result<(), CommandError> {
        let laid = target.update_from_arg_matches(&self.matches);
        laid.map_err(CommandError::request)
    }

    /// The ids of everything that was given on the command line, also of what is not `T`'s.
    pub fn given(&self) -> Vec<String> {
        let ids = self.matches.ids().map(clap::Id::as_str);
        let given = |id: &&str| self.matches.value_source(id) == Some(ValueSource::CommandLine);
        ids.filter(given).map(str::to_owned).collect()
    }

    /// Whether a value was given for the field of this name.
    pub fn is_given(&self, field: &str) -> bool {
        self.matches.contains_id(field)
    }
}
