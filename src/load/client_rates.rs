//! The clients' rate at each level.

use crate::factor::ClientRate;
use crate::factor::Factors;
use crate::factor::OfferedRate;

/// What `auto` is a share of: half of what the weakest arm sustains.
const AUTO_SHARE: f64 = 0.5;

/// The clients' rates of a run, once they are known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientRates {
    /// The rate of levels that name none.
    pub base: OfferedRate,
    /// What the weakest arm sustains in a closed loop, per second, if that was measured.
    pub least_sustained: Option<f64>,
}

impl Default for ClientRates {
    fn default() -> Self {
        ClientRates {
            base: OfferedRate::Max,
            least_sustained: None,
        }
    }
}

impl ClientRates {
    /// The rate that is offered at a level.
    pub fn at(&self, level: &Factors) -> OfferedRate {
        level
            .client_rate
            .map_or(self.base, |rate| self.resolve(rate))
    }

    /// A rate as it was asked for, in operations per second.
    pub fn resolve(&self, rate: ClientRate) -> OfferedRate {
        let share = match rate {
            ClientRate::Given(rate) => return rate,
            ClientRate::Share(share) => share,
            ClientRate::Auto => AUTO_SHARE,
        };
        match self.least_sustained {
            // Whole operations per second read better and can be typed again.
            Some(least) => OfferedRate::PerSecond((least * share).round().max(1.0)),
            None => self.base,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_is_sustained_and_given_rates_stay() {
        let rates = ClientRates {
            base: OfferedRate::PerSecond(20.0),
            least_sustained: Some(401.0),
        };
        let at = |name: Option<&str>| {
            rates.at(&Factors {
                client_rate: name.map(|n| n.parse().unwrap()),
                ..Factors::standing(3)
            })
        };
        assert_eq!(at(None), OfferedRate::PerSecond(20.0));
        assert_eq!(at(Some("auto")), OfferedRate::PerSecond(201.0));
        assert_eq!(at(Some("25%")), OfferedRate::PerSecond(100.0));
        assert_eq!(at(Some("70/s")), OfferedRate::PerSecond(70.0));
        assert_eq!(at(Some("max")), OfferedRate::Max);
        let unknown = ClientRates {
            least_sustained: None,
            ..rates
        };
        assert_eq!(unknown.resolve(ClientRate::Auto), rates.base);
    }
}
