//! The signs of what must not be quoted or is to be read with care, and their reasons in words.

use super::text;
use crate::report::grouped::grouped;

/// Sign of a curve or mark that must not be quoted.
pub(super) const STRUCK_SIGN: &str = "○";
/// Sign of a curve or mark with a caution.
pub(super) const CAUTION_SIGN: &str = "†";

/// Why something must not be quoted, or is to be read with care.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signs {
    /// Why it must not be quoted; it is then drawn hollow or faint.
    pub struck: Option<String>,
    /// Why it is to be read with care, reasons with `; ` between them; its label gets a dagger.
    pub caution: Option<String>,
}

impl Signs {
    /// The reasons, with their signs before them.
    fn reasons(&self) -> impl Iterator<Item = String> {
        let struck = self.struck.iter().map(|s| format!("{STRUCK_SIGN} {s}"));
        let cautions = self.caution.iter().flat_map(|all| all.split("; "));
        let cautions = cautions.filter(|c| !c.is_empty());
        struck.chain(cautions.map(|c| format!("{CAUTION_SIGN} {c}")))
    }

    /// `label` with the signs behind it: `fork-only ○`, `unpooled †`.
    pub(super) fn signed(&self, label: &str) -> String {
        let struck = self.struck.iter().map(|_| STRUCK_SIGN);
        let caution = self.caution.iter().map(|_| CAUTION_SIGN);
        let words = std::iter::once(label).chain(struck).chain(caution);
        words.collect::<Vec<_>>().join(" ")
    }

    /// `label` in lines no wider than `limit`, with the signs behind the last. A little more room is better than a
    /// broken word.
    pub(super) fn signed_lines(&self, label: &str, size: f64, limit: f64) -> Vec<String> {
        let word = text::widest(label.split(' '), size);
        let limit = limit.max(word.min(1.3 * limit));
        let mut lines = text::wrap(label, size, limit);
        if let Some(last) = lines.last_mut() {
            *last = self.signed(last);
        }
        lines
    }

    /// The reasons as cells of a table.
    pub(super) fn cells(&self) -> [String; 2] {
        [&self.struck, &self.caution].map(|reason| reason.clone().unwrap_or_default())
    }
}

/// More than this are counted instead of named: the summary beside the figure names them.
const MOST_NAMED: usize = 20;

/// One line a reason, with everything it is about: what has `signs`, by place and label.
pub(super) fn sign_notes<'a>(
    signs: impl Iterator<Item = (&'a Signs, String, &'a str)>,
) -> Vec<String> {
    let about = signs.flat_map(|(signs, place, label)| {
        let reasons = signs.reasons();
        reasons.map(move |reason| (reason, (place.clone(), label)))
    });
    let note = |(reason, about): (String, Vec<(String, &str)>)| {
        if about.len() > MOST_NAMED {
            return format!("{reason}: {} places", about.len());
        }
        let places = grouped(about).into_iter().map(|(place, labels)| {
            let labels = labels.join(", ");
            match place.as_str() {
                "" => labels,
                place => format!("{labels} ({place})"),
            }
        });
        format!("{reason}: {}", places.collect::<Vec<_>>().join("; "))
    };
    grouped(about).into_iter().map(note).collect()
}
