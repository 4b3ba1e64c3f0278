//! Clock, cores, limits, pages, scheduling.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit};

use crate::arm::Mode;
use crate::config::KeepAwakeChoice;
use crate::load::keep_awake::KeepAwake;
use crate::procfs::numbered;

use super::check::Check;
use super::other_load;

/// File descriptors wanted: 500 standing connections, as many clients in flight, files of our own.
const FILES_WANTED: u64 = 1_100;

/// A clock read above this (ns) spoils model timings, whose operations cost tens of ns.
const CLOCK_COST_LIMIT_NS: f64 = 100.0;

const CLOCK_READS: u32 = 200_000;

pub(super) fn checks() -> Vec<Check> {
    let checks = [
        ("build", build()),
        ("clock source", clock_source()),
        ("clock cost", clock_cost()),
        ("cores", cores()),
        ("file descriptors", file_limit()),
        ("huge pages", huge_pages()),
        ("idle cores", idle_cores()),
        ("other load", other_load::check()),
    ];
    checks.map(|(name, check)| check.named(name)).into()
}

fn build() -> Check {
    if cfg!(debug_assertions) {
        Check::caution(
            "a debug build; its measurements are struck out",
            "cargo build --release, then run target/release/procbench",
        )
    } else {
        Check::ok("release")
    }
}

fn clock_source() -> Check {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let source = fs::read_to_string(path).ok();
    match source.as_deref().map(str::trim) {
        // Read in user space through the vDSO.
        Some(source @ ("tsc" | "kvm-clock" | "arch_sys_counter")) => Check::ok(source),
        Some(other) => Check::caution(
            format!("{other}: each reading is a system call"),
            "boot with clocksource=tsc where the CPU's TSC is stable (dmesg | grep -i tsc)",
        ),
        None => Check::caution(
            "not visible in /sys",
            "look at the measured clock cost below; above 100 ns distrust model timings",
        ),
    }
}

fn clock_cost() -> Check {
    let start = Instant::now();
    for _ in 0..CLOCK_READS {
        black_box(Instant::now());
    }
    let ns = start.elapsed().as_secs_f64() * 1e9 / f64::from(CLOCK_READS);
    let detail = format!("{ns:.0} ns per reading");
    if ns <= CLOCK_COST_LIMIT_NS {
        Check::ok(detail)
    } else {
        Check::caution(
            detail,
            "stop other load and look again; if it stays, use another machine for model mode",
        )
    }
}

fn cores() -> Check {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let detail = format!("{count} usable");
    if count >= 2 {
        Check::ok(detail)
    } else {
        Check::caution(
            detail,
            "with one core everything measured is the scheduler: give this machine two or more",
        )
    }
}

fn file_limit() -> Check {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, hard)) => {
            let detail = format!("soft limit {soft}, hard limit {hard}, {FILES_WANTED} wanted");
            if soft >= FILES_WANTED {
                Check::ok(detail)
            } else if hard >= FILES_WANTED {
                Check::caution(detail, format!("ulimit -n {FILES_WANTED}"))
            } else {
                Check::missing(
                    detail,
                    "raise the hard limit (/etc/security/limits.conf, nofile), or use fewer --standing",
                )
            }
        }
        Err(e) => Check::caution(format!("limit unknown: {e}"), "ulimit -n 4096"),
    }
}

fn huge_pages() -> Check {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let field = |name: &str| numbered(&text, name);
    let detail = match (field("HugePages_Total:"), field("HugePages_Free:"), field("Hugepagesize:")) {
        (Some(total), Some(free), Some(size)) if total > 0 => {
            format!("{free} of {total} free, {size} kB each; used only when an experiment asks")
        }
        (Some(_), ..) => {
            "none reserved; not needed unless page size is varied (then: sysctl vm.nr_hugepages=200)".to_owned()
        }
        _ => "not in this kernel; the page size cannot be varied".to_owned(),
    };
    Check::ok(detail)
}

/// Whether idle cores can be kept awake without competing with the server.
fn idle_cores() -> Check {
    match KeepAwake::start(KeepAwakeChoice::PowerManagement, Mode::Server) {
        Ok(_) => Check::ok("can be kept awake by power management"),
        Err(e) => Check::caution(
            format!("halt between operations and wake slowly, in the quiet arm most of all ({e})"),
            "run as root, or compare arms only under load",
        ),
    }
}
