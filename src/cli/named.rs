//! Every experiment by its name: those that churn, and those on clusters of their own.

use std::ffi::OsStr;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::chapter7::{self, ClusterExperiment};
use crate::experiment::{Experiment, registry};
use crate::names::unknown;

/// An experiment that was named.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named {
    /// In one or both modes.
    Canned(&'static Experiment),
    /// On a cluster of its own.
    OnCluster(&'static ClusterExperiment),
}

impl Named {
    /// All of them, in the order in which they are listed.
    pub(super) fn all() -> impl Iterator<Item = Named> {
        let canned = registry().iter().map(Named::Canned);
        let on_clusters = chapter7::registry().iter().copied();
        canned.chain(on_clusters.map(Named::OnCluster))
    }

    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Named::Canned(e) => e.name,
            Named::OnCluster(e) => e.name,
        }
    }

    /// What it is about, in a few words.
    pub(super) fn short(self) -> &'static str {
        match self {
            Named::Canned(e) => e.short,
            Named::OnCluster(e) => e.short,
        }
    }
}

impl FromStr for Named {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Named::all().find(|e| e.name() == name);
        found.ok_or_else(|| {
            let names: Vec<&str> = Named::all().map(Named::name).collect();
            unknown("experiment", name, &names)
        })
    }
}

/// Reads a name; help and completions list all there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names;

impl TypedValueParser for Names {
    type Value = Named;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Named, clap::Error> {
        Named::from_str.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |e: Named| PossibleValue::new(e.name()).help(e.short());
        Some(Box::new(Named::all().map(value)))
    }
}
