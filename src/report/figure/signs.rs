//! The signs of what must not be quoted or is to be read with care, and their reasons in words.

use crate::report::grouped::grouped;

/// Sign of a curve or mark that must not be quoted.
pub(super) const STRUCK_SIGN: &str = "○";
/// Sign of a curve or mark with a caution.
pub(super) const CAUTION_SIGN: &str = "†";

/// A label with its signs: `fork-only ○`, `unpooled †`.
pub(super) fn signed_label(label: &str, struck: bool, caution: bool) -> String {
    let mut signed = label.to_owned();
    if struck {
        signed = format!("{signed} {STRUCK_SIGN}");
    }
    if caution {
        signed = format!("{signed} {CAUTION_SIGN}");
    }
    signed
}

/// A reason why something is struck out or to be read with care.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SignNote {
    sign: &'static str,
    reason: String,
    place: String,
    label: String,
}

/// Why something must not be quoted, or is to be read with care.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signs {
    /// Why it must not be quoted; it is then drawn hollow or faint.
    pub struck: Option<String>,
    /// Why it is to be read with care, reasons with `; ` between them; its label gets a dagger.
    pub caution: Option<String>,
}

impl Signs {
    /// The notes of what has these signs.
    pub(super) fn notes(&self, place: &str, label: &str) -> Vec<SignNote> {
        let note = |sign, reason: &str| SignNote {
            sign,
            reason: reason.to_owned(),
            place: place.to_owned(),
            label: label.to_owned(),
        };
        let struck = self.struck.iter().map(|reason| note(STRUCK_SIGN, reason));
        let cautions = self
            .caution
            .iter()
            .flat_map(|all| all.split("; "))
            .filter(|c| !c.is_empty());
        struck
            .chain(cautions.map(|reason| note(CAUTION_SIGN, reason)))
            .collect()
    }

    /// `label` with the signs behind it: `fork-only ○`, `unpooled †`.
    pub(super) fn signed(&self, label: &str) -> String {
        signed_label(label, self.struck.is_some(), self.caution.is_some())
    }

    /// The reasons as cells of a table.
    pub(super) fn cells(&self) -> [String; 2] {
        [&self.struck, &self.caution].map(|reason| reason.clone().unwrap_or_default())
    }
}

/// More than this are counted instead of named: the summary beside the figure names them.
const MOST_NAMED: usize = 20;

/// One line a reason, with everything it is about.
pub(super) fn merge_notes(notes: &[SignNote]) -> Vec<String> {
    grouped(notes.iter().map(|n| ((n.sign, n.reason.as_str()), n)))
        .into_iter()
        .map(|((sign, reason), about)| {
            if about.len() > MOST_NAMED {
                return format!("{sign} {reason}: {} places", about.len());
            }
            let labels = about.iter().map(|n| (n.place.as_str(), n.label.as_str()));
            let places: Vec<String> = grouped(labels)
                .into_iter()
                .map(|(place, labels)| match place {
                    "" => labels.join(", "),
                    place => format!("{} ({place})", labels.join(", ")),
                })
                .collect();
            format!("{sign} {reason}: {}", places.join("; "))
        })
        .collect()
}
