//! A sentence of the chapter's argument, with its verdict and evidence.

use super::inline_figure::id_of;
use super::markup::Markup;
use crate::report::argument::{ClaimInWords, claims};
use crate::stats::Analysis;

/// A row of the claim table.
pub(super) struct Claim {
    pub(super) sentence: &'static str,
    pub(super) verdict: &'static str,
    /// The verdict for the style.
    pub(super) class: String,
    pub(super) supported: Markup,
    pub(super) regime: Option<Markup>,
    pub(super) numbers: Vec<Markup>,
    /// Id and name of the figure that shows it.
    pub(super) figure: Option<(String, String)>,
    pub(super) missing: Option<Markup>,
}

/// The argument of these runs; links to figures that the page has.
pub(super) fn of_runs(runs: &[&Analysis], has_figure: impl Fn(&str) -> bool) -> Vec<Claim> {
    let claim = |said: ClaimInWords| {
        let figure = said.figure.map(|name| (id_of(&name), name));
        let missing = said.missing;
        let missing = missing.map(|(what, command)| format!("Missing: {what}: `{command}`."));
        Claim {
            sentence: said.sentence,
            verdict: said.verdict,
            class: said.verdict.replace(' ', "-"),
            supported: Markup::of(said.supported),
            regime: said.regime.as_deref().map(Markup::of),
            numbers: Markup::all(said.numbers),
            figure: figure.filter(|(id, _)| has_figure(id)),
            missing: missing.as_deref().map(Markup::of),
        }
    };
    claims(runs).into_iter().map(claim).collect()
}
