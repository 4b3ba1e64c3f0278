//! The library that lets a server's forked children map the PGPROC array before they join it (`docker/premap.c`).

use std::io;

use super::error::ProvisionError;
use super::preload::{Library, Page};
use super::scratch::Scratch;
use crate::procarray::Premapping;

pub(super) const LIBRARY: Library = Library {
    what: "the preloaded library of premapped and premapped-few",
    name: "premap",
    bytes: include_bytes!(concat!(env!("OUT_DIR"), "/premap.so")),
    variable: "PROCBENCH_PREMAP",
    needs: "it needs glibc, and ProcGlobal and MaxBackends among the program's symbols; else leave these arms out of --arms",
};

/// Where its page's words are (`struct page` in `docker/premap.c`).
const HOW_AT: u64 = 0;
const STRIDE_AT: u64 = 4;
const CHILDREN_AT: u64 = 16;
const TOUCHES_AT: u64 = 24;

/// What children have done since they were last told to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Premapped {
    /// Forked children that touched the array.
    pub children: u64,
    /// Their touches.
    pub touches: u64,
}

/// The page of a server that has the library.
#[derive(Debug)]
pub struct PremapPage(Page);

impl PremapPage {
    /// The page of a server that has started.
    ///
    /// # Errors
    /// When its postmaster has not taken the library.
    pub(super) fn of_started(scratch: &Scratch) -> Result<Self, ProvisionError> {
        LIBRARY.taken(scratch).map(Self)
    }

    /// Tells children forked from now on to map the array so; `stride` is the size of a PGPROC. They stop
    /// when what is returned is dropped.
    ///
    /// # Errors
    /// Those of writing to the page.
    pub fn begin(&self, how: Option<Premapping>, stride: usize) -> io::Result<PremappedBlock<'_>> {
        let block = PremappedBlock(self);
        self.say(None)?;
        self.0.write(CHILDREN_AT, &[0; 16])?;
        let stride = u32::try_from(stride).map_err(io::Error::other)?;
        self.0.write(STRIDE_AT, &stride.to_ne_bytes())?;
        self.say(how)?;
        Ok(block)
    }

    fn say(&self, how: Option<Premapping>) -> io::Result<()> {
        let how = how.map_or(0, |how| how as u32);
        self.0.write(HOW_AT, &how.to_ne_bytes())
    }
}

/// A stretch in which children do as they were told.
#[derive(Debug)]
pub struct PremappedBlock<'a>(&'a PremapPage);

impl PremappedBlock<'_> {
    /// Ends it. Returns what was done in it.
    ///
    /// # Errors
    /// Those of the page.
    pub fn end(self) -> io::Result<Premapped> {
        self.0.say(None)?;
        Ok(Premapped {
            children: self.0.0.read(CHILDREN_AT)?,
            touches: self.0.0.read(TOUCHES_AT)?,
        })
    }
}

impl Drop for PremappedBlock<'_> {
    fn drop(&mut self) {
        // After a failure the start is given up in any case.
        let _ = self.0.say(None);
    }
}
