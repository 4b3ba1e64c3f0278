//! The arms: what fails, what the list of standbys is, and who writes meanwhile.

use std::time::Duration;

use super::session::PAYLOAD;
use crate::chapter7::level::Level;
use crate::chapter7::pair::STANDBY;
use crate::experiment::Scale;
use crate::names::named_enum;

named_enum! {
    /// One way to lose a primary.
    pub enum Arm: "arm" {
        /// Nothing before it: the control.
        Healthy = "healthy link",
        /// The network is slow.
        Delay25 = "link 25 ms each way",
        /// It is slower.
        Delay100 = "link 100 ms each way",
        /// The network is cut, and the primary dies later.
        Cut500 = "link cut for 0.5 s",
        /// The same.
        Cut1000 = "link cut for 1 s",
        /// The same.
        Cut2000 = "link cut for 2 s",
        /// The same with PostgreSQL's defaults: `synchronous_standby_names` is empty.
        NoList = "link cut for 0.5 s, empty list",
        /// Somebody empties the list while commits wait.
        Emptied = "link cut for 1 s, list emptied after 0.5 s",
        /// Clients that do not wait patiently.
        Waiting = "link cut for 1 s, waits cancelled",
        /// The standby's processes die, too, and it is started again.
        StandbyCrash = "standby's processes crash, too",
        /// The standby's machine dies, too: what was not on its disk is gone.
        PageCache = "standby loses its page cache, too (emulated)",
        /// Two standbys, one far away: that one is promoted.
        OtherStandby = "the far standby of two is promoted",
        /// The primary's processes die, and it is started again.
        InPlace = "restart in place",
        /// The same, with nobody else whose flushes carry the commits.
        InPlaceOff = "restart in place, off alone",
        /// The same.
        InPlaceLocal = "restart in place, local alone",
    }
}

named_enum! {
    /// What a client does whose commit waits for a standby that does not come.
    pub enum Client: "client" {
        /// It waits.
        Patient = "patient",
        /// The wait is cancelled (`pg_cancel_backend`), every 100 ms.
        Cancelled = "cancelled",
        /// The session is terminated (`pg_terminate_backend`).
        Terminated = "terminated",
        /// It waits, and the list of standbys is emptied.
        Freed = "list emptied",
    }
}

named_enum! {
    /// What Patroni has when its leader dies.
    pub enum PatroniArm: "arm with Patroni" {
        /// Replication was cut for 1 s.
        Off = "synchronous_mode off, cut for 1 s",
        /// The same.
        On = "synchronous_mode on, cut for 1 s",
        /// Two standbys, of which one has not received anything for 2 s.
        Behind = "two standbys, one behind",
        /// Replication was cut right after the leader's position had been stored, and much was written since.
        StalePosition = "synchronous_mode off, cut for 4 s after the position was stored",
        /// Replication was cut until Patroni let the leader go on alone.
        NotStrict = "synchronous_mode on, not strict, cut until the leader was alone",
    }
}

impl PatroniArm {
    /// How old the stored position is when the leader dies, where it is.
    pub(super) const STALE: Duration = Duration::from_secs(4);

    /// `synchronous_mode`.
    pub(super) fn is_synchronous(self) -> bool {
        matches!(self, PatroniArm::On | PatroniArm::NotStrict)
    }

    /// What each standby is to the leader at first.
    pub(super) fn sync_state(self) -> &'static str {
        match self.is_synchronous() {
            true => "sync",
            false => "async",
        }
    }

    /// How many there are.
    pub(super) fn standbys(self) -> usize {
        match self {
            PatroniArm::Behind => 2,
            _ => 1,
        }
    }

    /// `loop_wait`, in seconds: 10 is Patroni's default, and less makes a trial shorter.
    pub(super) fn loop_wait(self) -> u32 {
        match self {
            PatroniArm::StalePosition => 10,
            _ => 2,
        }
    }

    /// Bytes of a row: more where `maximum_lag_on_failover` is to be passed, less where it must not be the reason.
    pub(super) fn payload(self) -> u32 {
        match self {
            PatroniArm::StalePosition => 2_000,
            PatroniArm::NotStrict => 50,
            _ => PAYLOAD,
        }
    }

    /// Whether the old leader's node is started again.
    pub(super) fn rejoins(self) -> bool {
        matches!(self, PatroniArm::Off | PatroniArm::NotStrict)
    }

    /// Whether a new leader must be there. Elsewhere nobody is promoted.
    pub(super) fn promotes(self) -> bool {
        self != PatroniArm::NotStrict
    }
}

/// Writers that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// `synchronous_commit`.
    pub level: Level,
    /// What becomes of their waits.
    pub client: Client,
}

/// Writers of a group.
pub(super) const WRITERS: u32 = 2;

/// The application name of the second standby.
pub(super) const SECOND: &str = "s2";

/// A list of both standbys, by their order.
const FIRST: &str = "FIRST 1 (s1, s2)";

impl Arm {
    /// Those that a run of this scale has, with how often each round has them.
    pub(super) fn of_scale(scale: Scale) -> Vec<Arm> {
        let wanted = |arm: &Arm| match (arm, scale) {
            (Arm::Delay25 | Arm::Cut2000 | Arm::StandbyCrash | Arm::InPlace, Scale::Quick) => 0,
            // What it loses depends on when in the WAL writer's cycle it dies.
            (Arm::InPlaceOff, _) => 3,
            _ => 1,
        };
        let arms = Arm::ALL.iter();
        arms.flat_map(|arm| std::iter::repeat_n(*arm, wanted(arm)))
            .collect()
    }

    /// How long bytes are under way each way.
    pub(super) fn delay(self) -> Duration {
        Duration::from_millis(match self {
            Arm::Delay25 => 25,
            Arm::Delay100 => 100,
            _ => 0,
        })
    }

    /// How long the standby is cut off before the primary dies.
    pub(super) fn cut(self) -> Duration {
        Duration::from_millis(match self {
            Arm::Cut500 | Arm::NoList => 500,
            Arm::Cut1000 | Arm::Emptied | Arm::Waiting => 1_000,
            Arm::Cut2000 => 2_000,
            _ => 0,
        })
    }

    /// What the standby lacks when the primary dies, as a time.
    pub(super) fn lacks(self) -> Duration {
        self.delay() + self.cut()
    }

    /// `synchronous_standby_names`; `None` for the default, which is empty.
    pub(super) fn list(self) -> Option<&'static str> {
        match self {
            Arm::NoList | Arm::InPlaceOff | Arm::InPlaceLocal => None,
            Arm::OtherStandby => Some(FIRST),
            _ => Some(STANDBY),
        }
    }

    /// Whether there is a standby.
    pub(super) fn has_standby(self) -> bool {
        !matches!(self, Arm::InPlaceOff | Arm::InPlaceLocal)
    }

    /// Whether there is a second one.
    pub(super) fn has_second(self) -> bool {
        self == Arm::OtherStandby
    }

    /// Whether the primary is started again, and nobody promoted.
    pub(super) fn is_in_place(self) -> bool {
        matches!(self, Arm::InPlace | Arm::InPlaceOff | Arm::InPlaceLocal)
    }

    /// Whether the standby's processes die, too.
    pub(super) fn kills_standby(self) -> bool {
        matches!(self, Arm::StandbyCrash | Arm::PageCache)
    }

    /// Whether the dead primary is opened again alone, to see what it has.
    pub(super) fn opens_old(self) -> bool {
        matches!(
            self,
            Arm::Cut500 | Arm::Cut1000 | Arm::Cut2000 | Arm::NoList | Arm::Delay100
        )
    }

    /// Who writes.
    pub(super) fn groups(self) -> Vec<Group> {
        let group = |level, client| Group { level, client };
        match self {
            Arm::InPlaceOff => vec![group(Level::Off, Client::Patient)],
            Arm::InPlaceLocal => vec![group(Level::Local, Client::Patient)],
            Arm::Waiting => vec![
                // That somebody loses shows that the crash is one.
                group(Level::Local, Client::Patient),
                group(Level::On, Client::Patient),
                group(Level::On, Client::Cancelled),
                group(Level::RemoteApply, Client::Cancelled),
                group(Level::On, Client::Terminated),
            ],
            _ => {
                let client = match self {
                    Arm::Emptied => Client::Freed,
                    _ => Client::Patient,
                };
                let levels = Level::ALL.iter();
                levels.map(|level| group(*level, client)).collect()
            }
        }
    }

    /// Inserts per second of each writer.
    pub(super) fn rate_per_writer(self) -> f64 {
        match self {
            Arm::InPlaceOff | Arm::InPlaceLocal => 500.0,
            _ => 100.0,
        }
    }

    /// The load alone, before anything fails; a random time is added.
    pub(super) fn lead(self, scale: Scale) -> Duration {
        Duration::from_millis(match (self, scale) {
            (Arm::InPlaceOff | Arm::InPlaceLocal, _) => 800,
            // A commit takes 50 ms there, and 100 are wanted at each level.
            (Arm::Delay25, _) => 3_000,
            (_, Scale::Quick) => 1_000,
            (_, Scale::Full) => 1_500,
        })
    }

    /// Roughly how long it takes.
    pub(super) fn planned(self, scale: Scale) -> Duration {
        let around = match self {
            _ if !self.has_standby() => 2_000,
            _ if self.kills_standby() || self.opens_old() || self.has_second() => 4_500,
            _ => 3_500,
        };
        self.lead(scale) + self.cut() + Duration::from_millis(around)
    }
}
