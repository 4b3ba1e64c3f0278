//! How a level is called: standing connections always, other factors where they vary.

use super::format::count;
use crate::factor::{Factor, Factors};

/// `500 standing connections, lock std`.
pub(super) fn level_title(level: &Factors, varying: &[Factor]) -> String {
    with_factors("standing connections", level, varying)
}

/// `500 standing, lock std`.
pub(super) fn short_title(level: &Factors, varying: &[Factor]) -> String {
    with_factors("standing", level, varying)
}

/// `PostgreSQL 15, slots front, 2,000 standing`.
pub(super) fn varying_first(level: &Factors, varying: &[Factor]) -> String {
    let mut words = level.words(varying);
    words.push(format!("{} standing", count(u64::from(level.standing))));
    words.join(", ")
}

fn with_factors(what: &str, level: &Factors, varying: &[Factor]) -> String {
    std::iter::once(format!("{} {what}", count(u64::from(level.standing))))
        .chain(level.words(varying))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The values of the factors that vary, for a table's cells.
pub(super) fn factor_cells(level: &Factors, varying: &[Factor]) -> Vec<String> {
    varying
        .iter()
        .map(|&f| level.get(f).unwrap_or_default())
        .collect()
}

/// Several names with commas between them.
pub(super) fn listed<T: ToString>(values: &[T]) -> String {
    let names: Vec<String> = values.iter().map(T::to_string).collect();
    names.join(", ")
}
