// Included by the build script, which plants them, and by the crate, which shows that they are caught.

/// A mistake that somebody could make in a lock's source.
pub struct Bug {
    /// Module that holds the sources with it.
    pub name: &'static str,
    /// The file, below `src/procarray/locks/`.
    pub file: &'static str,
    /// What the file says, exactly once.
    pub instead_of: &'static str,
    /// What it says with the bug.
    pub planted: &'static str,
}

pub const PLANTED: &[Bug] = &[
    Bug {
        name: "lost_wake_up",
        file: "lwlock/raw.rs",
        instead_of: "            if self.attempt(mode) {
                surplus += self.dequeue_self(slots, me);
                break;
            }
",
        planted: "",
    },
    Bug {
        name: "wake_flag_left",
        file: "lwlock/raw.rs",
        instead_of: "            surplus += self.sleep_until_woken(slots, me);
            self.allow_wake_ups();
",
        planted: "            surplus += self.sleep_until_woken(slots, me);
",
    },
    Bug {
        name: "dropped_repost",
        file: "lwlock/raw.rs",
        instead_of: "for _ in 0..surplus {",
        planted: "for _ in surplus..surplus {",
    },
    Bug {
        name: "post_not_absorbed",
        file: "lwlock/raw.rs",
        instead_of: "        self.allow_wake_ups();
        self.sleep_until_woken(slots, me)
",
        planted: "        self.allow_wake_ups();
        0
",
    },
    Bug {
        name: "missing_fence",
        file: "lwlock/raw.rs",
        instead_of: "self.state.fetch_sub(value, Ordering::AcqRel)",
        planted: "self.state.fetch_sub(value, Ordering::Relaxed)",
    },
    Bug {
        name: "barging_writer",
        file: "lwlock/raw.rs",
        instead_of: "Mode::Exclusive => state & R::HELD == 0,",
        planted: "Mode::Exclusive => state & R::EXCLUSIVE == 0,",
    },
    Bug {
        name: "unlocked_wait_list",
        file: "lwlock/raw.rs",
        instead_of: "while self.state.fetch_or(R::LIST_LOCKED, Ordering::Acquire) & R::LIST_LOCKED != 0 {",
        planted: "if self.state.fetch_or(R::LIST_LOCKED, Ordering::Acquire) & R::LIST_LOCKED != 0 {",
    },
    Bug {
        name: "sleeper_not_woken",
        file: "semaphore.rs",
        instead_of: "fetch_add(1, Ordering::Release) & SLEEPER != 0",
        planted: "fetch_add(1, Ordering::Release) & !SLEEPER != 0",
    },
];
