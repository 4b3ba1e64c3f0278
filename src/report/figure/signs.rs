//! The signs of what must not be quoted or is to be read with care, and their reasons in words.

use itertools::Itertools;

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
    /// The reasons for a dagger, one by one.
    fn cautions(&self) -> impl Iterator<Item = &str> {
        self.caution.iter().flat_map(|all| all.split("; "))
    }

    /// The reasons, each after its sign.
    fn reasons(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let struck = self.struck.iter().map(|s| (STRUCK_SIGN, s.as_str()));
        struck.chain(self.cautions().map(|c| (CAUTION_SIGN, c)))
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
        let word = text::widest(text::words(label), size);
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

/// Whether so many of `all` are more than half: a sign at each would tell little apart.
fn are_most(some: usize, all: usize) -> bool {
    2 * some > all
}

/// Takes the cautions off that hold for most of a figure: they stand in the caption, and the key says so in the words
/// that are returned.
pub(super) fn say_once(signs: Vec<&mut Signs>) -> Option<&'static str> {
    let cautions = signs.iter().flat_map(|s| s.cautions());
    let counts = cautions.map(str::to_owned).counts();
    let all = signs.len();
    let most = counts.iter().filter(|(_, times)| are_most(**times, all));
    let most: Vec<(&String, &usize)> = most.collect();
    for signs in signs {
        let is_left = |reason: &&str| !most.iter().any(|(said, _)| said == reason);
        let left: Vec<&str> = signs.cautions().filter(is_left).collect();
        signs.caution = (!left.is_empty()).then(|| left.join("; "));
    }
    match most.iter().map(|(_, times)| **times).max()? {
        times if times == all => Some("all of it is to be read with care: see caption"),
        _ => Some("most of it is to be read with care: see caption"),
    }
}

/// More than this are counted instead of named: the summary beside the figure names them.
const MOST_NAMED: usize = 20;

/// One line a reason, with everything it is about: what has `signs`, by place and label. A caution that holds for most
/// is said of all, or of all but some.
pub(super) fn sign_notes<'a>(
    signs: impl Iterator<Item = (&'a Signs, String, &'a str)>,
) -> Vec<String> {
    let all: Vec<(&Signs, String, &str)> = signs.collect();
    let about = all.iter().flat_map(|(signs, place, label)| {
        let reasons = signs.reasons();
        reasons.map(move |reason| (reason, (place.as_str(), *label)))
    });
    let note = |((sign, reason), about): ((&str, &str), Vec<(&str, &str)>)| {
        if sign == STRUCK_SIGN || !are_most(about.len(), all.len()) {
            return format!("{sign} {reason}: {}", named(about));
        }
        let others = all
            .iter()
            .filter(|(signs, ..)| !signs.cautions().contains(&reason));
        match others
            .map(|(_, place, label)| (place.as_str(), *label))
            .collect_vec()
        {
            none if none.is_empty() => format!("All of it is to be read with care: {reason}"),
            others => format!(
                "Most of it is to be read with care: {reason}: all but {}",
                named(others)
            ),
        }
    };
    grouped(about).into_iter().map(note).collect()
}

/// Labels by place; only their number where they are many.
fn named(about: Vec<(&str, &str)>) -> String {
    if about.len() > MOST_NAMED {
        return format!("{} places", about.len());
    }
    let places = grouped(about).into_iter().map(|(place, labels)| {
        let labels = labels.join(", ");
        match place {
            "" => labels,
            place => format!("{labels} ({place})"),
        }
    });
    places.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many with each of these cautions.
    fn signs(cautions: &[(usize, &str)]) -> Vec<Signs> {
        let each = cautions.iter().flat_map(|&(times, caution)| {
            let signs = Signs {
                struck: None,
                caution: Some(caution.to_owned()).filter(|c| !c.is_empty()),
            };
            std::iter::repeat_n(signs, times)
        });
        each.collect()
    }

    #[test]
    fn what_holds_for_most_is_said_once_and_what_distinguishes_keeps_its_sign() {
        let said = |cautions: &[(usize, &str)]| {
            let mut signs = signs(cautions);
            let words = say_once(signs.iter_mut().collect());
            let left = signs.iter().filter(|s| s.caution.is_some()).count();
            (words, left)
        };
        let most = Some("most of it is to be read with care: see caption");
        let all = Some("all of it is to be read with care: see caption");
        assert_eq!(said(&[(5, "busy"), (2, "")]), (most, 0));
        assert_eq!(
            said(&[(5, "busy"), (1, "busy; stolen"), (1, "")]),
            (most, 1)
        );
        assert_eq!(said(&[(2, "busy"), (1, "stolen; busy")]), (all, 1));
        assert_eq!(said(&[(1, "busy"), (1, "")]), (None, 1));
        assert_eq!(said(&[(1, "busy"), (1, "stolen")]), (None, 2));
        assert_eq!(said(&[(3, "")]), (None, 0));
        assert_eq!(said(&[]), (None, 0));
    }

    #[test]
    fn the_caption_names_the_fewer() {
        let notes = |cautions: &[(usize, &str)]| {
            let signs = signs(cautions);
            let labels = ["a", "b", "c", "d", "e"];
            let all = signs.iter().zip(labels);
            sign_notes(all.map(|(signs, label)| (signs, "x".to_owned(), label)))
        };
        let said = notes(&[(3, "busy"), (1, "stolen"), (1, "")]);
        assert_eq!(
            said,
            [
                "Most of it is to be read with care: busy: all but d, e (x)",
                "† stolen: d (x)"
            ]
        );
        assert_eq!(
            notes(&[(2, "busy")]),
            ["All of it is to be read with care: busy"]
        );
        assert_eq!(notes(&[(1, "busy"), (1, "")]), ["† busy: a (x)"]);
    }
}
