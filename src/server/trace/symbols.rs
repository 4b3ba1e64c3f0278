//! Where a running server has its locks: its exported variable `MainLWLockArray` (lwlock.c), read from outside.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of one lock in the array (lwlock.h `LWLOCK_PADDED_SIZE`).
const LOCK_BYTES: u64 = 128;
/// Their places in the array, in every version from 13 on (lwlocknames.txt, lwlocklist.h).
const XID_GEN_LOCK: u64 = 3;
const PROC_ARRAY_LOCK: u64 = 4;

/// Addresses of the two locks, the same in every backend, and the binary that they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locks {
    pub(super) binary: PathBuf,
    pub(super) proc_array: u64,
    pub(super) xid_gen: u64,
    /// The server that has them.
    pub(super) postmaster: u32,
}

/// What could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot find ProcArrayLock in process {pid}: {why}")]
pub(crate) struct NoLocks {
    pid: u32,
    why: String,
}

impl Locks {
    /// Those of the server with this postmaster; its binary is seen through the process's own root, which may be
    /// a container's.
    ///
    /// # Errors
    /// When the process, its memory or its binary cannot be read, or the binary exports no such variable.
    pub(super) fn of(pid: u32) -> Result<Self, NoLocks> {
        let find = || -> Result<Self, String> {
            let text = |e: std::io::Error| e.to_string();
            let program = fs::read_link(format!("/proc/{pid}/exe")).map_err(text)?;
            let inside = program.strip_prefix("/").unwrap_or(&program);
            let binary = Path::new(&format!("/proc/{pid}/root")).join(inside);
            let image = fs::read(&binary).map_err(text)?;
            let variable = exported(&image, "MainLWLockArray")
                .ok_or("the binary does not export MainLWLockArray")?;
            let maps = fs::read_to_string(format!("/proc/{pid}/maps")).map_err(text)?;
            let base = load_base(&maps, &program).ok_or("its binary is not mapped")?;
            let memory = File::open(format!("/proc/{pid}/mem")).map_err(text)?;
            let mut pointer = [0; 8];
            let at = base + variable;
            memory.read_exact_at(&mut pointer, at).map_err(text)?;
            let array = u64::from_le_bytes(pointer);
            Ok(Locks {
                binary,
                proc_array: array + PROC_ARRAY_LOCK * LOCK_BYTES,
                xid_gen: array + XID_GEN_LOCK * LOCK_BYTES,
                postmaster: pid,
            })
        };
        find().map_err(|why| NoLocks { pid, why })
    }
}

/// Where a position-independent program was loaded: the mapping of its first byte.
fn load_base(maps: &str, program: &Path) -> Option<u64> {
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (range, offset) = (fields.next()?, fields.nth(1)?);
        let is_it = line.ends_with(program.to_str()?) && u64::from_str_radix(offset, 16) == Ok(0);
        let start = range.split('-').next()?;
        u64::from_str_radix(start, 16).ok().filter(|_| is_it)
    })
}

/// A little-endian number at a place in a file.
fn number<const BYTES: usize>(image: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    let mut bytes = [0; 8];
    bytes[..BYTES].copy_from_slice(image.get(at..at.checked_add(BYTES)?)?);
    Some(u64::from_le_bytes(bytes))
}

/// The value of an exported symbol of a 64-bit little-endian ELF file (elf(5)): its `.dynsym`, which strip leaves.
fn exported(image: &[u8], name: &str) -> Option<u64> {
    const SHT_DYNSYM: u64 = 11;
    const SYMBOL_BYTES: u64 = 24;
    if !image.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (table, entry) = (number::<8>(image, 0x28)?, number::<2>(image, 0x3a)?);
    let section = |index: u64| table + index * entry;
    let count = number::<2>(image, 0x3c)?;
    let dynsym = (0..count)
        .map(section)
        .find(|&s| number::<4>(image, s + 4) == Some(SHT_DYNSYM))?;
    let (symbols, bytes) = (
        number::<8>(image, dynsym + 0x18)?,
        number::<8>(image, dynsym + 0x20)?,
    );
    let names = number::<8>(image, section(number::<4>(image, dynsym + 0x28)?) + 0x18)?;
    let is_it = |symbol: u64| {
        let at = usize::try_from(names + number::<4>(image, symbol)?).ok()?;
        let text = image.get(at..)?;
        let rest = text.strip_prefix(name.as_bytes())?;
        (rest.first() == Some(&0)).then_some(symbol)
    };
    let found = (0..bytes / SYMBOL_BYTES).find_map(|i| is_it(symbols + i * SYMBOL_BYTES))?;
    number::<8>(image, found + 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_the_mapping_of_the_programs_first_byte() {
        let maps = "\
55f335000000-55f335001000 r--p 00000000 fe:00 318000                     /usr/bin/other
55f335bef000-55f335cbc000 r--p 00000000 fe:00 318953                     /usr/lib/postgresql/15/bin/postgres
55f335cbc000-55f3361e6000 r-xp 000cd000 fe:00 318953                     /usr/lib/postgresql/15/bin/postgres
7f6f5c000000-7f6f5d000000 rw-s 00000000 00:01 1027                       /dev/zero (deleted)
";
        let program = Path::new("/usr/lib/postgresql/15/bin/postgres");
        assert_eq!(load_base(maps, program), Some(0x55f3_35be_f000));
        assert_eq!(load_base(maps, Path::new("/bin/none")), None);
    }

    #[test]
    fn a_symbol_is_found_by_its_whole_name_and_damaged_files_give_none() {
        // A header, one `.dynsym` of two symbols, its strings.
        let mut image = vec![0u8; 0x200];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01");
        put(0x28, &0x40u64.to_le_bytes());
        put(0x3a, &64u16.to_le_bytes());
        put(0x3c, &2u16.to_le_bytes());
        put(0x44, &11u32.to_le_bytes());
        put(0x58, &0x100u64.to_le_bytes());
        put(0x60, &48u64.to_le_bytes());
        put(0x68, &1u32.to_le_bytes());
        put(0x98, &0x180u64.to_le_bytes());
        put(0x180, b"\0MainLWLockArrayTwo\0MainLWLockArray\0");
        put(0x100, &1u32.to_le_bytes());
        put(0x108, &1u64.to_le_bytes());
        put(0x118, &20u32.to_le_bytes());
        put(0x120, &0xbeefu64.to_le_bytes());
        assert_eq!(exported(&image, "MainLWLockArray"), Some(0xbeef));
        assert_eq!(exported(&image, "Main"), None);
        assert_eq!(exported(&image[..0x190], "MainLWLockArray"), None);
        assert_eq!(exported(b"\x7fELF\x01\x01", "MainLWLockArray"), None);
        assert_eq!(exported(b"", "MainLWLockArray"), None);
    }
}
