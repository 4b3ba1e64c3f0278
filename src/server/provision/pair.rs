//! A primary and a standby: what each is started with.

use std::path::PathBuf;

/// Where a server finds its primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The directory of a socket that leads there.
    pub sockets: PathBuf,
    /// The port in the socket's name.
    pub port: u16,
    /// As whom the standby reports: `application_name`.
    pub name: String,
}

/// A server's part in a pair. It keeps its cluster on a disk, with checksums. It allows replication through its socket,
/// and its fdatasync can be delayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairRole {
    /// Is made anew.
    Primary,
    /// Begins as a copy of its primary.
    Standby(Upstream),
}

/// Where a container finds its primary's socket.
pub(super) const PRIMARY_IN_CONTAINER: &str = "/primary";

/// Where a container keeps its cluster: the images have this directory, and it belongs to the server's user. A volume
/// there lies on the engine's disk, and goes with the container.
pub(super) const DISK_IN_CONTAINER: &str = "/var/lib/postgresql";

/// The cluster's own directory there.
pub(super) const DATA_IN_CONTAINER: &str = "/var/lib/postgresql/procbench";

/// The environment's name of what `docker/entrypoint.sh` copies a cluster from.
pub(super) const PRIMARY_VARIABLE: &str = "PROCBENCH_PRIMARY";

/// Checksums for its cluster, which `docker/entrypoint.sh` otherwise leaves out: the environment's name, and the flag.
pub(super) const CHECKSUMS: (&str, &str) = ("PROCBENCH_CHECKSUMS", "--data-checksums");

/// The line of `pg_hba.conf` that lets a standby in.
pub(super) const HBA: &str = "local   replication     postgres                        trust\n";

impl PairRole {
    /// The primary, if it is a standby.
    pub(super) fn upstream(&self) -> Option<&Upstream> {
        match self {
            PairRole::Primary => None,
            PairRole::Standby(upstream) => Some(upstream),
        }
    }
}

impl Upstream {
    /// The connection string of this user, with the socket in this directory.
    pub(super) fn conninfo(&self, user: &str, sockets: &str) -> String {
        format!(
            "host='{sockets}' port={} user={user} application_name={}",
            self.port, self.name
        )
    }
}
