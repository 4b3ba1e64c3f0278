//! Where a run comes from: tool, machine, server. Never a secret.

use std::collections::BTreeMap;

use nix::sys::resource::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

use super::Survey;
use crate::names::counted;

/// Tool and machine of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of procbench.
    pub tool_version: String,
    /// Git revision it was built from; `-dirty` if the sources had changes.
    pub tool_revision: String,
    /// The compiler.
    pub rustc: String,
    /// Whether this is a debug build (whose times must not be quoted).
    pub debug_build: bool,
    /// Arguments of the process, as given. URLs with a password are refused
    /// before they get here.
    pub command_line: Vec<String>,
    /// CPU model.
    pub cpu_model: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// Memory in kB.
    pub memory_kb: u64,
    /// Soft limit of open files.
    pub open_files_limit: u64,
    /// `none`, or which CPUs load and server were pinned to.
    pub pinning: String,
    /// How cores were kept awake.
    #[serde(default)]
    pub keep_awake: String,
    /// CPU frequency governor, where the kernel shows it.
    pub governor: String,
    /// Load average of the last minute when the run began.
    pub load_average_before: f64,
    /// The server, in server mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerProvenance>,
}

/// The server of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerProvenance {
    /// `docker`, `local` or `url`.
    pub kind: String,
    /// Why this kind was chosen.
    pub chosen_because: String,
    /// `SELECT version()`.
    pub version: String,
    /// Image id or binary directory.
    pub source: String,
    /// Every PostgreSQL of the run, in the order of their first starts; the one above is the first of
    /// them. Not in files of earlier versions, which had one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerSource>,
    /// Settings that matter, from pg_settings.
    pub settings: BTreeMap<String, String>,
    /// Authentication method as far as known.
    pub auth: String,
    /// Transport.
    pub transport: String,
    /// PgBouncer's version, where it takes part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbouncer: Option<String>,
    /// What a server by URL said about itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<Survey>,
}

/// One PostgreSQL of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSource {
    /// The factor `pg` of its levels.
    pub pg: String,
    /// `server_version`, package suffix included.
    pub version: String,
    /// Image id, or binary directory with the hash of its `postgres`.
    pub source: String,
}

impl ServerProvenance {
    /// The versions that took part, in words: builds of one version are distinguished by their names.
    pub fn versions(&self) -> String {
        match &self.servers[..] {
            [] | [_] => self.version.clone(),
            servers => servers
                .iter()
                .map(|s| {
                    if s.version.starts_with(&s.pg) {
                        s.version.clone()
                    } else {
                        format!("{} of {}", s.version, s.pg)
                    }
                })
                .collect::<Vec<_>>()
                .join("; "),
        }
    }
}

impl Provenance {
    /// The machine in words: `AMD EPYC, 2 cores, Linux 6.1`.
    pub fn machine(&self) -> String {
        format!(
            "{}, {}, Linux {}",
            self.cpu_model,
            counted(self.cores, "core"),
            self.kernel
        )
    }

    /// Reads CPU, kernel, memory and limits of this machine.
    pub fn collect() -> Self {
        let proc = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            text.lines()
                .find(|l| l.starts_with(name))
                .and_then(|l| l.split_once(':'))
                .map(|(_, v)| v.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field(&proc("/proc/meminfo"), "MemTotal");
        Provenance {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            tool_revision: env!("PROCBENCH_REVISION").to_owned(),
            rustc: env!("PROCBENCH_RUSTC").to_owned(),
            debug_build: cfg!(debug_assertions),
            command_line: std::env::args().collect(),
            cpu_model: field(&proc("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: proc("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_kb: memory.trim_end_matches(" kB").parse().unwrap_or(0),
            open_files_limit: getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |l| l.0),
            pinning: "none".to_owned(),
            keep_awake: String::new(),
            governor: match proc("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").trim() {
                "" => "not visible".to_owned(),
                governor => governor.to_owned(),
            },
            load_average_before: proc("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|l| l.parse().ok())
                .unwrap_or(0.0),
            server: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_of_a_run_is_named() {
        let source = |pg: &str, version: &str| ServerSource {
            pg: pg.to_owned(),
            version: version.to_owned(),
            source: String::new(),
        };
        let mut server = ServerProvenance {
            version: "15.18".to_owned(),
            ..ServerProvenance::default()
        };
        assert_eq!(server.versions(), "15.18", "a file of an earlier version");
        server.servers = vec![source("15", "15.18")];
        assert_eq!(server.versions(), "15.18");
        server.servers.push(source("/opt/patched/bin", "15.18"));
        assert_eq!(server.versions(), "15.18; 15.18 of /opt/patched/bin");
    }

    #[test]
    fn the_machine_is_described() {
        let p = Provenance::collect();
        assert!(p.cores >= 1 && p.memory_kb > 0 && p.open_files_limit > 0);
        assert!(!p.kernel.is_empty() && !p.tool_revision.is_empty() && p.rustc.contains("rustc"));
    }
}
