//! A library of ours that a postmaster preloads, and the page through which it is told what to do.
//!
//! The page is a file in `/dev/shm`: a child's counting there must not wait for a disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use nix::unistd::User;

use super::error::ProvisionError;
use super::scratch::{Scratch, shm_dir, write_file};

/// Bytes of a page.
const PAGE_BYTES: usize = 4096;
/// Where a library of any kind says that the postmaster has it (`ready` in its `struct page`).
const READY_AT: u64 = 8;

/// A library.
pub(super) struct Library {
    /// What it does.
    pub what: &'static str,
    /// Its name, that of its page too.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// The environment's name of the page's path; `docker/entrypoint.sh` preloads the library where it is set.
    pub variable: &'static str,
    /// What a postgres that has not taken it lacks, and what to do.
    pub needs: &'static str,
}

impl Library {
    /// Its file beside the server's other files.
    pub(super) fn file_name(&self) -> String {
        format!("{}.so", self.name)
    }

    /// Lays it beside the files of a server that is to be started, with a page for the server's user alone or, with a
    /// container's user, for whoever comes in through the mount. Returns the page's path.
    pub(super) fn ship(
        &self,
        files: &Path,
        scratch: &Scratch,
        user: Option<&User>,
        mode: u32,
    ) -> Result<PathBuf, ProvisionError> {
        write_file(&files.join(self.file_name()), self.bytes, 0o644, None)?;
        let no_name = || ProvisionError::new("the scratch directory has no name");
        let dir = shm_dir(scratch.path()).ok_or_else(no_name)?;
        let made = DirBuilder::new()
            .mode(if user.is_some() { 0o711 } else { 0o700 })
            .recursive(true)
            .create(&dir);
        made.map_err(ProvisionError::at("cannot make", &dir))?;
        let path = dir.join(self.name);
        write_file(&path, [0; PAGE_BYTES], mode, user)?;
        Ok(path)
    }

    /// Opens its page once the server has started.
    ///
    /// # Errors
    /// When the postmaster has not taken it.
    pub(super) fn taken(&self, scratch: &Scratch) -> Result<Page, ProvisionError> {
        let path = shm_dir(scratch.path()).unwrap_or_default().join(self.name);
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let page = Page(opened.map_err(ProvisionError::when(self.what))?);
        match page
            .read(READY_AT)
            .map_err(ProvisionError::when(self.what))?
        {
            1 => Ok(page),
            _ => {
                let why = format!("this postgres has not taken it ({})", self.needs);
                Err(ProvisionError::failed(self.what, &why))
            }
        }
    }
}

/// A page that its library reads.
#[derive(Debug)]
pub(super) struct Page(File);

impl Page {
    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    pub(super) fn read(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}
