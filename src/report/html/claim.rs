//! A sentence of the chapter's argument, with its verdict and evidence.

use super::inline_figure::id_of;
use super::markup::Markup;
use crate::report::argument::{ClaimInWords, claims};
use crate::stats::Analysis;

/// A row of the claim table.
pub(super) struct Claim {
    pub(super) said: ClaimInWords,
    /// Its verdict for the style.
    pub(super) class: String,
    /// Name and id of the figure that shows it.
    pub(super) figure: Option<(String, String)>,
    /// What is missing.
    pub(super) missing: Option<Markup>,
}

/// The argument of these runs; links to figures that the page has.
pub(super) fn of_runs(runs: &[&Analysis], has_figure: impl Fn(&str) -> bool) -> Vec<Claim> {
    let claim = |said: ClaimInWords| {
        let figure = said.figure.clone().map(|name| (id_of(&name), name));
        Claim {
            figure: figure.filter(|(id, _)| has_figure(id)),
            class: said.verdict.replace(' ', "-"),
            missing: said.missing.as_deref().map(Markup::of),
            said,
        }
    };
    claims(runs).into_iter().map(claim).collect()
}
