//! The servers: one in clear, and one for each kind of certificate.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use procbench::config::{EndpointHost, ServerChoice};
use procbench::server::Target;
use procbench::server::provision::{Endpoint, RunningServer, ServerSpec, provision};

use super::PASSWORD;
use super::certificates::{Authority, Pair, self_signed};

/// Who may come in, and how. Placed behind the superuser's own line.
const HBA: &str = "\
local all peered,{me} peer
local all scram scram-sha-256
local all all trust
hostssl all cert_role all cert
hostssl all tls_only all trust
hostnossl all clear_only all trust
hostnossl all cert_role,tls_only all reject
hostssl all clear_only all reject
host all scram all scram-sha-256
host all md5 all md5
host all plain all password
host all rejected all reject
host all all all trust
";

const HBA_IN_CLEAR: &str = "\
local all all trust
host all scram all scram-sha-256
host all all all trust
";

const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "db.example"];

/// All of them, by the names that the table has for their ports.
pub struct Servers {
    all: Vec<(&'static str, RunningServer)>,
    /// A port that nobody listens on.
    closed: u16,
    /// The user who runs the test.
    me: String,
}

fn execute(endpoint: &Endpoint, sql: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let target = Target::new(endpoint).map_err(|e| e.to_string())?;
        let mut connection = target.connect().await.map_err(|e| e.to_string())?;
        connection.query(sql).await.map_err(|e| e.to_string())
    })
}

fn sockets(server: &RunningServer) -> PathBuf {
    let EndpointHost::Unix(dir) = &server.admin_endpoint().unwrap().host else {
        panic!("the superuser comes through the socket");
    };
    dir.clone()
}

/// A file that the server's user owns.
fn write_as_server(data: &Path, name: &str, text: &str) {
    let file = data.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let owner = fs::metadata(data).unwrap();
    chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
}

/// Who runs the test.
fn me() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::effective())
        .unwrap()
        .unwrap()
        .name
}

fn start_one(pair: Option<&Pair>, authority: &Authority) -> RunningServer {
    let listen = ("listen_addresses".to_owned(), "127.0.0.1,::1".to_owned());
    let spec = ServerSpec {
        max_connections: 20,
        settings: vec![listen],
        ..ServerSpec::default()
    };
    let server = provision(&ServerChoice::Local, &spec, &|_| {}).unwrap();
    let admin = server.admin_endpoint().unwrap();
    let roles = "trusted tls_only clear_only rejected cert_role peered \"colon:user\"";
    for role in roles.split(' ') {
        execute(admin, &format!("CREATE ROLE {role} LOGIN")).unwrap();
    }
    // There already, if the superuser's namesake runs the test.
    let _ = execute(admin, &format!("CREATE ROLE \"{}\" LOGIN", me()));
    for (role, kept_as) in [
        ("scram", "scram-sha-256"),
        ("md5", "md5"),
        ("plain", "scram-sha-256"),
    ] {
        let made = format!(
            "SET password_encryption = '{kept_as}'; CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"
        );
        execute(admin, &made).unwrap();
    }
    for database in ["a@b", "spaced db"] {
        execute(admin, &format!("CREATE DATABASE \"{database}\"")).unwrap();
    }
    let data = sockets(&server).parent().unwrap().join("pgdata");
    let hba = match pair {
        Some(pair) => {
            write_as_server(&data, "server.crt", &pair.certificate);
            write_as_server(&data, "server.key", &pair.key);
            write_as_server(&data, "ca.crt", &authority.pem());
            for setting in ["ssl = on", "ssl_ca_file = 'ca.crt'"] {
                execute(admin, &format!("ALTER SYSTEM SET {setting}")).unwrap();
            }
            HBA
        }
        None => HBA_IN_CLEAR,
    };
    let hba = format!("local all postgres trust\n{}", hba.replace("{me}", &me()));
    write_as_server(&data, "pg_hba.conf", &hba);
    execute(admin, "SELECT pg_reload_conf()").unwrap();
    // It is read once nobody comes in without a password here.
    let scram = Endpoint {
        user: "scram".to_owned(),
        ..server.endpoint().clone()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while execute(&scram, "SELECT 1").is_ok() {
        assert!(
            Instant::now() < deadline,
            "the server does not read its files"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    server
}

/// Starts them; the certificates that clients need are put into `place`.
pub fn start(place: &Path) -> Servers {
    let authority = Authority::new("the authority");
    let other = Authority::new("another authority");
    let own = self_signed("localhost", &NAMES);
    let client = authority.sign("cert_role", &[]);
    let stranger = other.sign("cert_role", &[]);
    for (name, text) in [
        ("ca.crt", &authority.pem()),
        ("other-ca.crt", &other.pem()),
        ("self.crt", &own.certificate),
        ("client.crt", &client.certificate),
        ("client.key", &client.key),
        ("open.key", &client.key),
        ("stranger.crt", &stranger.certificate),
        ("stranger.key", &stranger.key),
        ("garbage.crt", &"-----BEGIN NOTHING-----\n".to_owned()),
    ] {
        let file = place.join(name);
        fs::write(&file, text).unwrap();
        let mode = if name == "open.key" { 0o644 } else { 0o600 };
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    }
    let pairs = [
        ("{tls}", authority.sign("localhost", &NAMES)),
        ("{expired}", authority.sign_expired("localhost", &NAMES)),
        (
            "{other}",
            authority.sign("other.example", &["other.example"]),
        ),
        ("{common}", authority.sign("db.example", &[])),
        ("{own}", own),
    ];
    let encrypted = pairs
        .iter()
        .map(|(name, pair)| (*name, start_one(Some(pair), &authority)));
    let in_clear = std::iter::once_with(|| ("{clear}", start_one(None, &authority)));
    Servers {
        all: encrypted.chain(in_clear).collect(),
        closed: TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port(),
        me: me(),
    }
}

impl Servers {
    /// A text of the table with its ports and sockets.
    pub fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, server) in &self.all {
            text = text.replace(name, &server.endpoint().port.to_string());
        }
        let dir = sockets(&self.all[0].1).display().to_string();
        text.replace("{sock%}", &dir.replace('/', "%2F"))
            .replace("{sock}", &dir)
            .replace("{closed}", &self.closed.to_string())
            .replace("{me}", &self.me)
    }

    pub fn stop(self) {
        for (_, server) in self.all {
            server.stop().unwrap();
        }
    }
}
