//! Clock, cores, limits, pages, scheduling.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit};

use crate::arm::Mode;
use crate::config::KeepAwakeChoice;
use crate::load::keep_awake::KeepAwake;

use super::check::Check;

/// File descriptors wanted: 500 standing connections, as many clients in flight, files of our own.
const FILES_WANTED: u64 = 1_100;

/// A clock read above this (ns) spoils model timings, whose operations cost tens of ns.
const CLOCK_COST_LIMIT_NS: f64 = 100.0;

const CLOCK_READS: u32 = 200_000;

pub(super) fn checks() -> Vec<Check> {
    vec![
        build(),
        clock_source(),
        clock_cost(),
        cores(),
        file_limit(),
        huge_pages(),
        idle_cores(),
    ]
}

fn build() -> Check {
    if cfg!(debug_assertions) {
        Check::caution(
            "build",
            "a debug build; its measurements are struck out",
            "cargo build --release, then run target/release/procbench",
        )
    } else {
        Check::ok("build", "release")
    }
}

fn read_line(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn clock_source() -> Check {
    let name = "clock source";
    match read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource") {
        // Read in user space through the vDSO.
        Some(s) if ["tsc", "kvm-clock", "arch_sys_counter"].contains(&s.as_str()) => {
            Check::ok(name, s)
        }
        Some(other) => Check::caution(
            name,
            format!("{other}: each reading is a system call"),
            "boot with clocksource=tsc where the CPU's TSC is stable (dmesg | grep -i tsc)",
        ),
        None => Check::caution(
            name,
            "not visible in /sys",
            "look at the measured clock cost below; above 100 ns distrust model timings",
        ),
    }
}

fn clock_cost() -> Check {
    let name = "clock cost";
    let start = Instant::now();
    for _ in 0..CLOCK_READS {
        black_box(Instant::now());
    }
    let ns = start.elapsed().as_secs_f64() * 1e9 / f64::from(CLOCK_READS);
    let detail = format!("{ns:.0} ns per reading");
    if ns <= CLOCK_COST_LIMIT_NS {
        Check::ok(name, detail)
    } else {
        Check::caution(
            name,
            detail,
            "stop other load and look again; if it stays, use another machine for model mode",
        )
    }
}

fn cores() -> Check {
    let name = "cores";
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let detail = format!("{count} usable");
    if count >= 2 {
        Check::ok(name, detail)
    } else {
        Check::caution(
            name,
            detail,
            "with one core everything measured is the scheduler: give this machine two or more",
        )
    }
}

fn file_limit() -> Check {
    let name = "file descriptors";
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) => {
            let detail = format!("soft limit {soft}, hard limit {hard}, {FILES_WANTED} wanted");
            if soft >= FILES_WANTED {
                Check::ok(name, detail)
            } else if hard >= FILES_WANTED {
                Check::caution(name, detail, format!("ulimit -n {FILES_WANTED}"))
            } else {
                Check::missing(
                    name,
                    detail,
                    "raise the hard limit (/etc/security/limits.conf, nofile), or use fewer --standing",
                )
            }
        }
        Err(e) => Check::caution(name, format!("limit unknown: {e}"), "ulimit -n 4096"),
    }
}

fn huge_pages() -> Check {
    let name = "huge pages";
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |key: &str| -> Option<u64> {
        text.lines()
            .find_map(|l| l.strip_prefix(key))?
            .split_ascii_whitespace()
            .next()?
            .parse()
            .ok()
    };
    let detail = match (field("HugePages_Total:"), field("HugePages_Free:"), field("Hugepagesize:")) {
        (Some(total), Some(free), Some(size)) if total > 0 => {
            format!("{free} of {total} free, {size} kB each; used only when an experiment asks")
        }
        (Some(_), ..) => {
            "none reserved; not needed unless page size is varied (then: sysctl vm.nr_hugepages=200)".to_owned()
        }
        _ => "not in this kernel; the page size cannot be varied".to_owned(),
    };
    Check::ok(name, detail)
}

/// Whether idle cores can be kept awake without competing with the server.
fn idle_cores() -> Check {
    let name = "idle cores";
    match KeepAwake::start(KeepAwakeChoice::PowerManagement, Mode::Server) {
        Ok(_) => Check::ok(name, "can be kept awake by power management"),
        Err(e) => Check::caution(
            name,
            format!("halt between operations and wake slowly, in the quiet arm most of all ({e})"),
            "run as root, or compare arms only under load",
        ),
    }
}
