//! Compiles procbench's lock sources once more for each checker: over its atomics, as they
//! are and with one bug planted in each copy.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

include!("src/planted.rs");

/// Where the sources are, and which of them go in: module path and file.
const SOURCES: [(&str, &str); 6] = [
    ("semaphore", "semaphore.rs"),
    ("lwlock/bits", "lwlock/bits.rs"),
    ("lwlock/counters", "lwlock/counters.rs"),
    ("lwlock/raw", "lwlock/raw.rs"),
    ("lwlock/spin_delay", "lwlock/spin_delay.rs"),
    ("lwlock/wait_slot", "lwlock/wait_slot.rs"),
];

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let locks = manifest.join("../src/procarray/locks");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    println!("cargo:rerun-if-changed=src/planted.rs");
    for checker in ["native", "loom", "shuttle"] {
        let mut text = variant("sound", checker, &locks, None);
        for bug in PLANTED {
            text += &variant(bug.name, checker, &locks, Some(bug));
        }
        fs::write(out.join(format!("{checker}.rs")), text).expect("OUT_DIR can be written to");
    }
}

/// One copy of all sources as a module, with the bug planted.
fn variant(name: &str, checker: &str, locks: &Path, bug: Option<&Bug>) -> String {
    let mut planted = 0;
    let mut text =
        format!("pub mod {name} {{\npub mod sync {{ pub use crate::{checker}_sync::*; }}\n");
    let mut open: Option<&str> = None;
    for (module, file) in SOURCES {
        let (parent, own) = match module.split_once('/') {
            Some((parent, own)) => (Some(parent), own),
            None => (None, module),
        };
        if open != parent {
            if open.is_some() {
                text += "}\n";
            }
            if let Some(parent) = parent {
                let _ = writeln!(text, "pub mod {parent} {{");
            }
            open = parent;
        }
        let path = locks.join(file);
        println!("cargo:rerun-if-changed={}", path.display());
        let mut source = without_tests(&fs::read_to_string(&path).expect("the source is there"));
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
        let _ = writeln!(text, "pub mod {own} {{\n{source}\n}}");
    }
    if open.is_some() {
        text += "}\n";
    }
    assert_eq!(
        planted,
        usize::from(bug.is_some()),
        "{name} is planted nowhere"
    );
    text + "}\n"
}

/// A source without its module documentation (which cannot stand inside a module's braces here)
/// and without its own tests, which end every file.
fn without_tests(source: &str) -> String {
    let code = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    code.lines()
        // What a lock offers to its own tests, it offers here.
        .filter(|line| !line.starts_with("//!") && line.trim() != "#[cfg(test)]")
        .collect::<Vec<_>>()
        .join("\n")
}
