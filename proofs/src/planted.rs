// Included by the build script, which plants them, and by the crate, which shows that they are caught.

/// A mistake that somebody could make in a source.
pub struct Bug {
    /// Module that holds the sources with it.
    pub name: &'static str,
    /// The file, below `src/procarray/`.
    pub file: &'static str,
    /// What the file says, exactly once.
    pub instead_of: &'static str,
    /// What it says with the bug.
    pub planted: &'static str,
}

pub const PLANTED: &[Bug] = &[
    Bug {
        name: "lost_wake_up",
        file: "locks/lwlock/raw.rs",
        instead_of: "            if self.attempt(mode) {
                surplus += self.dequeue_self(slots, me);
                break;
            }
",
        planted: "",
    },
    Bug {
        name: "wake_flag_left",
        file: "locks/lwlock/raw.rs",
        instead_of: "            surplus += self.sleep_until_woken(slots, me);
            self.allow_wake_ups();
",
        planted: "            surplus += self.sleep_until_woken(slots, me);
",
    },
    Bug {
        name: "dropped_repost",
        file: "locks/lwlock/raw.rs",
        instead_of: "for _ in 0..surplus {",
        planted: "for _ in surplus..surplus {",
    },
    Bug {
        name: "post_not_absorbed",
        file: "locks/lwlock/raw.rs",
        instead_of: "        self.allow_wake_ups();
        self.sleep_until_woken(slots, me)
",
        planted: "        self.allow_wake_ups();
        0
",
    },
    Bug {
        name: "missing_fence",
        file: "locks/lwlock/raw.rs",
        instead_of: "self.state.fetch_sub(value, Ordering::AcqRel)",
        planted: "self.state.fetch_sub(value, Ordering::Relaxed)",
    },
    Bug {
        name: "barging_writer",
        file: "locks/lwlock/raw.rs",
        instead_of: "Mode::Exclusive => state & R::HELD == 0,",
        planted: "Mode::Exclusive => state & R::EXCLUSIVE == 0,",
    },
    Bug {
        name: "unlocked_wait_list",
        file: "locks/lwlock/raw.rs",
        instead_of: "while self.state.fetch_or(R::LIST_LOCKED, Ordering::Acquire) & R::LIST_LOCKED != 0 {",
        planted: "if self.state.fetch_or(R::LIST_LOCKED, Ordering::Acquire) & R::LIST_LOCKED != 0 {",
    },
    Bug {
        name: "sleeper_not_woken",
        file: "locks/semaphore.rs",
        instead_of: "fetch_add(1, Ordering::Release) & SLEEPER != 0",
        planted: "fetch_add(1, Ordering::Release) & !SLEEPER != 0",
    },
    // The fair lock.
    Bug {
        name: "queued_mark_lost",
        file: "locks/fair.rs",
        instead_of: "next.unwrap_or(word | QUEUED),",
        planted: "next.unwrap_or(word),",
    },
    Bug {
        name: "handed_to_nobody",
        file: "locks/fair.rs",
        instead_of: "            owner.semaphore.post();
",
        planted: "            owner.semaphore.count();
",
    },
    Bug {
        name: "posted_twice",
        file: "locks/fair.rs",
        instead_of: "            owner.semaphore.post();
",
        planted: "            owner.semaphore.post();
            owner.semaphore.post();
",
    },
    Bug {
        name: "handed_to_two_writers",
        file: "locks/fair.rs",
        instead_of: "0 => (1, EXCLUSIVE),",
        planted: "0 => (queue.waiters.len(), EXCLUSIVE),",
    },
    Bug {
        name: "barging_reader",
        file: "locks/fair.rs",
        instead_of: "Self::Shared if word & (EXCLUSIVE | QUEUED) == 0",
        planted: "Self::Shared if word & EXCLUSIVE == 0",
    },
    Bug {
        name: "relaxed_release",
        file: "locks/fair.rs",
        instead_of: "compare_exchange(EXCLUSIVE, 0, Ordering::Release, Ordering::Relaxed)",
        planted: "compare_exchange(EXCLUSIVE, 0, Ordering::Relaxed, Ordering::Relaxed)",
    },
    Bug {
        name: "last_reader_does_not_acquire",
        file: "locks/fair.rs",
        instead_of: "fetch_sub(ONE_SHARED, Ordering::AcqRel)",
        planted: "fetch_sub(ONE_SHARED, Ordering::Release)",
    },
    // The read-biased lock.
    Bug {
        name: "no_second_look",
        file: "locks/bravo.rs",
        instead_of: "if self.bias.load(Ordering::Acquire) {",
        planted: "if true {",
    },
    Bug {
        name: "relaxed_second_look",
        file: "locks/bravo.rs",
        instead_of: "if self.bias.load(Ordering::Acquire) {",
        planted: "if self.bias.load(Ordering::Relaxed) {",
    },
    Bug {
        name: "publish_without_fence",
        file: "locks/bravo.rs",
        instead_of: "        fence(Ordering::SeqCst);
        // Acquire: the bias",
        planted: "        // Acquire: the bias",
    },
    Bug {
        name: "revoke_without_fence",
        file: "locks/bravo.rs",
        instead_of: "            fence(Ordering::SeqCst);
        }
        was_on",
        planted: "        }
        was_on",
    },
    Bug {
        name: "writer_does_not_drain",
        file: "locks/bravo.rs",
        instead_of: "            self.drain();
",
        planted: "",
    },
    Bug {
        name: "relaxed_withdrawal",
        file: "locks/bravo.rs",
        instead_of: "        if let Self::Published(slot) = self {
            slot.store(false, Ordering::Release);",
        planted: "        if let Self::Published(slot) = self {
            slot.store(false, Ordering::Relaxed);",
    },
    Bug {
        name: "slot_taken_over",
        file: "locks/bravo.rs",
        instead_of: "slot.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;",
        planted: "slot.swap(true, Ordering::Acquire);",
    },
    Bug {
        name: "conditional_writer_past_readers",
        file: "locks/bravo.rs",
        instead_of: "if self.revoke() && self.any_published() {
            // As it was",
        planted: "if self.revoke() && self.lock.is_at_rest() {
            // As it was",
    },
    // The lock-free reuse check.
    Bug {
        name: "reader_without_fence",
        file: "reuse_protocol.rs",
        instead_of: "    my_xmin.store(xmin.0, Ordering::Relaxed);
    fence(Ordering::SeqCst);
",
        planted: "    my_xmin.store(xmin.0, Ordering::Relaxed);
",
    },
    Bug {
        name: "committer_without_fence",
        file: "reuse_protocol.rs",
        instead_of: "    if lock_free_reuse {",
        planted: "    if lock_free_reuse && count == 0 {",
    },
    Bug {
        name: "committer_fence_too_early",
        file: "reuse_protocol.rs",
        instead_of: "    xact_completion_count.store(count + 1, Ordering::Relaxed);
    if lock_free_reuse {
        fence(Ordering::SeqCst);
    }
",
        planted: "    if lock_free_reuse {
        fence(Ordering::SeqCst);
    }
    xact_completion_count.store(count + 1, Ordering::Relaxed);
",
    },
    Bug {
        name: "xmin_kept_unseen",
        file: "reuse_protocol.rs",
        instead_of: "    fence(Ordering::SeqCst);
    if xact_completion_count.load(Ordering::Relaxed) == completion_count {",
        planted: "    fence(Ordering::SeqCst);
    if completion_count > 0 {",
    },
    Bug {
        name: "acquire_release_for_fences",
        file: "reuse_protocol.rs",
        instead_of: "    my_xmin.store(xmin.0, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if xact_completion_count.load(Ordering::Relaxed) == completion_count {",
        planted: "    my_xmin.store(xmin.0, Ordering::Release);
    if xact_completion_count.load(Ordering::Acquire) == completion_count {",
    },
    Bug {
        name: "older_xmin_taken_back",
        file: "reuse_protocol.rs",
        instead_of: "    if my_xmin.load(Ordering::Relaxed) != TransactionId::INVALID.0 {",
        planted: "    if my_xmin.load(Ordering::Relaxed) == xmin.0 {",
    },
    // Group clear.
    Bug {
        name: "follower_not_woken",
        file: "group_list.rs",
        instead_of: "            if number != me {",
        planted: "            if number == NOBODY {",
    },
    Bug {
        name: "posted_before_its_flag",
        file: "group_list.rs",
        instead_of: "            members.group_member(number).store(0, Ordering::Relaxed);
            if number != me {
                members.semaphore(number).post();
            }
",
        planted: "            if number != me {
                members.semaphore(number).post();
            }
            members.group_member(number).store(0, Ordering::Relaxed);
",
    },
    Bug {
        name: "next_read_after_waking",
        file: "group_list.rs",
        instead_of: "            next = members.group_next(number).load(Ordering::Relaxed);
            members.group_next(number).store(NOBODY, Ordering::Relaxed);
            // pg_write_barrier: once its flag is down the member may join the next list.
            fence(Ordering::Release);
            members.group_member(number).store(0, Ordering::Relaxed);
            if number != me {
                members.semaphore(number).post();
            }
",
        planted: "            fence(Ordering::Release);
            members.group_member(number).store(0, Ordering::Relaxed);
            if number != me {
                members.semaphore(number).post();
            }
            next = members.group_next(number).load(Ordering::Relaxed);
",
    },
    Bug {
        name: "list_not_taken",
        file: "group_list.rs",
        instead_of: "self.first.swap(NOBODY, Ordering::AcqRel)",
        planted: "self.first.load(Ordering::Acquire)",
    },
    Bug {
        name: "relaxed_join",
        file: "group_list.rs",
        instead_of: "compare_exchange_weak(next, me, Ordering::AcqRel, Ordering::Relaxed)",
        planted: "compare_exchange_weak(next, me, Ordering::Relaxed, Ordering::Relaxed)",
    },
    Bug {
        name: "relaxed_take",
        file: "group_list.rs",
        instead_of: "self.first.swap(NOBODY, Ordering::AcqRel)",
        planted: "self.first.swap(NOBODY, Ordering::Relaxed)",
    },
    Bug {
        name: "leader_without_fence",
        file: "group_list.rs",
        instead_of: "            fence(Ordering::Release);
",
        planted: "",
    },
    Bug {
        name: "follower_without_fence",
        file: "group_list.rs",
        instead_of: "    fence(Ordering::Acquire);
",
        planted: "",
    },
    Bug {
        name: "foreign_post_kept",
        file: "group_list.rs",
        instead_of: "    for _ in 0..surplus {",
        planted: "    for _ in surplus..surplus {",
    },
];
