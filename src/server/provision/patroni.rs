//! Patroni and etcd, each node a container of one image, on this host's loopback: they find each other by ports, and
//! clients come through the socket of each.

use super::connect::free_port;
use super::docker::engine_version;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use super::image::ensure_patroni_image;
use super::pair::{DATA_IN_CONTAINER, DISK_IN_CONTAINER};
use super::process::Process;
use super::running::RunningServer;
use super::scratch::{Scratch, write_file};
use super::spec::SUPERUSER;

/// Where a node finds its configuration.
const IN_CONTAINER: &str = "/etc/procbench";
const CONFIGURATION: &str = "patroni.yml";

/// How long a leader's key lives without it, and how often a node looks, in seconds.
const TTL: u32 = 20;
const LOOP_WAIT: u32 = 2;

/// Where the nodes keep what they agree on; it goes when this is dropped.
#[derive(Debug)]
pub struct Etcd {
    // Held for its end.
    _process: Process,
    image: String,
    port: u16,
}

/// What a node is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatroniNode<'a> {
    /// Its name, by which it also replicates.
    pub name: &'a str,
    /// `synchronous_mode`.
    pub synchronous: bool,
    /// The port on which its server listens.
    pub port: u16,
    /// The port that leads there, which the other node is told.
    pub told_port: u16,
}

impl Etcd {
    /// Starts it; makes sure that the image is there.
    ///
    /// # Errors
    /// When there is no engine, or the image cannot be made.
    pub fn start(progress: &dyn Fn(&str)) -> Result<Self, ProvisionError> {
        engine_version()?;
        let image = ensure_patroni_image(progress)?;
        let scratch = Scratch::new(false)?;
        let (port, peers) = (free_port()?, free_port()?);
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let options = [
            "--tmpfs=/procbench:rw,mode=1777".to_owned(),
            format!("--user={SUPERUSER}"),
            "--entrypoint=etcd".to_owned(),
        ];
        let arguments = [
            "--name=e".to_owned(),
            "--data-dir=/procbench/etcd".to_owned(),
            format!("--listen-client-urls={}", url(port)),
            format!("--advertise-client-urls={}", url(port)),
            format!("--listen-peer-urls={}", url(peers)),
            format!("--initial-advertise-peer-urls={}", url(peers)),
            format!("--initial-cluster=e={}", url(peers)),
        ];
        let process = Process::start_container(scratch, &image, &options, &arguments)?;
        Ok(Etcd {
            _process: process,
            image,
            port,
        })
    }

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
            "--entrypoint=patroni".to_owned(),
        ];
        let arguments = [format!("{IN_CONTAINER}/{CONFIGURATION}")];
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
        port,
        told_port,
    } = node;
    format!(
        "scope: procbench
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
    loop_wait: {LOOP_WAIT}
    retry_timeout: 5
    maximum_lag_on_failover: 1048576
    synchronous_mode: {synchronous}
    postgresql:
      use_pg_rewind: false
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
            port: 5001,
            told_port: 5002,
        };
        let text = configuration(node, 5003, 5004);
        for line in [
            "\n  listen: 127.0.0.1:5001\n  connect_address: 127.0.0.1:5002\n",
            "\n    synchronous_mode: true\n",
            "\netcd3:\n  host: 127.0.0.1:5003\n",
            "\n  mode: \"off\"\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
