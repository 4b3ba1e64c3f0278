//! At which level a commit is acknowledged.

use crate::names::named_enum;

named_enum! {
    /// `synchronous_commit`.
    pub enum Level: "level" {
        /// Nothing is waited for.
        Off = "off",
        /// The primary's disk.
        Local = "local",
        /// The standby's kernel.
        RemoteWrite = "remote_write",
        /// The standby's disk.
        On = "on",
        /// The standby's replay.
        RemoteApply = "remote_apply",
    }
}

impl Level {
    /// Whether it waits for the standby.
    pub fn is_remote(self) -> bool {
        self >= Level::RemoteWrite
    }
}
