//! The library that a postmaster of ours preloads (`docker/premap.c`), and the page through which its forked
//! children are told what to do.
//!
//! The page is a file in `/dev/shm`: a child's counting there must not wait for a disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::PathBuf;

use nix::unistd::User;

use super::error::ProvisionError;
use super::scratch::{Scratch, shm_dir, write_file};
use crate::procarray::Premapping;

/// The library's file name beside the server's other files, and its bytes.
pub(super) const LIBRARY: (&str, &[u8]) = (
    "premap.so",
    include_bytes!(concat!(env!("OUT_DIR"), "/premap.so")),
);

/// The environment's name of the page's path; `docker/entrypoint.sh` preloads the library where it is set.
pub(super) const PATH_VARIABLE: &str = "PROCBENCH_PREMAP";

/// Bytes of the page.
const PAGE_BYTES: usize = 4096;

/// Where its words are (`struct page` in `docker/premap.c`).
const HOW_AT: u64 = 0;
const STRIDE_AT: u64 = 4;
const READY_AT: u64 = 8;
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
pub struct PremapPage(File);

impl PremapPage {
    /// Makes the page for a server that is to be started, for its user alone or, with a container's user, for
    /// whoever comes in through the mount. Returns its path.
    pub(super) fn make(
        scratch: &Scratch,
        user: Option<&User>,
        mode: u32,
    ) -> Result<PathBuf, ProvisionError> {
        let no_name = || ProvisionError::new("the scratch directory has no name");
        let dir = shm_dir(scratch.path()).ok_or_else(no_name)?;
        let made = DirBuilder::new()
            .mode(if user.is_some() { 0o711 } else { 0o700 })
            .create(&dir);
        made.map_err(ProvisionError::at("cannot make", &dir))?;
        let path = dir.join("page");
        write_file(&path, [0; PAGE_BYTES], mode, user)?;
        Ok(path)
    }

    /// Opens the page of a server that has started.
    ///
    /// # Errors
    /// When its postmaster has not taken the library.
    pub(super) fn of_started(scratch: &Scratch) -> Result<Self, ProvisionError> {
        let what = "the preloaded library of premapped and premapped-few";
        let path = shm_dir(scratch.path()).unwrap_or_default().join("page");
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let page = Self(opened.map_err(ProvisionError::when(what))?);
        match page.read(READY_AT).map_err(ProvisionError::when(what))? {
            1 => Ok(page),
            _ => Err(ProvisionError::failed(
                what,
                "this postgres has not taken it (it needs glibc, and ProcGlobal and MaxBackends among the program's symbols): leave these arms out of --arms",
            )),
        }
    }

    /// Tells children forked from now on to map the array so; `stride` is the size of a PGPROC. They stop
    /// when what is returned is dropped.
    ///
    /// # Errors
    /// Those of writing to the page.
    pub fn begin(&self, how: Option<Premapping>, stride: usize) -> io::Result<PremappedBlock<'_>> {
        let block = PremappedBlock(self);
        self.say(None)?;
        self.0.write_all_at(&[0; 16], CHILDREN_AT)?;
        let stride = u32::try_from(stride).map_err(io::Error::other)?;
        self.0.write_all_at(&stride.to_ne_bytes(), STRIDE_AT)?;
        self.say(how)?;
        Ok(block)
    }

    fn say(&self, how: Option<Premapping>) -> io::Result<()> {
        let how = how.map_or(0, |how| how as u32);
        self.0.write_all_at(&how.to_ne_bytes(), HOW_AT)
    }

    fn read(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_ne_bytes(bytes))
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
            children: self.0.read(CHILDREN_AT)?,
            touches: self.0.read(TOUCHES_AT)?,
        })
    }
}

impl Drop for PremappedBlock<'_> {
    fn drop(&mut self) {
        // After a failure the start is given up in any case.
        let _ = self.0.say(None);
    }
}
