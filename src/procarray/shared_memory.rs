//! Memory that several mappings, and processes, share: a memfd.
//!
//! The model's unsafe code for memory is here. Its invariant: **mapped memory holds nothing but
//! atomics for which all zero bytes are a value** ([`InSharedMemory`]), so references into any
//! number of mappings of it may exist at once, and whoever refers into a mapping keeps it alive.
#![expect(
    unsafe_code,
    reason = "mapping memory and referring into it has no safe form"
)]

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};

use rustix::fd::OwnedFd;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

use super::mapping::PageSize;

/// May live in memory that several mappings and processes share.
///
/// # Safety
/// It consists of atomics, and all zero bytes are a value of it.
pub(crate) unsafe trait InSharedMemory: Sync {}

// SAFETY: atomics, of which every bit pattern is a value.
unsafe impl InSharedMemory for AtomicU8 {}
// SAFETY: as above.
unsafe impl InSharedMemory for AtomicU16 {}
// SAFETY: as above.
unsafe impl InSharedMemory for AtomicU32 {}
// SAFETY: as above.
unsafe impl InSharedMemory for AtomicU64 {}
// SAFETY: an array of such.
unsafe impl<T: InSharedMemory, const N: usize> InSharedMemory for [T; N] {}

/// The memory is not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SharedMemoryError {
    /// No huge pages.
    #[error(
        "the host does not grant huge pages of 2 MB, of which {pages} must be free ({error}): set vm.nr_hugepages to {pages} or more (sysctl vm.nr_hugepages={pages}), or use 4k pages"
    )]
    HugePages {
        /// As many are needed.
        pages: usize,
        /// What the kernel says.
        error: Errno,
    },
    /// Anything else.
    #[error("{bytes} bytes of shared memory cannot be mapped: {error}")]
    Map {
        /// As many are needed.
        bytes: usize,
        /// What the kernel says.
        error: Errno,
    },
}

/// The memory itself, wherever it is mapped.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    file: OwnedFd,
    len: usize,
    page_size: PageSize,
}

impl SharedMemory {
    /// At least `len` bytes, all zero.
    pub(crate) fn new(len: usize, page_size: PageSize) -> Result<Self, SharedMemoryError> {
        let len = len.next_multiple_of(page_size.bytes());
        let flags = match page_size {
            PageSize::Small => MemfdFlags::CLOEXEC,
            PageSize::Huge => MemfdFlags::CLOEXEC | MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB,
        };
        let refused = |error| refusal(len, page_size, error);
        let file = memfd_create("procbench-procarray", flags).map_err(refused)?;
        ftruncate(&file, len as u64).map_err(refused)?;
        Ok(Self {
            file,
            len,
            page_size,
        })
    }

    /// A mapping of its own; with every page of it mapped, or none.
    pub(crate) fn map(&self, resident: bool) -> Result<Arc<Mapping>, SharedMemoryError> {
        let mut flags = MapFlags::SHARED;
        if resident {
            flags |= MapFlags::POPULATE;
        }
        let refused = |error| refusal(self.len, self.page_size, error);
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlays nothing.
        let base = unsafe { mmap(ptr::null_mut(), self.len, prot, flags, &self.file, 0) }
            .map_err(refused)?;
        let mapping = Mapping {
            base: NonNull::new(base.cast()).ok_or_else(|| refused(Errno::NOMEM))?,
            len: self.len,
        };
        if self.page_size == PageSize::Small {
            // Small means small, also where the host makes shared memory huge by itself. A kernel
            // that has no such pages refuses the advice, and nothing is lost.
            // SAFETY: advice about memory of our own that changes no content.
            let _ = unsafe { madvise(base, self.len, Advice::LinuxNoHugepage) };
        }
        Ok(Arc::new(mapping))
    }
}

fn refusal(len: usize, page_size: PageSize, error: Errno) -> SharedMemoryError {
    match page_size {
        PageSize::Huge => SharedMemoryError::HugePages {
            pages: len / page_size.bytes(),
            error,
        },
        PageSize::Small => SharedMemoryError::Map { bytes: len, error },
    }
}

/// One mapping of shared memory, until dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory holds atomics only; base and length do not change.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by us with this length, and nobody refers into it any more.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// Where an array is in the shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its first byte, from the beginning.
    pub(crate) offset: usize,
    /// Entries.
    pub(crate) len: usize,
}

/// An array in a mapping, which it keeps alive.
pub(crate) struct SharedArray<W> {
    first: NonNull<W>,
    len: usize,
    _mapping: Arc<Mapping>,
}

// SAFETY: what is referred to is Sync, and the pointer does not change.
unsafe impl<W: InSharedMemory> Send for SharedArray<W> {}
// SAFETY: as above.
unsafe impl<W: InSharedMemory> Sync for SharedArray<W> {}

impl<W: InSharedMemory> SharedArray<W> {
    /// The array there.
    ///
    /// # Panics
    /// When they do not lie in it, or not aligned: a wrong layout.
    pub(crate) fn new(mapping: &Arc<Mapping>, span: Span) -> Self {
        let Span { offset, len } = span;
        let fits = len
            .checked_mul(size_of::<W>())
            .and_then(|bytes| bytes.checked_add(offset))
            .is_some_and(|end| end <= mapping.len);
        assert!(fits, "an array lies outside the shared memory");
        // SAFETY: inside the mapping, as just checked.
        let first: NonNull<W> = unsafe { mapping.base.add(offset) }.cast();
        assert!(first.is_aligned(), "an array is not aligned");
        Self {
            first,
            len,
            _mapping: Arc::clone(mapping),
        }
    }
}

impl<W: InSharedMemory> std::ops::Deref for SharedArray<W> {
    type Target = [W];

    #[inline]
    fn deref(&self) -> &[W] {
        // SAFETY: `new` checked place and alignment; the mapping lives as long as `self`; the
        // memory is zeroed or was written as this type, and is only ever atomics.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

/// A value in anonymous memory that forked children share with us, at the same address.
#[derive(Debug)]
pub(crate) struct SharedBox<T> {
    value: NonNull<T>,
}

// SAFETY: it owns a T, and hands out shared references only.
unsafe impl<T: Send + Sync> Send for SharedBox<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for SharedBox<T> {}

impl<T: Sync> SharedBox<T> {
    /// Moves `value` there.
    ///
    /// A child that uses it after fork(2) must find everything it needs inside the value:
    /// what the value points to is the parent's.
    pub(crate) fn new(value: T) -> Result<Self, SharedMemoryError> {
        const { assert!(align_of::<T>() <= 4096, "mappings are aligned to pages") };
        let bytes = size_of::<T>().max(1);
        let refused = |error| SharedMemoryError::Map { bytes, error };
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice overlays nothing.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), bytes, prot, flags) };
        let base = NonNull::new(base.map_err(refused)?).ok_or_else(|| refused(Errno::NOMEM))?;
        let place: NonNull<T> = base.cast();
        // SAFETY: fresh memory of that size, aligned to a page, that nobody else knows of.
        unsafe { place.write(value) };
        Ok(Self { value: place })
    }
}

impl<T> SharedBox<T> {
    /// Maps its pages in the calling process, a forked child, which has none of them mapped.
    pub(crate) fn make_resident(&self) {
        let bytes = size_of::<T>()
            .max(1)
            .next_multiple_of(PageSize::Small.bytes());
        // A kernel that does not know the advice maps them at first use.
        // SAFETY: changes no content of memory that is ours.
        let _ = unsafe {
            madvise(
                self.value.as_ptr().cast(),
                bytes,
                Advice::LinuxPopulateWrite,
            )
        };
    }
}

impl<T> std::ops::Deref for SharedBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: written in `new`, unmapped in `drop` only, never handed out mutably.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for SharedBox<T> {
    fn drop(&mut self) {
        // SAFETY: ours alone now; mapped with this length in `new`.
        unsafe {
            self.value.drop_in_place();
            let _ = munmap(self.value.as_ptr().cast(), size_of::<T>().max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn two_mappings_show_the_same_memory_at_different_addresses() {
        let memory = SharedMemory::new(5000, PageSize::Small).unwrap();
        let (home, other) = (memory.map(true).unwrap(), memory.map(false).unwrap());
        let span = Span {
            offset: 4096,
            len: 8,
        };
        let here = SharedArray::<AtomicU32>::new(&home, span);
        let there = SharedArray::<AtomicU32>::new(&other, span);
        drop((home, other));
        assert_ne!(here.as_ptr(), there.as_ptr());
        assert!(here.iter().all(|word| word.load(Relaxed) == 0));
        here[7].store(9, Relaxed);
        assert_eq!(there[7].load(Relaxed), 9);
    }

    #[test]
    fn a_boxed_value_is_dropped_once() {
        let watched = Arc::new(());
        let boxed = SharedBox::new(Arc::clone(&watched)).unwrap();
        assert_eq!(Arc::strong_count(&boxed), 2);
        drop(boxed);
        assert_eq!(Arc::strong_count(&watched), 1);
    }

    #[test]
    fn the_refusal_of_huge_pages_says_what_to_set() {
        let error = refusal(6 << 20, PageSize::Huge, Errno::NOMEM).to_string();
        assert!(
            error.contains("set vm.nr_hugepages to 3 or more"),
            "{error}"
        );
    }
}
