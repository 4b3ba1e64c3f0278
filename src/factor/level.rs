//! Levels: one value of each factor.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::table::{FACTORS, Factor, FactorLists, FactorRow, Factors};
use crate::arm::Mode;
use crate::procarray::PgProfile;

impl Factor {
    /// Its row of [`FACTORS`].
    pub fn row(self) -> &'static FactorRow {
        &FACTORS[self as usize]
    }

    /// Its name in files.
    pub fn key(self) -> &'static str {
        self.row().key
    }

    /// The words before its value in titles.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// Every factor, standing connections first.
    pub fn all() -> impl Iterator<Item = Factor> {
        FACTORS.iter().map(|row| row.factor)
    }

    /// Every factor but standing connections, by which levels are sorted and named first.
    pub fn beside_standing() -> impl Iterator<Item = Factor> {
        Factor::all().skip(1)
    }
}

/// The order in which lists are crossed: levels follow each other by the last one's values first. The rest
/// of the table follows, and the clients' rate is the last.
const CROSSED_FIRST: [Factor; 10] = [
    Factor::Standing,
    Factor::SlotOrder,
    Factor::Pg,
    Factor::Lock,
    Factor::Mapping,
    Factor::Transport,
    Factor::PageSize,
    Factor::CommitRate,
    Factor::Auth,
    Factor::ScramIterations,
];

impl FactorLists {
    /// Every combination of the values of the factors that `mode` has, in the order in which they were
    /// asked for.
    pub fn combinations(&self, mode: Mode) -> Vec<Factors> {
        let last = Factor::ClientRate;
        let rest = Factor::all().filter(|f| *f != last && !CROSSED_FIRST.contains(f));
        CROSSED_FIRST
            .into_iter()
            .chain(rest)
            .chain([last])
            .filter(|f| f.row().modes.contains(&mode))
            .fold(vec![Factors::default()], |levels, factor| {
                self.cross(levels, factor)
            })
    }
}

impl Eq for Factors {}

impl PartialOrd for Factors {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By standing connections, then by the other factors' texts.
impl Ord for Factors {
    fn cmp(&self, other: &Self) -> Ordering {
        let others = Factor::beside_standing().map(|f| self.get(f).cmp(&other.get(f)));
        others.fold(self.standing.cmp(&other.standing), Ordering::then)
    }
}

impl Factors {
    /// A level that names its standing connections only.
    pub fn standing(standing: u32) -> Self {
        Factors {
            standing,
            ..Factors::default()
        }
    }

    /// What a fresh server (or array) is made for: the level without the factors that need none of their own.
    pub fn of_the_start(&self) -> Factors {
        let restart: Vec<Factor> = Factor::all().filter(|f| f.row().restarts).collect();
        self.only(&restart)
    }

    /// The version's profile in the model; its default where no version is named.
    ///
    /// # Errors
    /// A version that the model does not have.
    pub fn profile(&self) -> Result<PgProfile, String> {
        self.pg.as_ref().map_or(Ok(PgProfile::default()), |pg| {
            PgProfile::of_version(&pg.to_string())
        })
    }

    /// Standing connections and these factors alone.
    pub fn only(&self, factors: &[Factor]) -> Factors {
        let mut kept = Factors::standing(self.standing);
        for &factor in factors {
            kept.copy_from(self, factor);
        }
        kept
    }

    /// Whether both have the same number of standing connections and no factor
    /// that both name differs.
    pub fn agrees_with(&self, other: &Factors) -> bool {
        self.standing == other.standing
            && Factor::beside_standing().all(|f| match (self.get(f), other.get(f)) {
                (Some(a), Some(b)) => a == b,
                _ => true,
            })
    }

    /// How many factors it names beside standing connections.
    pub(crate) fn named(&self) -> usize {
        Factor::beside_standing()
            .filter(|&f| self.get(f).is_some())
            .count()
    }

    /// Words for the factors that vary, such as `lock std, slots behind`.
    pub fn words(&self, varying: &[Factor]) -> Vec<String> {
        varying
            .iter()
            .filter_map(|&f| Some(format!("{} {}", f.title(), self.get(f)?)))
            .collect()
    }

    /// Standing connections, then the factors that vary: `500, lock std`.
    pub fn label(&self, varying: &[Factor]) -> String {
        std::iter::once(self.standing.to_string())
            .chain(self.words(varying))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The same without blanks, for tags: `500/std`.
    pub fn tag(&self, varying: &[Factor]) -> String {
        std::iter::once(self.standing.to_string())
            .chain(varying.iter().filter_map(|&f| self.get(f)))
            .collect::<Vec<_>>()
            .join("/")
    }
}

/// The factors whose value all of `absent` have in common and none of `had`: what is missing, in as few
/// words as tell it.
pub fn in_common(absent: &[&Factors], had: &[Factors]) -> Vec<(Factor, String)> {
    let Some(first) = absent.first() else {
        return Vec::new();
    };
    let common = |factor: Factor| {
        let value = first.get(factor)?;
        let is = |level: &Factors| level.get(factor).as_ref() == Some(&value);
        (absent.iter().all(|l| is(l)) && !had.iter().any(is)).then_some((factor, value))
    };
    Factor::all().filter_map(common).collect()
}

/// The factors beside standing connections that do not have one value
/// throughout these levels. A lock that follows from the version (each version's
/// own) is not named beside it.
pub fn varying<'a>(levels: impl IntoIterator<Item = &'a Factors> + Clone) -> Vec<Factor> {
    let combinations = |factors: &[Factor]| {
        let values: BTreeSet<Vec<Option<String>>> = levels
            .clone()
            .into_iter()
            .map(|l| factors.iter().map(|&f| l.get(f)).collect())
            .collect();
        values.len()
    };
    let versions = combinations(&[Factor::Pg]);
    let lock_follows = versions > 1 && combinations(&[Factor::Pg, Factor::Lock]) == versions;
    Factor::beside_standing()
        .filter(|&f| combinations(&[f]) > 1 && !(f == Factor::Lock && lock_follows))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_lock;

    #[test]
    fn only_factors_that_vary_are_named() {
        let levels = [with_lock(500, "std"), with_lock(500, "sharded")];
        assert_eq!(varying(&levels), [Factor::Lock]);
        assert_eq!(levels[0].label(&varying(&levels)), "500, lock std");
        assert_eq!(levels[1].tag(&[Factor::Lock]), "500/sharded");
        assert_eq!(levels[0].label(&varying(&levels[..1])), "500");
        assert_eq!(varying(&[Factors::standing(0), Factors::standing(9)]), []);
    }

    #[test]
    fn a_lock_that_comes_with_the_version_is_not_named() {
        let level = |pg: &str, lock: &str| Factors {
            pg: Some(pg.parse().unwrap()),
            ..with_lock(500, lock)
        };
        let own = [level("15", "lwlock-17"), level("18", "lwlock-18")];
        assert_eq!(varying(&own), [Factor::Pg]);
        let chosen = [own[0].clone(), own[1].clone(), level("18", "std")];
        assert_eq!(varying(&chosen), [Factor::Pg, Factor::Lock]);
    }
}
