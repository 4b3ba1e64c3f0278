//! Where the time of a traced statement went.

use crate::names::named_enum;

named_enum! {
    /// A part of a reader's statement, as its backend's turns on the CPU and ProcArrayLock's holder show it. The parts
    /// of a statement add up to its service time.
    pub enum StatementPart: "part of a statement" {
        /// The backend ran.
        OnCpu = "on-cpu",
        /// It could have run, and had no CPU.
        WaitForCpu = "wait-for-cpu",
        /// It waited for ProcArrayLock, whose exclusive holder ran.
        HolderRunning = "lock-holder-running",
        /// The same, while the holder had lost the CPU.
        HolderOff = "lock-holder-off",
        /// It waited for ProcArrayLock although nobody held it exclusively any more, or had been woken and did not run yet.
        WakeUp = "lock-wake-up",
        /// It slept for another reason.
        OtherWaits = "other-waits",
        /// Before the backend was woken, and after it had answered: socket and client.
        Client = "client",
    }
}

named_enum! {
    /// Which traced statements are summed up together, by their service time.
    pub enum StatementClass: "class of statements" {
        /// Every one.
        All = "all",
        /// Those over the run's threshold.
        Slow = "slow",
        /// Those of the slow ones that would not be slow without the lock's parts.
        SlowByLock = "slow-by-lock",
    }
}

impl StatementPart {
    /// The waits for ProcArrayLock.
    pub const LOCK: [StatementPart; 3] = [Self::HolderRunning, Self::HolderOff, Self::WakeUp];

    /// Name of a block's counter: the sum of this part over a class, in ns.
    pub fn counter(self, class: StatementClass) -> String {
        format!("split.{class}.{self}-ns")
    }
}

impl StatementClass {
    /// Name of a block's counter: how many statements those are.
    pub fn counter(self) -> String {
        format!("split.{self}.statements")
    }
}
