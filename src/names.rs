//! Values that are written and read by their names; nouns behind numbers.

/// An enum whose values have names: `ALL`, `name()`, `Display`, `FromStr` and serde by the name.
///
/// The text after the enum's name is what an unknown value is called in the error. A value may have further
/// spellings (`"off" | "none"`); it is printed by the first.
macro_rules! named_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident: $what:literal {
            $($(#[$value_meta:meta])* $value:ident = $text:literal $(| $other:literal)*),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        $vis enum $name {
            $($(#[$value_meta])* #[serde(rename = $text)] $value,)+
        }

        #[allow(dead_code)]
        impl $name {
            /// Every value, in the order of presentation.
            $vis const ALL: &'static [$name] = &[$($name::$value),+];

            /// Their names, in the same order.
            $vis const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name used on the command line, in files and in figures.
            $vis fn name(self) -> &'static str {
                match self { $($name::$value => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text $(| $other)* => Ok($name::$value),)+
                    other => Err(crate::names::unknown($what, other, &[$($text),+])),
                }
            }
        }
    };
}

/// Serialises types by their text: what `Display` writes and `FromStr` reads.
macro_rules! serde_by_text {
    ($($name:ty),+ $(,)?) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

/// How alike two names are from which on one is taken for a misspelling of the other, as clap does.
const ALIKE: f64 = 0.7;

/// What is said of a name that there is not: the one that may have been meant, and all there are.
pub(crate) fn unknown(what: &str, given: &str, names: &[&str]) -> String {
    let alike = |name: &&&str| strsim::jaro(given, name);
    let meant = names.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)));
    let meant = meant.filter(|name| alike(name) > ALIKE);
    let hint = meant.map_or(String::new(), |name| format!("did you mean '{name}'? "));
    format!(
        "unknown {what} '{given}': {hint}choose from {}",
        names.join(", ")
    )
}

/// A number with its noun: `1 reader`, `2 readers`.
pub(crate) fn counted<N: From<u8> + PartialEq + std::fmt::Display>(n: N, noun: &str) -> String {
    let ending = if n == N::from(1) { "" } else { "s" };
    format!("{n} {noun}{ending}")
}

pub(crate) use {named_enum, serde_by_text};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_recognised_and_another_is_not() {
        let said = |given| unknown("experiment", given, &["churn-tail", "lock-part", "pool"]);
        for nearly in ["churn-tial", "churntail", "chrun-tail"] {
            assert!(
                said(nearly)
                    .contains("did you mean 'churn-tail'? choose from churn-tail, lock-part")
            );
        }
        assert!(said("pol").contains("'pool'?"));
        for other in ["", "x", "frobnicate"] {
            let wanted =
                format!("unknown experiment '{other}': choose from churn-tail, lock-part, pool");
            assert_eq!(said(other), wanted);
        }
    }
}
