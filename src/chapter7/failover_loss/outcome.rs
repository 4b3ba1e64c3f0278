//! What the clients' record and the rows that are there say together.

use std::collections::HashSet;

use itertools::Itertools;

use super::arms::Group;
use super::record::{Outcome, STEP_NS};
use crate::chapter7::inserts::{Insert, Inserts};

/// The outcomes of some groups, and rows that should not be.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Classified {
    pub outcomes: Vec<Outcome>,
    /// Rows that no client has sent.
    pub foreign: u64,
    /// Rows that are there more than once.
    pub twice: u64,
}

/// Holds what was sent against the numbers that are there, and those that the old primary has. Writers take turns at the
/// groups.
pub(super) fn classify(
    inserts: &Inserts,
    groups: &[Group],
    present: &[u64],
    on_old: Option<&[u64]>,
) -> Classified {
    let there: HashSet<u64> = present.iter().copied().collect();
    let old: Option<HashSet<u64>> = on_old.map(|rows| rows.iter().copied().collect());
    let sent: HashSet<u64> = inserts.all.iter().map(|i| i.number).collect();
    let of_group = |(place, group): (usize, &Group)| {
        let own = |i: &&Insert| i.place as usize % groups.len() == place;
        let own = inserts.all.iter().filter(own).collect_vec();
        outcome(*group, &own, &there, old.as_ref())
    };
    Classified {
        outcomes: groups.iter().enumerate().map(of_group).collect(),
        foreign: there.difference(&sent).count() as u64,
        twice: (present.len() - there.len()) as u64,
    }
}

fn outcome(
    group: Group,
    own: &[&Insert],
    there: &HashSet<u64>,
    old: Option<&HashSet<u64>>,
) -> Outcome {
    let is_there = |i: &&&Insert| there.contains(&i.number);
    let all = own.iter().copied();
    let (acked, unacked): (Vec<&Insert>, Vec<&Insert>) = all.partition(|i| i.failed.is_none());
    let lost = acked.iter().filter(|i| !is_there(i)).copied().collect_vec();
    let warned = |of: &[&Insert]| of.iter().filter(|i| i.noticed).count() as u64;
    let present = unacked.iter().filter(is_there).count() as u64;
    let steps = |of: &[&Insert]| {
        let last = acked.iter().map(|i| i.ended_ns / STEP_NS).max();
        let mut steps = vec![0; last.map_or(0, |last| last as usize + 1)];
        for insert in of {
            steps[(insert.ended_ns / STEP_NS) as usize] += 1;
        }
        steps
    };
    // Acknowledged rows of one writer: what is lost must come after all that is kept.
    let writers = acked.iter().into_group_map_by(|i| i.place);
    let has_hole = |rows: &Vec<&&Insert>| {
        let first_lost = rows.iter().filter(|i| !there.contains(&i.number));
        let first_lost = first_lost.map(|i| i.number).min();
        let last_kept = rows.iter().filter(|i| there.contains(&i.number));
        let last_kept = last_kept.map(|i| i.number).max();
        first_lost.is_some_and(|lost| Some(lost) < last_kept)
    };
    Outcome {
        level: group.level,
        client: group.client,
        acked: acked.len() as u64,
        lost: lost.len() as u64,
        warned: warned(&acked),
        warned_lost: warned(&lost),
        unacked_present: present,
        unacked_missing: unacked.len() as u64 - present,
        holes: writers.values().filter(|rows| has_hole(rows)).count() as u64,
        first_lost_ns: lost.iter().map(|i| i.ended_ns).min(),
        on_old: old.map(|old| lost.iter().filter(|i| old.contains(&i.number)).count() as u64),
        acks: steps(&acked),
        lost_acks: steps(&lost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chapter7::failover_loss::arms::Client;
    use crate::chapter7::level::Level;

    /// Two writers at each of two levels; ten inserts each, the last not acknowledged.
    fn inserts() -> Inserts {
        let all = (0..4_u64).flat_map(|place| {
            (0..10_u64).map(move |n| Insert {
                place,
                number: 1_000 * (place + 1) + n,
                ended_ns: n * STEP_NS,
                failed: (n == 9).then(|| "connection-closed".to_owned()),
                noticed: n == 8 && place == 1,
                ..Insert::default()
            })
        });
        Inserts {
            all: all.collect(),
            not_begun: 3,
        }
    }

    fn groups() -> [Group; 2] {
        [Level::Local, Level::On].map(|level| Group {
            level,
            client: Client::Patient,
        })
    }

    fn all_but(missing: &[u64]) -> Vec<u64> {
        let numbers = inserts().all.into_iter().map(|i| i.number);
        numbers.filter(|n| !missing.contains(n)).collect()
    }

    #[test]
    fn acknowledged_and_missing_is_lost_and_nothing_else() {
        // The first writer lost its last two; its last insert was never acknowledged.
        let present = all_but(&[1_007, 1_008, 1_009, 2_009]);
        let old = all_but(&[1_008]);
        let found = classify(&inserts(), &groups(), &present, Some(&old));
        assert_eq!((found.foreign, found.twice), (0, 0));
        let [local, on] = &found.outcomes[..] else {
            panic!("two groups");
        };
        assert_eq!((local.acked, local.lost, local.holes), (18, 2, 0));
        assert_eq!((local.unacked_present, local.unacked_missing), (1, 1));
        assert_eq!(local.first_lost_ns, Some(7 * STEP_NS));
        assert_eq!(local.on_old, Some(1));
        assert_eq!(local.acks, [2; 9]);
        assert_eq!(local.lost_acks, [0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!((on.acked, on.lost, on.unacked_present), (18, 0, 1));
        assert_eq!((on.warned, on.warned_lost, on.on_old), (1, 0, Some(0)));
    }

    #[test]
    fn a_hole_a_stranger_and_a_twin_are_seen() {
        let mut present = all_but(&[4_003]);
        present.extend([77, 2_001]);
        let found = classify(&inserts(), &groups(), &present, None);
        assert_eq!((found.foreign, found.twice), (1, 1));
        assert_eq!(found.outcomes[1].holes, 1);
        assert_eq!(found.outcomes[1].on_old, None);
        assert_eq!(found.outcomes[0].holes, 0);
        assert_eq!(classify(&Inserts::default(), &groups(), &[], None).twice, 0);
    }
}
