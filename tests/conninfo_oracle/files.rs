//! Password files, service files and home directories.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::PASSWORD;
use super::servers::Servers;

fn file(path: &Path, mode: u32, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes all of them into `place`.
pub fn write(place: &Path, servers: &Servers) {
    let at = |name: &str| place.join(name);
    let line = format!("*:*:*:scram:{PASSWORD}\n");
    file(&at("home/empty"), 0o600, b"");
    file(&at("home-pass/.pgpass"), 0o600, line.as_bytes());
    file(&at("pass"), 0o600, line.as_bytes());
    file(&at("pass-open"), 0o644, line.as_bytes());
    file(
        &at("pass-crlf"),
        0o600,
        line.replace('\n', "\r\n").as_bytes(),
    );
    file(&at("pass-bom"), 0o600, format!("\u{feff}{line}").as_bytes());
    file(
        &at("pass-latin1"),
        0o600,
        &[b"caf\xe9:*:*:*:x\n", line.as_bytes()].concat(),
    );
    file(&at("pass-other"), 0o600, b"other.example:*:*:*:x\n");
    let exact = servers.fill(&format!(
        "# mine\n\n127.0.0.1:{{tls}}:procbench:scram:{PASSWORD}\n"
    ));
    file(&at("pass-exact"), 0o600, exact.as_bytes());
    fs::create_dir(at("pass-dir")).unwrap();

    let services = servers.fill(&format!(
        "# services\n[one]\nhost=127.0.0.1\nport={{tls}}\nuser=trusted\ndbname=procbench\n\n\
         [secret]\nhost=127.0.0.1\nport={{tls}}\nuser=scram\ndbname=procbench\npassword={PASSWORD}\n\n\
         [broken]\nhost\n\n[unknown]\nnonsense=1\n"
    ));
    for name in [
        "services",
        "home-service/.pg_service.conf",
        "etc/pg_service.conf",
    ] {
        file(&at(name), 0o644, services.as_bytes());
    }

    let copy = |from: &str, to: &str| file(&at(to), 0o600, &fs::read(at(from)).unwrap());
    copy("ca.crt", "home-root/.postgresql/root.crt");
    copy("other-ca.crt", "home-wrong/.postgresql/root.crt");
    copy("client.crt", "home-client/.postgresql/postgresql.crt");
    copy("client.key", "home-client/.postgresql/postgresql.key");
}
