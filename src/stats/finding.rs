//! A prediction held against a run: values, from which sentences are made elsewhere.

use serde::Serialize;

use super::bootstrap::Estimate;
use super::bootstrap::Unit;
use super::level::Found;
use super::verdict::Verdict;

/// How a prediction, or a part of it, came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was shown.
    Stands,
    /// Its first part stands, another one is refuted.
    PartlyRefuted,
    /// What was declared to refute it was found.
    Refuted,
    /// The run does not say.
    CannotTell,
}

/// A named number behind a statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Value {
    /// What it is the number of; may be empty.
    pub of: String,
    /// The number; without an interval both ends are the value.
    pub estimate: Estimate,
    /// Its unit.
    pub unit: Unit,
}

/// One thing that is claimed, or merely told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// What is claimed, as a clause.
    pub claim: String,
    /// How it came out; `None` for what is told without a prediction.
    pub outcome: Option<Outcome>,
    /// Why, where it is not plain: what is missing, or where it fails.
    pub because: Option<String>,
    /// The numbers it rests on.
    pub values: Vec<Value>,
}

/// A prediction held against a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The prediction as a whole; `None` where nothing was predicted of such a run.
    pub outcome: Option<Outcome>,
    /// Its parts, the declared outcome first.
    pub statements: Vec<Statement>,
}

impl Finding {
    /// Puts the parts together: refuted with its first part, refuted in part with another, and standing
    /// only where every part does.
    pub fn of(statements: Vec<Statement>) -> Self {
        let judged: Vec<Outcome> = statements.iter().filter_map(|s| s.outcome).collect();
        let outcome = match judged.first() {
            Some(Outcome::Refuted) => Some(Outcome::Refuted),
            Some(_) if judged.contains(&Outcome::Refuted) => Some(Outcome::PartlyRefuted),
            Some(_) if judged.contains(&Outcome::CannotTell) => Some(Outcome::CannotTell),
            first => first.copied(),
        };
        Finding {
            outcome,
            statements,
        }
    }

    /// Nothing can be said.
    pub fn cannot_tell(claim: &str, because: &str) -> Self {
        Finding::of(vec![Statement::cannot_tell(claim, because)])
    }

    /// Takes the outcomes back: `size` is smaller than a claim needs.
    #[must_use]
    pub(super) fn only_seen(self, size: &str) -> Self {
        let statements = self.statements.into_iter();
        Finding::of(statements.map(|s| s.only_seen(size)).collect())
    }
}

impl Statement {
    /// A claim with its outcome.
    pub fn judged(claim: impl Into<String>, outcome: Outcome) -> Self {
        Statement {
            outcome: Some(outcome),
            ..Statement::told(claim)
        }
    }

    /// Told without a prediction.
    pub fn told(claim: impl Into<String>) -> Self {
        Statement {
            claim: claim.into(),
            outcome: None,
            because: None,
            values: Vec::new(),
        }
    }

    /// A claim that the run does not decide.
    pub fn cannot_tell(claim: impl Into<String>, because: impl Into<String>) -> Self {
        Statement::judged(claim, Outcome::CannotTell).because(because)
    }

    /// "The first is higher than the second", by its contrast: refuted where it is shown to be lower, or by less
    /// than the declared bound.
    pub fn higher(claim: impl Into<String>, found: Found) -> Self {
        let Some((contrast, verdict)) = found else {
            return Statement::cannot_tell(claim, "not measured");
        };
        let statement = match verdict {
            Verdict::Higher => Statement::judged(claim, Outcome::Stands),
            Verdict::Lower => Statement::judged(claim, Outcome::Refuted).because(verdict.words()),
            Verdict::SmallerThan(_) => {
                Statement::judged(claim, Outcome::Refuted).because(verdict.words())
            }
            _ => Statement::cannot_tell(claim, verdict.words()),
        };
        statement.with("", contrast.difference, contrast.unit)
    }

    /// "The difference is smaller than `bound`", by its contrast: refuted where its 90 % interval lies beyond.
    pub fn smaller(claim: impl Into<String>, found: Found, bound: f64) -> Self {
        let Some((contrast, verdict)) = found else {
            return Statement::cannot_tell(claim, "not measured");
        };
        let beyond = contrast.interval_90[0] > bound || contrast.interval_90[1] < -bound;
        let statement = match verdict {
            v if !v.is_usable() => Statement::cannot_tell(claim, v.words()),
            _ if contrast.is_within(bound) => Statement::judged(claim, Outcome::Stands),
            _ if beyond => Statement::judged(claim, Outcome::Refuted),
            _ => Statement::cannot_tell(claim, "the interval meets the bound"),
        };
        statement.with("", contrast.difference, contrast.unit)
    }

    /// "`first` is above `second`": their intervals do not meet. Where they do, `open` is the outcome.
    pub fn above(
        claim: impl Into<String>,
        first: impl Into<Estimate>,
        second: impl Into<Estimate>,
        open: Outcome,
    ) -> Self {
        let (first, second) = (first.into(), second.into());
        let outcome = if first.low_ns > second.high_ns {
            Outcome::Stands
        } else if first.high_ns < second.low_ns {
            Outcome::Refuted
        } else {
            open
        };
        let statement = Statement::judged(claim, outcome);
        if outcome == Outcome::CannotTell {
            return statement.because("the intervals meet");
        }
        statement
    }

    fn only_seen(self, size: &str) -> Self {
        let seen = match self.outcome {
            Some(Outcome::Stands) => "seen",
            Some(Outcome::Refuted | Outcome::PartlyRefuted) => "the contrary was seen",
            Some(Outcome::CannotTell) | None => return self,
        };
        let own = self.because.iter().map(|why| format!("{why}; "));
        let why = own.collect::<String>() + &format!("{seen} {size}");
        Statement {
            outcome: Some(Outcome::CannotTell),
            because: Some(why),
            ..self
        }
    }

    /// With the reason.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.because = Some(why.into());
        self
    }

    /// With one more number.
    #[must_use]
    pub fn with(
        mut self,
        of: impl Into<String>,
        estimate: impl Into<Estimate>,
        unit: Unit,
    ) -> Self {
        self.values.push(Value {
            of: of.into(),
            estimate: estimate.into(),
            unit,
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(low_ns: f64, high_ns: f64) -> Estimate {
        Estimate {
            value_ns: (low_ns + high_ns) / 2.0,
            low_ns,
            high_ns,
        }
    }

    #[test]
    fn above_means_that_intervals_do_not_meet() {
        let outcome = |a, b| Statement::above("", a, b, Outcome::CannotTell).outcome;
        let (low, middle, high) = (between(1.0, 2.0), between(1.5, 3.0), between(2.5, 4.0));
        assert_eq!(outcome(high, low), Some(Outcome::Stands));
        assert_eq!(outcome(low, high), Some(Outcome::Refuted));
        assert_eq!(outcome(middle, low), Some(Outcome::CannotTell));
        assert_eq!(outcome(low, low), Some(Outcome::CannotTell));
    }

    #[test]
    fn a_prediction_stands_with_all_its_parts_and_falls_with_the_first() {
        use Outcome::{CannotTell, PartlyRefuted, Refuted, Stands};
        for (parts, whole) in [
            (&[Stands, Stands][..], Stands),
            (&[Stands, Refuted, CannotTell], PartlyRefuted),
            (&[Refuted, Stands], Refuted),
            (&[Stands, CannotTell], CannotTell),
            (&[CannotTell, Refuted], PartlyRefuted),
        ] {
            let mut statements: Vec<Statement> =
                parts.iter().map(|o| Statement::judged("", *o)).collect();
            statements.push(Statement::told("beside it"));
            assert_eq!(Finding::of(statements).outcome, Some(whole), "{parts:?}");
        }
    }
}
