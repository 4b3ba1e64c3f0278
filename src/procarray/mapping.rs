//! How a connection sees the shared memory: which page faults it pays.

use crate::names::named_enum;

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
