//! How a connection sees the shared memory: which page faults it pays.

use crate::names::named_enum;

/// What a read fault maps at most, around the page that was read (Linux, `fault_around_bytes`).
pub(super) const FAULT_AROUND: usize = 64 << 10;

named_enum! {
    /// Through which mapping of the shared memory a connection joins and leaves (`--mapping`).
    #[derive(Default)]
    pub enum MappingKind: "mapping" {
        /// Through the process's own, every page of which is mapped: no faults.
        #[default]
        Shared = "shared",
        /// Through one made for the connection, no page of which is mapped: one fault per page touched.
        Fresh = "fresh",
        /// In a forked child that inherits the process's own, no page of which it has mapped, as
        /// PostgreSQL's backends do. LWLocks only, as other locks do not work between processes.
        Forked = "forked",
    }
}

named_enum! {
    /// Page size of the shared memory (`--page-size`).
    #[derive(Default)]
    pub enum PageSize: "page size" {
        /// 4 kB.
        #[default]
        Small = "4k",
        /// 2 MB (`huge_pages = on`); the host must have some (`vm.nr_hugepages`).
        Huge = "2m",
    }
}

/// How a forked child maps the PGPROC array before it joins. The numbers are those of `docker/premap.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Premapping {
    /// By one write fault for each page of 4 kB: the faults of ProcArrayAdd, outside the lock.
    WriteEachPage = 1,
    /// By one read for each 64 kB, for which Linux maps 16 pages in one fault.
    ReadPer64Kb = 2,
}

impl Premapping {
    /// Bytes from one touch to the next.
    pub const fn step(self) -> usize {
        match self {
            Self::WriteEachPage => PageSize::Small.bytes(),
            Self::ReadPer64Kb => FAULT_AROUND,
        }
    }
}

impl MappingKind {
    /// Whether connecting through it can fault inside the exclusive section.
    pub const fn can_fault(self) -> bool {
        !matches!(self, Self::Shared)
    }
}

impl PageSize {
    /// In bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Small => 4 << 10,
            Self::Huge => 2 << 20,
        }
    }
}
