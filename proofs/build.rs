//! Compiles procbench's lock sources, the reuse check's and group clear's once more for each checker: over
//! its atomics, as they are and with one bug planted in each copy.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

include!("src/planted.rs");

/// Which sources below `src/procarray/` go in; each becomes the module that it is there.
const SOURCES: [&str; 13] = [
    "xid.rs",
    "group_list.rs",
    "reuse_protocol.rs",
    "locks/bravo.rs",
    "locks/fair.rs",
    "locks/semaphore.rs",
    "locks/shared_exclusive.rs",
    "locks/wake_counts.rs",
    "locks/lwlock/bits.rs",
    "locks/lwlock/counters.rs",
    "locks/lwlock/raw.rs",
    "locks/lwlock/spin_delay.rs",
    "locks/lwlock/wait_slot.rs",
];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let procarray = manifest.join("../src/procarray");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed=src/planted.rs");
    for source in SOURCES {
        println!(
            "cargo:rerun-if-changed={}",
            procarray.join(source).display()
        );
    }
    for checker in ["native", "loom", "shuttle"] {
        let mut text = variant("sound", checker, &procarray, None);
        for bug in PLANTED {
            text += &variant(bug.name, checker, &procarray, Some(bug));
        }
        fs::write(out.join(format!("{checker}.rs")), text).expect("OUT_DIR can be written to");
    }
}

/// One copy of all sources as a module, with the bug planted.
fn variant(name: &str, checker: &str, procarray: &Path, bug: Option<&Bug>) -> String {
    let mut planted = 0;
    let mut text = format!("pub mod {name} {{\n");
    let mut open: Vec<&str> = Vec::new();
    for file in SOURCES {
        let mut directories: Vec<&str> = file.split('/').collect();
        let own = directories.pop().unwrap_or_default();
        while !directories.starts_with(&open) {
            open.pop();
            text += "}\n";
        }
        for directory in directories.split_off(open.len()) {
            let _ = writeln!(text, "pub mod {directory} {{");
            open.push(directory);
            if directory == "locks" {
                // What `locks/mod.rs` offers to the locks.
                let _ = writeln!(text, "pub mod sync {{ pub use crate::{checker}_sync::*; }}");
                text += "pub(crate) use semaphore::Semaphore;\n";
                text += "pub use shared_exclusive::{LaterReaders, SharedExclusiveLock};\n";
                text += "pub use wake_counts::WakeCounts;\n";
            }
        }
        let source = fs::read_to_string(procarray.join(file)).expect("the source is there");
        let mut source = code_of(&source);
        if let Some(bug) = bug.filter(|bug| bug.file == file) {
            assert_eq!(
                source.matches(bug.instead_of).count(),
                1,
                "planted bug {}: {} no longer holds its text exactly once",
                bug.name,
                bug.file
            );
            source = source.replace(bug.instead_of, bug.planted);
            planted += 1;
        }
        let module = own.trim_end_matches(".rs");
        let _ = writeln!(text, "pub mod {module} {{\n{source}\n}}");
    }
    text += &"}\n".repeat(open.len());
    assert_eq!(
        planted,
        usize::from(bug.is_some()),
        "{name} is planted nowhere"
    );
    text + "}\n"
}

/// A source without its module documentation (which cannot stand inside a module's braces here)
/// and without its own tests, which end every file. Nothing is written to files here, so that
/// serde is not wanted.
fn code_of(source: &str) -> String {
    let code = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    code.lines()
        // What a lock offers to its own tests, it offers here.
        .filter(|line| !line.starts_with("//!") && line.trim() != "#[cfg(test)]")
        .filter(|line| !line.starts_with("use serde::"))
        .collect::<Vec<_>>()
        .join("\n")
        .replace(", Serialize, Deserialize)]", ")]")
}
