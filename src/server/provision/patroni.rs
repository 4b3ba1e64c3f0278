//! Patroni's nodes, each a container, on this host's loopback: they find each other by ports, and clients come through
//! the socket of each.

use super::connect::free_port;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::etcd::{Etcd, SCOPE};
use super::pair::{DATA_IN_CONTAINER, DISK_IN_CONTAINER};
use super::process::Process;
use super::running::RunningServer;
use super::scratch::{Scratch, write_file};
use super::spec::SUPERUSER;

/// Where a node finds its configuration.
const IN_CONTAINER: &str = "/etc/procbench";
const CONFIGURATION: &str = "patroni.yml";

/// How long a leader's key lives without it, in seconds.
const TTL: u32 = 20;

/// What a node is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatroniNode<'a> {
    /// Its name, by which it also replicates.
    pub name: &'a str,
    /// `synchronous_mode`.
    pub synchronous: bool,
    /// `loop_wait`, in seconds: how often it looks, and a leader stores its position.
    pub loop_wait: u32,
    /// The port on which its server listens.
    pub port: u16,
    /// The port that leads there, which the other node is told.
    pub told_port: u16,
}

impl Etcd {
    /// Starts a node; it need not answer yet. Its endpoint is the superuser's.
    ///
    /// # Errors
    /// When its container cannot be started.
    pub fn start_node(&self, node: PatroniNode<'_>) -> Result<RunningServer, ProvisionError> {
        let scratch = Scratch::new(false)?;
        let sockets = scratch.subdir("sockets", 0o777, None)?;
        let files = scratch.subdir("files", 0o755, None)?;
        let admin = Endpoint::of_superuser(&sockets, node.port)?;
        let text = configuration(node, self.port, free_port()?);
        write_file(&files.join(CONFIGURATION), text, 0o644, None)?;
        let options = [
            "--tmpfs=/procbench:rw,mode=1777".to_owned(),
            "--shm-size=256m".to_owned(),
            format!("--volume={}:/sockets", sockets.display()),
            format!("--volume={}:{IN_CONTAINER}:ro", files.display()),
            format!("--volume={DISK_IN_CONTAINER}"),
            format!("--user={SUPERUSER}"),
            "--entrypoint=sh".to_owned(),
        ];
        // Where it is started again, something is done to its cluster first.
        let script = format!(
            "data={DATA_IN_CONTAINER}; cd {IN_CONTAINER}; if [ -e before ]; then . ./before; fi; exec patroni {IN_CONTAINER}/{CONFIGURATION}"
        );
        let arguments = ["-euc".to_owned(), script];
        let process = Process::start_container(scratch, &self.image, &options, &arguments)?;
        let why = format!("{}: Patroni in a container of {}", node.name, self.image);
        Ok(RunningServer::orchestrated(process, admin, why))
    }
}

/// A port for the server of a node that is to be started.
///
/// # Errors
/// When there is none.
pub fn port_for_node() -> Result<u16, ProvisionError> {
    free_port()
}

/// A node's `patroni.yml`. Nobody needs a password: sockets and loopback are trusted, and both are ours.
fn configuration(node: PatroniNode<'_>, etcd: u16, rest: u16) -> String {
    let PatroniNode {
        name,
        synchronous,
        loop_wait,
        port,
        told_port,
    } = node;
    format!(
        "scope: {SCOPE}
name: {name}
restapi:
  listen: 127.0.0.1:{rest}
  connect_address: 127.0.0.1:{rest}
etcd3:
  host: 127.0.0.1:{etcd}
watchdog:
  mode: \"off\"
bootstrap:
  dcs:
    ttl: {TTL}
    loop_wait: {loop_wait}
    retry_timeout: 5
    maximum_lag_on_failover: 1048576
    synchronous_mode: {synchronous}
    postgresql:
      use_pg_rewind: true
      parameters:
        checkpoint_timeout: 1h
        max_wal_size: 4GB
        wal_keep_size: 256MB
        max_connections: 40
        autovacuum: \"off\"
  initdb:
    - encoding: UTF8
    - no-locale
    - data-checksums
postgresql:
  listen: 127.0.0.1:{port}
  connect_address: 127.0.0.1:{told_port}
  data_dir: {DATA_IN_CONTAINER}
  use_unix_socket: true
  authentication:
    superuser:
      username: {SUPERUSER}
    replication:
      username: replicator
  pg_hba:
    - local all all trust
    - local replication all trust
    - host all all 127.0.0.1/32 trust
    - host replication all 127.0.0.1/32 trust
  parameters:
    unix_socket_directories: /sockets
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_told_the_port_that_can_be_cut() {
        let node = PatroniNode {
            name: "n1",
            synchronous: true,
            loop_wait: 10,
            port: 5001,
            told_port: 5002,
        };
        let text = configuration(node, 5003, 5004);
        for line in [
            "\n  listen: 127.0.0.1:5001\n  connect_address: 127.0.0.1:5002\n",
            "\n    synchronous_mode: true\n",
            "\n    loop_wait: 10\n",
            "\netcd3:\n  host: 127.0.0.1:5003\n",
            "\n  mode: \"off\"\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
