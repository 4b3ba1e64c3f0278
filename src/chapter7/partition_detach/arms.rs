//! The arms: how the partition is removed, and what stands in front of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::named_enum;

named_enum! {
    /// How the oldest partition is removed.
    pub enum Removal: "removal" {
        /// Not at all: the control.
        None = "none",
        /// `DROP TABLE`.
        Drop = "DROP",
        /// `ALTER TABLE ... DETACH PARTITION`.
        Detach = "DETACH",
        /// `ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY`, from 14 on.
        Concurrently = "DETACH CONCURRENTLY",
        /// `DROP TABLE` with `lock_timeout` of 100 ms, again after 250 ms until it succeeds.
        DropAgain = "DROP with lock_timeout, again",
        /// DETACH CONCURRENTLY that `lock_timeout` cuts off, and then `DETACH ... FINALIZE`.
        CutOff = "DETACH CONCURRENTLY cut off, FINALIZE",
    }
}

named_enum! {
    /// What stands in front of the removal.
    pub enum Obstacle: "obstacle" {
        /// None.
        None = "nothing",
        /// Idle after it has read another partition through the parent.
        OnParent = "transaction on the parent",
        /// Idle after it has read the old partition alone, as pg_dump does.
        OnPartition = "transaction on the partition",
        /// An autovacuum of the old partition. It gives way as soon as PostgreSQL cancels it, after `deadlock_timeout`.
        Autovacuum = "autovacuum of the partition",
    }
}

named_enum! {
    /// Where the inserts go.
    pub enum Aim: "aim" {
        /// The newest partition.
        Newest = "newest partition",
        /// The range of the partition that is removed.
        Removed = "removed partition",
    }
}

/// One case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Arm {
    /// What is done.
    pub removal: Removal,
    /// What stands in front.
    pub obstacle: Obstacle,
    /// For so many ms after the removal has begun; 0 where that is not ours to say.
    pub obstacle_ms: u64,
    /// Where the inserts go.
    pub aim: Aim,
}

/// How long the obstacle stays, where nothing else is said, in ms.
pub(super) const USUAL_MS: u64 = 1_000;

/// What an arm takes beside its obstacle, tables included.
const AROUND: Duration = Duration::from_millis(2_400);

/// Until an autovacuum has come, and until it has gone.
const AUTOVACUUM: Duration = Duration::from_millis(2_500);

impl Arm {
    fn new(removal: Removal, obstacle: Obstacle, obstacle_ms: u64) -> Self {
        Arm {
            removal,
            obstacle,
            obstacle_ms,
            aim: Aim::Newest,
        }
    }

    /// All, in the order of presentation.
    pub(super) fn all() -> Vec<Self> {
        use Obstacle::{Autovacuum, None, OnParent, OnPartition};
        use Removal::{Concurrently, CutOff, Detach, Drop, DropAgain};
        let mut arms = vec![Arm::new(Removal::None, OnParent, USUAL_MS)];
        for removal in [Drop, Detach, Concurrently] {
            arms.push(Arm::new(removal, None, 0));
        }
        for removal in [Drop, Detach, Concurrently, DropAgain] {
            for ms in [USUAL_MS / 2, USUAL_MS, 2 * USUAL_MS] {
                arms.push(Arm::new(removal, OnParent, ms));
            }
        }
        for removal in [Drop, Detach, Concurrently] {
            arms.push(Arm::new(removal, OnPartition, USUAL_MS));
        }
        for removal in [Drop, Concurrently] {
            arms.push(Arm::new(removal, Autovacuum, 0));
        }
        arms.push(Arm::new(CutOff, OnParent, USUAL_MS));
        let aimed = Arm::new(Concurrently, OnParent, USUAL_MS);
        arms.push(Arm {
            aim: Aim::Removed,
            ..aimed
        });
        arms
    }

    /// Whether it needs PostgreSQL 14.
    pub(super) fn is_concurrent(self) -> bool {
        matches!(self.removal, Removal::Concurrently | Removal::CutOff)
    }

    /// How long it takes, roughly.
    pub(super) fn planned(self) -> Duration {
        let waited = match self.obstacle {
            Obstacle::Autovacuum => AUTOVACUUM,
            _ => Duration::from_millis(self.obstacle_ms),
        };
        waited + AROUND
    }

    /// In words.
    pub(super) fn label(self) -> String {
        let front = match self.obstacle {
            Obstacle::None => "nothing in front".to_owned(),
            Obstacle::Autovacuum => self.obstacle.to_string(),
            obstacle => format!("{obstacle} for {} ms", self.obstacle_ms),
        };
        let aim = match self.aim {
            Aim::Newest => "",
            Aim::Removed => ", inserts into that partition",
        };
        format!("{}, {front}{aim}", self.removal)
    }
}
