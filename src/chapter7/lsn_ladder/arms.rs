//! The arms: what is made slow.

use std::time::Duration;

use crate::chapter7::level::Level;
use crate::names::named_enum;

named_enum! {
    /// The one thing that is made slow.
    pub enum Fault: "fault" {
        /// Nothing: the control.
        None = "none",
        /// The network: 10 ms each way.
        Network = "network, 20 ms there and back",
        /// The standby's fdatasync.
        StandbyDisk = "standby's fdatasync, 20 ms",
        /// `recovery_min_apply_delay` on the standby.
        Apply = "replay, 100 ms",
        /// The primary's fdatasync.
        PrimaryDisk = "primary's fdatasync, 20 ms",
    }
}

impl Fault {
    /// Those that are not the control.
    pub const FOUR: [Fault; 4] = [
        Fault::Network,
        Fault::StandbyDisk,
        Fault::Apply,
        Fault::PrimaryDisk,
    ];

    /// What a commit that waits for it takes longer.
    pub fn injected(self) -> Duration {
        Duration::from_millis(match self {
            Fault::None => 0,
            Fault::Network | Fault::StandbyDisk | Fault::PrimaryDisk => 20,
            Fault::Apply => 100,
        })
    }

    /// The first level that waits for it; those behind it wait, too.
    pub fn first_level(self) -> Option<Level> {
        match self {
            Fault::None => None,
            Fault::PrimaryDisk => Some(Level::Local),
            Fault::Network => Some(Level::RemoteWrite),
            Fault::StandbyDisk => Some(Level::On),
            Fault::Apply => Some(Level::RemoteApply),
        }
    }

    /// Whether a commit at this level waits for what is slow.
    pub fn is_felt_at(self, level: Level) -> bool {
        self.first_level().is_some_and(|first| level >= first)
    }
}
