//! What tracing needs of the machine.

use nix::unistd::Uid;

use crate::server::provision::find_on_path;

/// What tracing needs on this machine and does not have, in one clause with its remedy; `None` if nothing.
pub fn missing() -> Option<&'static str> {
    // The kernel's own number of the first PID namespace (proc_ns.h `PROC_PID_INIT_INO`): bpftrace tells PIDs there.
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if !Uid::effective().is_root() {
        Some("tracing needs root: run procbench as root")
    } else if find_on_path("bpftrace").is_none() {
        Some("tracing needs bpftrace: procbench doctor --install, or apt-get install bpftrace")
    } else if find_on_path("unshare").is_none() {
        Some("tracing needs unshare: apt-get install util-linux")
    } else if space.as_os_str() != "pid:[4026531836]" {
        Some("tracing needs the machine's own PIDs: run procbench outside of containers")
    } else {
        None
    }
}
