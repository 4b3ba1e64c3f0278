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

impl StatementPart {
    /// Thresholds in us over which slow statements are summed up apart; 0 stands for all statements.
    pub const THRESHOLDS_US: [u64; 6] = [0, 100, 200, 500, 1_000, 2_000];

    /// Name of a block's counter: the sum of this part in ns over statements slower than that.
    pub fn counter(self, over_us: u64) -> String {
        format!("split.over-{over_us}us.{self}-ns")
    }

    /// Name of a block's counter: how many statements those are.
    pub fn statements(over_us: u64) -> String {
        format!("split.over-{over_us}us.statements")
    }
}
