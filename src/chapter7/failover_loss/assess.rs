//! What a run lets one say.

use super::arms::{Arm, Client};
use super::checks::checks;
use super::claims::claims;
use super::record::FailoverLoss;
use super::summing::{in_words, sum, tally, valid};
use super::tables::tables;
use crate::chapter7::assessment::Assessment;
use crate::chapter7::level::Level;

/// Judges a run.
pub fn assess(run: &FailoverLoss) -> Assessment {
    Assessment {
        answer: answer(run),
        claims: claims(run),
        checks: checks(run),
        tables: tables(run),
    }
}

fn answer(run: &FailoverLoss) -> Vec<String> {
    let said = |arm, level, client| in_words(tally(run, arm, level, client));
    let patient = |arm, level| said(arm, level, Client::Patient);
    let arms = [Arm::Cut500, Arm::Cut1000, Arm::Cut2000];
    let cut = valid(run).filter(|t| arms.contains(&t.arm));
    let remote = cut.flat_map(|t| t.outcomes.iter().filter(|o| o.level.is_remote()));
    vec![
        format!(
            "With the link cut for 0.5 s before the primary dies, local loses {} acknowledged rows; remote_write, on and remote_apply together lose {} with the standby in the list, in all cuts.",
            patient(Arm::Cut500, Level::Local),
            in_words(sum(remote))
        ),
        format!(
            "With PostgreSQL's defaults, where the list is empty, on loses {}, as local does.",
            patient(Arm::NoList, Level::On)
        ),
        format!(
            "on loses, too, if waits are cancelled ({}), the list is emptied ({}) or a standby that was not waited for is promoted ({}).",
            said(Arm::Waiting, Level::On, Client::Cancelled),
            said(Arm::Emptied, Level::On, Client::Freed),
            patient(Arm::OtherStandby, Level::On)
        ),
    ]
}

#[cfg(test)]
#[path = "assess_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "patroni_tests.rs"]
mod patroni_tests;
