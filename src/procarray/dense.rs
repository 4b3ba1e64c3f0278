//! Words of shared memory, and the moves within an array of them.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed};

/// Bytes to which PostgreSQL aligns each array of its shared memory
/// (`PG_CACHE_LINE_SIZE`, through `ShmemAlloc`).
pub(crate) const PG_CACHE_LINE_SIZE: usize = 128;

/// A plain word of shared memory: loads and stores without ordering, which is
/// what C's aligned accesses are. Order comes from the locks and the fences.
pub(crate) trait SharedWord: Default {
    type Value: Copy;
    fn get(&self) -> Self::Value;
    fn set(&self, value: Self::Value);
}

macro_rules! shared_word {
    ($($atomic:ty => $value:ty),+) => {$(
        impl SharedWord for $atomic {
            type Value = $value;
            #[inline]
            fn get(&self) -> $value {
                self.load(Relaxed)
            }
            #[inline]
            fn set(&self, value: $value) {
                self.store(value, Relaxed);
            }
        }
    )+};
}
shared_word!(AtomicU8 => u8, AtomicU16 => u16, AtomicU32 => u32);

/// Moves `words[at..used]` up by one (the memmove of `ProcArrayAdd`).
#[inline]
pub(crate) fn open_gap<W: SharedWord>(words: &[W], at: usize, used: usize) {
    let moved = &words[at..=used];
    for i in (1..moved.len()).rev() {
        moved[i].set(moved[i - 1].get());
    }
}

/// Moves `words[at + 1..used]` down by one (the memmove of `ProcArrayRemove`).
#[inline]
pub(crate) fn close_gap<W: SharedWord>(words: &[W], at: usize, used: usize) {
    let moved = &words[at..used];
    for i in 1..moved.len() {
        moved[i - 1].set(moved[i].get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_open_and_close_in_front_between_and_behind() {
        for at in 0..=4 {
            let words: [AtomicU16; 6] = [1, 2, 3, 4, 0, 99].map(AtomicU16::new);
            let values =
                |until: usize| -> Vec<u16> { words[..until].iter().map(SharedWord::get).collect() };
            open_gap(&words, at, 4);
            words[at].set(50);
            let mut expected = vec![1, 2, 3, 4];
            expected.insert(at, 50);
            assert_eq!(values(5), expected);
            close_gap(&words, at, 5);
            assert_eq!(values(4), [1, 2, 3, 4]);
            assert_eq!(words[5].get(), 99, "nothing behind the used part moves");
        }
    }
}
