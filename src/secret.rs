//! A password that cannot be printed, and where passwords come from.
//!
//! Order as in libpq (`fe-connect.c`, `passwordFromFile`): `PGPASSWORD`, then the file named by
//! `PGPASSFILE`, then `~/.pgpass`.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A password. `Debug` does not show it, and it has neither `Display` nor a serialised form.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The password itself; for the connection only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Why a password file was not used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordFileError {
    /// Group or others may read it; libpq ignores such a file, which then looks like a wrong password.
    #[error("password file {0} is readable by others and was not used: chmod 600 {0}")]
    Permissions(PathBuf),
    /// It exists and cannot be read.
    #[error("password file {path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// The password for a connection to `[host, port, database, user]`, or `None` where none is configured.
///
/// The host is a name, an address or a socket directory (a socket directory is matched as
/// `localhost` too when it is one of the usual defaults, as libpq does).
///
/// # Errors
/// When a password file exists and may not or cannot be read.
pub fn lookup_password(wanted: [&str; 4]) -> Result<Option<Secret>, PasswordFileError> {
    if let Ok(value) = std::env::var("PGPASSWORD")
        && !value.is_empty()
    {
        return Ok(Some(Secret::new(value)));
    }
    let at_home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass"));
    let given = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    match given.or_else(at_home) {
        Some(path) => password_from_file(&path, wanted),
        None => Ok(None),
    }
}

/// Looks a password up in one password file; a missing file is no password.
fn password_from_file(
    path: &Path,
    mut wanted: [&str; 4],
) -> Result<Option<Secret>, PasswordFileError> {
    let unreadable = |source| PasswordFileError::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(unreadable)?,
    };
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(PasswordFileError::Permissions(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    // libpq matches its default socket directories as "localhost" (DEFAULT_PGSOCKET_DIR).
    if ["/tmp", "/var/run/postgresql", "/run/postgresql"].contains(&wanted[0]) {
        wanted[0] = "localhost";
    }
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.find_map(|line| match_line(line, wanted)))
}

/// One line `host:port:database:user:password`; `\` escapes `:` and `\`, a bare `*` matches all.
fn match_line(line: &str, wanted: [&str; 4]) -> Option<Secret> {
    let mut escaped = false;
    let is_end = |c: char| {
        let plain = !std::mem::take(&mut escaped);
        escaped = plain && c == '\\';
        plain && c == ':'
    };
    let fields: Vec<&str> = line.split(is_end).collect();
    let password = unescaped(fields.get(4)?);
    let mut pairs = fields.iter().zip(wanted);
    let matches = pairs.all(|(field, want)| *field == "*" || unescaped(field) == want);
    (matches && !password.is_empty()).then(|| Secret::new(password))
}

/// A field without its escapes.
fn unescaped(field: &str) -> String {
    let mut chars = field.chars();
    let next = || match chars.next()? {
        '\\' => chars.next(),
        other => Some(other),
    };
    std::iter::from_fn(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(mode: u32, text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn find(text: &str, host: &str, port: u16, db: &str, user: &str) -> Option<String> {
        let file = file(0o600, text);
        password_from_file(file.path(), [host, &port.to_string(), db, user])
            .unwrap()
            .map(|s| s.expose().to_owned())
    }

    #[test]
    fn is_never_printed() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn first_matching_line_wins_and_wildcards_match() {
        let text = "# note\nother:5432:*:*:no\nh:5432:db:me:exact\n*:*:*:me:wild\n";
        assert_eq!(find(text, "h", 5432, "db", "me").as_deref(), Some("exact"));
        assert_eq!(find(text, "h", 5433, "db", "me").as_deref(), Some("wild"));
        assert_eq!(find(text, "h", 5433, "db", "you"), None);
    }

    #[test]
    fn escapes_are_undone_and_an_escaped_star_is_literal() {
        let text = "a\\:b:1:d\\\\b:u:p\\:w\\\\d\n\\*:2:d:u:star\n";
        assert_eq!(find(text, "a:b", 1, "d\\b", "u").as_deref(), Some("p:w\\d"));
        assert_eq!(find(text, "x", 2, "d", "u"), None);
        assert_eq!(find(text, "*", 2, "d", "u").as_deref(), Some("star"));
    }

    #[test]
    fn default_socket_directory_matches_localhost() {
        assert_eq!(
            find(
                "localhost:5432:d:u:p",
                "/var/run/postgresql",
                5432,
                "d",
                "u"
            )
            .as_deref(),
            Some("p")
        );
    }

    #[test]
    fn a_file_others_can_read_is_refused_without_its_content() {
        let file = file(0o644, "*:*:*:*:hunter2\n");
        let error = password_from_file(file.path(), ["h", "1", "d", "u"]).unwrap_err();
        assert!(error.to_string().contains("chmod 600"));
        assert!(!format!("{error:?}{error}").contains("hunter2"));
    }

    #[test]
    fn a_missing_file_is_no_password() {
        let found = password_from_file(Path::new("/nonexistent/pgpass"), ["h", "1", "d", "u"]);
        assert_eq!(found.unwrap(), None);
    }
}
