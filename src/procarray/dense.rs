//! Arrays of relaxed atomics that start on a cache line of their own.

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

/// A fixed-size array, aligned to [`PG_CACHE_LINE_SIZE`], entries unpadded: 16
/// xids share a 64-byte line, as in PostgreSQL.
pub(crate) struct DenseArray<W> {
    storage: Box<[W]>,
    start: usize,
    len: usize,
}

impl<W: SharedWord> DenseArray<W> {
    pub(crate) fn new(len: usize) -> Self {
        // The allocator aligns to the element only: allocate a line more and start at its boundary.
        let slack = PG_CACHE_LINE_SIZE / size_of::<W>();
        let storage: Box<[W]> = (0..len + slack).map(|_| W::default()).collect();
        let start = storage.as_ptr().align_offset(PG_CACHE_LINE_SIZE).min(slack);
        Self {
            storage,
            start,
            len,
        }
    }

    #[inline]
    pub(crate) fn words(&self) -> &[W] {
        &self.storage[self.start..self.start + self.len]
    }
}

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

    fn values(array: &DenseArray<AtomicU16>) -> Vec<u16> {
        array.words().iter().map(SharedWord::get).collect()
    }

    #[test]
    fn starts_on_a_line() {
        for len in [1, 7, 100, 5000] {
            let bytes = DenseArray::<AtomicU8>::new(len);
            let words = DenseArray::<AtomicU32>::new(len);
            assert_eq!(bytes.words().len(), len);
            assert_eq!(bytes.words().as_ptr().addr() % PG_CACHE_LINE_SIZE, 0);
            assert_eq!(words.words().as_ptr().addr() % PG_CACHE_LINE_SIZE, 0);
        }
    }

    #[test]
    fn gaps_open_and_close_in_front_between_and_behind() {
        for at in 0..=4 {
            let array = DenseArray::<AtomicU16>::new(6);
            for i in 0..4 {
                array.words()[i].set(i as u16 + 1);
            }
            array.words()[5].set(99);
            open_gap(array.words(), at, 4);
            array.words()[at].set(50);
            let mut expected = vec![1, 2, 3, 4];
            expected.insert(at, 50);
            assert_eq!(values(&array)[..5], expected);
            close_gap(array.words(), at, 5);
            assert_eq!(values(&array)[..4], [1, 2, 3, 4]);
            assert_eq!(values(&array)[5], 99, "nothing behind the used part moves");
        }
    }
}
