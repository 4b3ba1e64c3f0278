//! What makes an experiment on a cluster.

use std::time::Duration;

use super::assessment::Assessment;
use super::order::Order;
use super::run_file::Measured;
use crate::report::drawings::Drawing;

/// An experiment on a cluster of its own.
#[derive(Debug)]
pub struct ClusterExperiment {
    /// Name on the command line.
    pub name: &'static str,
    /// What it is about, in at most sixty characters.
    pub short: &'static str,
    /// The section of the chapter.
    pub section: &'static str,
    /// The question, in one sentence.
    pub question: &'static str,
    /// What is expected, written down before any run.
    pub prediction: &'static str,
    /// What result would refute the expectation.
    pub refuted_by: &'static str,
    /// The one outcome that is declared beforehand.
    pub primary_outcome: &'static str,
    /// What may not be concluded from it, one sentence each.
    pub limits: &'static [&'static str],
    /// What an operator should do, in one sentence.
    pub what_to_do: &'static str,
    /// Roughly how long what is asked of it takes.
    pub planned: fn(&Order) -> Duration,
    /// Measures; what there is so far is kept where it fails, with the reason.
    pub measure: fn(&Order) -> (Measured, Result<(), String>),
    /// Puts what was measured into sentences, claims and checks.
    pub assess: fn(&Measured) -> Assessment,
    /// Its figures, with lines under each.
    pub drawings: fn(&Measured, &[String]) -> Vec<Drawing>,
}
