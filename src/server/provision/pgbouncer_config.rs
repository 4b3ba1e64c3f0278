//! PgBouncer's configuration: `docker/pgbouncer.ini` with the lines that vary.

use std::path::Path;

use super::certificate::{CERTIFICATE, KEY, ServerCertificate};
use super::endpoint::Endpoint;
use super::role::{DATABASE, ROLE};
use super::shipped::{PGBOUNCER_INI, USERLIST};
use super::spec::method;
use crate::config::ServerUrl;
use crate::factor::{Auth, Transport};
use crate::record::PoolMode;

/// Sizes of the pooler; everything else is in `docker/pgbouncer.ini`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PgBouncerSpec {
    /// Server connections: `default_pool_size` and `min_pool_size`.
    pub pool_size: u32,
    /// `max_client_conn`.
    pub max_client_conn: u32,
    /// How clients prove who they are, as before the server; a server without a password makes it trust.
    pub auth: Auth,
    /// `pool_mode`.
    pub pool_mode: PoolMode,
    /// A PgBouncer of the user's own, for a server given by URL.
    pub url: Option<ServerUrl>,
}

impl Default for PgBouncerSpec {
    fn default() -> Self {
        Self {
            pool_size: 16,
            max_client_conn: 2000,
            auth: Auth::Trust,
            pool_mode: PoolMode::Transaction,
            url: None,
        }
    }
}

/// Names and texts of `pgbouncer.ini`, `userlist.txt` and, with TLS, the certificate and its key; `own` and
/// `sockets` are its own and the server's socket directory as the process will see them.
pub(crate) fn config_files(
    spec: &PgBouncerSpec,
    server: &Endpoint,
    certificate: Option<&ServerCertificate>,
    port: u16,
    own: &Path,
    sockets: &Path,
) -> Vec<(&'static str, String)> {
    let users = match &server.password {
        Some(password) => format!("\"{ROLE}\" \"{}\"\n", password.expose()),
        None => USERLIST.1.to_owned(),
    };
    let ini = config_text(&varying_lines(spec, server, port, own, sockets));
    let mut files = vec![(PGBOUNCER_INI.0, ini), (USERLIST.0, users)];
    let certificate = certificate.iter().flat_map(|c| c.files());
    files.extend(certificate.map(|(name, text)| (name, text.to_owned())));
    files
}

/// The lines that differ from the shipped file. With a password clients give it to PgBouncer as they would to
/// the server, by the server's method, and PgBouncer gives it to the server.
fn varying_lines(
    spec: &PgBouncerSpec,
    server: &Endpoint,
    port: u16,
    own: &Path,
    sockets: &Path,
) -> Vec<(&'static str, String)> {
    let (own_dir, server_host) = match server.transport() {
        Transport::Unix => (own.display().to_string(), sockets.display().to_string()),
        Transport::Tcp => (String::new(), "127.0.0.1".to_owned()),
    };
    let in_own = |name: &str| own.join(name).display().to_string();
    let mut database = format!(
        "host={server_host} port={} dbname={DATABASE} user={ROLE}",
        server.port
    );
    let mut auth_type = method(spec.auth).to_owned();
    if let Some(password) = &server.password {
        // A forced user (its pool is filled without a client) has its password here only.
        database.push_str(&format!(" password={}", password.expose()));
    } else {
        auth_type = method(Auth::Trust).to_owned();
    }
    let mut lines = vec![
        ("listen_port", port.to_string()),
        ("unix_socket_dir", own_dir),
        ("auth_type", auth_type),
        ("auth_file", in_own("userlist.txt")),
        ("default_pool_size", spec.pool_size.to_string()),
        ("min_pool_size", spec.pool_size.to_string()),
        ("max_client_conn", spec.max_client_conn.to_string()),
        ("pool_mode", spec.pool_mode.to_string()),
        (DATABASE, database),
    ];
    if server.tls.is_some() {
        lines.extend([
            ("client_tls_sslmode", "require".to_owned()),
            ("client_tls_cert_file", in_own(CERTIFICATE)),
            ("client_tls_key_file", in_own(KEY)),
            ("client_tls_ca_file", in_own(CERTIFICATE)),
            ("server_tls_sslmode", "verify-full".to_owned()),
            ("server_tls_ca_file", in_own(CERTIFICATE)),
        ]);
    }
    lines
}

/// The shipped file with the lines that vary replaced. Not appended: a second `[pgbouncer]` section
/// makes PgBouncer start again from its defaults.
fn config_text(varying: &[(&str, String)]) -> String {
    let mut text = String::new();
    for line in PGBOUNCER_INI.1.lines() {
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        match varying.iter().find(|(name, _)| *name == key) {
            Some((name, value)) => text.push_str(&format!("{name} = {value}\n")),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EndpointHost;
    use crate::secret::Secret;
    use crate::server::provision::certificate::ServerCertificate;

    #[test]
    fn every_line_that_varies_is_in_the_shipped_file_and_replaced() {
        let spec = PgBouncerSpec {
            pool_size: 3,
            auth: Auth::Scram,
            ..PgBouncerSpec::default()
        };
        let server = Endpoint {
            host: EndpointHost::Unix("/srv".into()),
            port: 7001,
            user: ROLE.to_owned(),
            dbname: DATABASE.to_owned(),
            password: Some(Secret::new("pw")),
            tls: Some(ServerCertificate::make().unwrap().pinned),
        };
        let lines = varying_lines(&spec, &server, 7000, Path::new("/own"), Path::new("/srv"));
        let text = config_text(&lines);
        for (name, value) in &lines {
            assert!(text.contains(&format!("\n{name} = {value}\n")), "{name}");
        }
        assert_eq!(text.lines().count(), PGBOUNCER_INI.1.lines().count());
        assert!(text.contains("auth_file = /own/userlist.txt"));
        assert_eq!(text.matches("[pgbouncer]").count(), 1);
        let last = |key: &str| {
            text.lines()
                .rfind(|l| l.starts_with(key))
                .map(|l| l.split_once('=').unwrap().1.trim().to_owned())
        };
        assert_eq!(last("listen_port").as_deref(), Some("7000"));
        assert_eq!(last("default_pool_size").as_deref(), Some("3"));
        assert_eq!(last("min_pool_size").as_deref(), Some("3"));
        assert_eq!(last("pool_mode").as_deref(), Some("transaction"));
        assert_eq!(last("auth_type").as_deref(), Some("scram-sha-256"));
        assert_eq!(last("unix_socket_dir").as_deref(), Some("/own"));
        assert!(
            last("procbench ")
                .unwrap()
                .starts_with("host=/srv port=7001")
        );
    }
}
