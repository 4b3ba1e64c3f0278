//! Password files (PostgreSQL 15: fe-connect.c `passwordFromFile`). Bytes are bytes: nothing says in which
//! encoding a name or password is.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::secret::Secret;

/// A password, or where none was found.
#[derive(Debug, Default, Clone)]
pub struct Password {
    /// The password.
    pub secret: Option<Secret>,
    /// What was passed over, and why: one clause each. Worth telling where a password is asked for and none
    /// is there.
    pub passed_over: Vec<String>,
    /// Of these, a file that others can read: said in any case, as libpq does.
    pub warning: Option<String>,
}

impl Password {
    fn none(why: String) -> Self {
        Password {
            passed_over: vec![why],
            ..Password::default()
        }
    }
}

/// Looks a password for `[host, port, database, user]` up.
pub(super) fn look_up(path: &Path, wanted: [&str; 4]) -> Password {
    let file = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) => return Password::none(format!("password file {file} cannot be read: {e}")),
    };
    if !metadata.is_file() {
        return Password::none(format!("password file {file} is not a plain file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        let warning = format!(
            "password file {file} is readable by others and was not used: chmod 600 {file}"
        );
        return Password {
            warning: Some(warning.clone()),
            ..Password::none(warning)
        };
    }
    match std::fs::read(path) {
        Ok(bytes) => search(&bytes, &file.to_string(), wanted),
        Err(e) => Password::none(format!("password file {file} cannot be read: {e}")),
    }
}

fn search(bytes: &[u8], file: &str, mut wanted: [&str; 4]) -> Password {
    // libpq's default socket directories stand as "localhost" in the file (DEFAULT_PGSOCKET_DIR).
    if ["/tmp", "/var/run/postgresql", "/run/postgresql"].contains(&wanted[0]) {
        wanted[0] = "localhost";
    }
    let mut found = Password::default();
    for (number, line) in (1..).zip(bytes.split(|&b| b == b'\n')) {
        let ends = line
            .iter()
            .rposition(|&b| b != b'\r')
            .map_or(0, |at| at + 1);
        let line = &line[..ends];
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        if line.starts_with(b"\xef\xbb\xbf") {
            found.passed_over.push(format!(
                "password file {file}, line {number}, was skipped: it begins with a byte order mark"
            ));
            continue;
        }
        match fields(line) {
            None => found.passed_over.push(format!(
                "password file {file}, line {number}, was skipped: it is not host:port:database:user:password"
            )),
            Some((names, password)) if names.iter().zip(wanted).all(|(name, want)| matches(name, want)) => {
                // The first line that matches, even if its password is empty.
                found.secret = (!password.is_empty()).then(|| Secret::new(password));
                return found;
            }
            Some(_) => {}
        }
    }
    if found.passed_over.is_empty() {
        let [host, port, database, user] = wanted;
        found.passed_over.push(format!(
            "password file {file} has no line for host {host}, port {port}, database {database} and user {user}"
        ));
    }
    found
}

/// The four names as they stand, and the password without its escapes; it ends at a colon, too.
fn fields(line: &[u8]) -> Option<([&[u8]; 4], Vec<u8>)> {
    let mut escaped = false;
    let mut fields = line.split(|&byte| {
        let plain = !std::mem::take(&mut escaped);
        escaped = plain && byte == b'\\';
        plain && byte == b':'
    });
    let names = [
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    ];
    Some((names, unescaped(fields.next()?)))
}

/// A bare `*` matches all.
fn matches(name: &[u8], want: &str) -> bool {
    name == b"*" || unescaped(name) == want.as_bytes()
}

fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = field.iter().copied().peekable();
    let next = || match bytes.next()? {
        b'\\' if bytes.peek().is_some() => bytes.next(),
        other => Some(other),
    };
    std::iter::from_fn(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(bytes: impl AsRef<[u8]>, wanted: [&str; 4]) -> Option<Vec<u8>> {
        let secret = search(bytes.as_ref(), "f", wanted).secret;
        secret.map(|s| s.bytes().to_vec())
    }

    fn is(found: Option<Vec<u8>>, password: &str) -> bool {
        found.as_deref() == Some(password.as_bytes())
    }

    fn file(mode: u32, bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn first_matching_line_wins_and_wildcards_match() {
        let text = "# note\nother:5432:*:*:no\nh:5432:db:me:exact\n*:*:*:me:wild\n";
        assert!(is(find(text, ["h", "5432", "db", "me"]), "exact"));
        assert!(is(find(text, ["h", "5433", "db", "me"]), "wild"));
        assert_eq!(find(text, ["h", "5433", "db", "you"]), None);
        // As libpq: an empty password is one, and none is looked for behind it.
        assert_eq!(find("*:*:*:*:\n*:*:*:*:p\n", ["h", "1", "d", "u"]), None);
    }

    #[test]
    fn escapes_are_undone_and_an_escaped_star_is_literal() {
        let text = "a\\:b:1:d\\\\b:u:p\\:w\\\\d\n\\*:2:d:u:star\n*:3:*:*:p:rest\n";
        assert!(is(find(text, ["a:b", "1", "d\\b", "u"]), "p:w\\d"));
        assert_eq!(find(text, ["x", "2", "d", "u"]), None);
        assert!(is(find(text, ["*", "2", "d", "u"]), "star"));
        assert!(is(find(text, ["x", "3", "d", "u"]), "p"));
    }

    #[test]
    fn the_default_socket_directory_is_localhost() {
        let wanted = ["/var/run/postgresql", "5432", "d", "u"];
        assert!(is(find("localhost:5432:d:u:p", wanted), "p"));
    }

    #[test]
    fn bytes_are_bytes_and_lines_may_end_as_on_windows() {
        let latin1 = b"caf\xe9:*:*:*:no\r\nh:*:*:*:p\xe9ss\r\n";
        assert_eq!(find(latin1, ["h", "1", "d", "u"]).unwrap(), b"p\xe9ss");
    }

    #[test]
    fn what_was_skipped_is_named_without_its_content() {
        let found = search(
            b"\xef\xbb\xbfh:1:d:u:hunter2\n#\nh:hunter2\n",
            "f",
            ["h", "1", "d", "u"],
        );
        let told = found.passed_over.join("; ");
        assert!(
            told.contains("line 1,") && told.contains("byte order mark"),
            "{told}"
        );
        assert!(
            told.contains("line 3,") && !told.contains("hunter2"),
            "{told}"
        );
        assert_eq!((found.secret, found.warning), (None, None));
        let none = search(b"x:*:*:*:hunter2\n", "f", ["h", "1", "d", "u"]).passed_over;
        assert!(none[0].contains("no line for host h, port 1") && !none[0].contains("hunter2"));
    }

    #[test]
    fn a_file_that_others_can_read_is_passed_over_with_a_warning() {
        for mode in [0o644, 0o640, 0o604] {
            let file = file(mode, b"*:*:*:*:hunter2\n");
            let found = look_up(file.path(), ["h", "1", "d", "u"]);
            assert_eq!(found.secret, None);
            assert!(found.warning.as_ref().unwrap().contains("chmod 600"));
            assert!(!format!("{found:?}").contains("hunter2"));
        }
        let file = file(0o600, b"*:*:*:*:hunter2\n");
        let found = look_up(file.path(), ["h", "1", "d", "u"]);
        assert_eq!(found.secret, Some(Secret::new("hunter2")));
        assert!(found.warning.is_none() && !format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_no_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = ["h", "1", "d", "u"];
        let told = |path: &Path| look_up(path, wanted).passed_over.join("; ");
        assert!(told(dir.path()).contains("not a plain file"));
        assert!(told(&dir.path().join("none")).contains("No such file"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b':'), Just(b'\\'), Just(b'\n')], 0..60)) {
            let _ = search(&bytes, "f", ["h", "1", "d", "u"]);
        }

        #[test]
        fn every_password_is_found_once_escaped(password in prop::collection::vec(prop_oneof![any::<u8>(), Just(b':'), Just(b'\\')], 1..20)) {
            prop_assume!(!password.contains(&b'\n') && !password.ends_with(b"\r"));
            let mut line = b"h:1:d:u:".to_vec();
            for &byte in &password {
                if matches!(byte, b':' | b'\\') {
                    line.push(b'\\');
                }
                line.push(byte);
            }
            prop_assert_eq!(find(&line, ["h", "1", "d", "u"]), Some(password));
        }
    }
}
