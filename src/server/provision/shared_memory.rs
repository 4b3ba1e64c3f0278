//! Freeing the shared memory of a local server that was killed and could not do so itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::command;

/// Where POSIX shared memory shows as files.
pub(super) const SHM_DIR: &str = "/dev/shm";

/// `PG_DYNSHMEM_CONTROL_MAGIC` (dsm.c).
const DSM_CONTROL_MAGIC: usize = 0x9a50_3d32;

/// Where the items of `dsm_control_header` begin (dsm.c): after three words, aligned for a pointer.
const DSM_ITEMS_AT: usize = 16;

/// The `/dev/shm/PostgreSQL.*` files a process has mapped (`dsm_impl_posix`).
pub(crate) fn mapped_segments(pid: u32) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines()
        .filter_map(|l| l.split_once("/dev/shm/").map(|(_, name)| name.to_owned()))
        .filter(|name| !name.contains(' '))
        .collect()
}

/// Removes these files of `/dev/shm`, and those that they list: a server makes more segments as it runs
/// (parallel queries, statistics from 15 on), and lists them in the one it began with.
pub(crate) fn free_posix_segments(names: &[String]) {
    let own = |name: &&String| name.starts_with("PostgreSQL.") && !name.contains('/');
    for name in names.iter().filter(own) {
        let file = Path::new(SHM_DIR).join(name);
        for listed in listed_segments(&file).unwrap_or_default() {
            let _ = fs::remove_file(listed);
        }
        let _ = fs::remove_file(file);
    }
}

/// The segments that a control segment lists (`dsm_control_header`, dsm.c: magic, number of items, most
/// items, the items). An item begins with the handle in its segment's name and has another size in some
/// versions; the file's size (`dsm_control_bytes_needed`) gives it.
fn listed_segments(control: &Path) -> Option<Vec<PathBuf>> {
    let bytes = fs::read(control).ok()?;
    let word = |at: usize| -> Option<usize> {
        let word = u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        usize::try_from(word).ok()
    };
    let (magic, items, most) = (word(0)?, word(4)?, word(8)?);
    let size = bytes.len().checked_sub(DSM_ITEMS_AT)?.checked_div(most)?;
    let handles = (0..items).map_while(|i| word(DSM_ITEMS_AT + i * size));
    let files = handles.map(|handle| control.with_file_name(format!("PostgreSQL.{handle}")));
    (magic == DSM_CONTROL_MAGIC && items <= most).then(|| files.collect())
}

/// Frees the SysV segment of a postmaster (`sysv_shmem.c`): its key and id are in line 7 of
/// `postmaster.pid`. Only while nobody is attached and the creator matches.
pub(crate) fn free_sysv_segment(pgdata: &Path) {
    let text = fs::read_to_string(pgdata.join("postmaster.pid")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let (Some(pid), Some(segment)) = (lines.first(), lines.get(6)) else {
        return;
    };
    let segment: Vec<&str> = segment.split_ascii_whitespace().collect();
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    // key shmid perms size cpid lpid nattch ...
    let ours = table.lines().skip(1).any(|line| {
        let f: Vec<&str> = line.split_ascii_whitespace().collect();
        f.len() > 6 && f[..2] == segment && f[4] == *pid && f[6] == "0"
    });
    if ours {
        // No safe call for shmctl(2) in our libraries; ipcrm is part of util-linux.
        let mut ipcrm = Command::new("ipcrm");
        let _ = command::run(ipcrm.args(["-m", segment[1]]), Duration::from_secs(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_found_by_the_one_that_lists_them() {
        let dir = tempfile::tempdir().unwrap();
        let control = dir.path().join("PostgreSQL.2500000000");
        // Items of version 13 have 24 bytes, later ones 40. Two of the three are in use.
        for item in [6, 10] {
            let mut words = vec![0_u32; 4 + 3 * item];
            words[0] = 0x9a50_3d32;
            words[1] = 2;
            words[2] = 3;
            for (i, handle) in [2_500_000_002, 2_500_000_004, 2_500_000_006]
                .into_iter()
                .enumerate()
            {
                words[4 + i * item] = handle;
            }
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            fs::write(&control, &bytes).unwrap();
            let listed = ["PostgreSQL.2500000002", "PostgreSQL.2500000004"];
            assert_eq!(
                listed_segments(&control).unwrap(),
                listed.map(|name| dir.path().join(name))
            );
            fs::write(&control, &bytes[4..]).unwrap();
            assert_eq!(listed_segments(&control), None, "not a control segment");
        }
    }
}
