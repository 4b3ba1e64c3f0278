//! Whether and how cores are kept awake.

use crate::names::named_enum;

named_enum! {
    /// Whether and how cores are kept awake.
    pub enum KeepAwakeChoice: "way to keep cores awake" {
        /// By power management where allowed; else by spinners in the model and not
        /// at all beside a server.
        Auto = "auto" | "on",
        /// By power management.
        PowerManagement = "pm",
        /// By SCHED_IDLE spinners.
        Spinners = "spin",
        /// Not at all.
        Off = "off",
    }
}
