//! A connection string as pairs of keyword and value, split as libpq does (PostgreSQL 15: fe-connect.c
//! `conninfo_uri_parse_options`, `conninfo_uri_decode`, `conninfo_parse`). Errors repeat nothing of the text: it may
//! hold a secret.

use super::keywords::PASSWORD;

/// What a message calls the text.
pub(super) const ORIGIN: &str = "the connection string";

pub(super) type Pairs = Vec<(String, String)>;

/// What is wrong, and the form.
pub(super) fn malformed(why: &str) -> String {
    format!(
        "malformed connection string ({why}): the form is postgres://user@host:port/dbname or 'host=... port=... user=... dbname=...'"
    )
}

/// The pairs of a URL or of `key=value` text, in the order in which they stand.
///
/// # Errors
/// What is wrong with the text, without any of it.
pub(super) fn pairs(text: &str) -> Result<Pairs, String> {
    if text.contains('\0') {
        return Err(malformed("it contains a zero byte"));
    }
    let rest = text.strip_prefix("postgres://");
    match rest.or_else(|| text.strip_prefix("postgresql://")) {
        Some(rest) => of_url(rest),
        None if is_pairs(text) => of_pairs(text),
        None => Err(malformed("it does not start with postgres://")),
    }
}

/// Whether a text is meant as a connection string.
pub(crate) fn is_conninfo(text: &str) -> bool {
    text.contains("://") || is_pairs(text)
}

/// Whether a text is to be read as `key=value`.
fn is_pairs(text: &str) -> bool {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    text.split_once('=').is_some_and(|(name, _)| {
        let name = name.trim();
        !name.is_empty() && name.chars().all(is_name)
    })
}

fn of_url(rest: &str) -> Result<Pairs, String> {
    let (user, place) = credentials(rest)?;
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(malformed(
            "it contains white space: write a blank in a name as %20",
        ));
    }
    let mut pairs = Pairs::new();
    let mut add = |name: &str, value: &str| -> Result<(), String> {
        if !value.is_empty() {
            pairs.push((name.to_owned(), decoded(value)?));
        }
        Ok(())
    };
    add("user", user.unwrap_or_default())?;
    let (place, query) = place.split_once('?').unwrap_or((place, ""));
    let (places, dbname) = place.split_once('/').unwrap_or((place, ""));
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in places.split(',') {
        let (host, port) = host_and_port(place)?;
        hosts.push(host);
        ports.push(port);
    }
    add("host", &hosts.join(","))?;
    add("port", &ports.join(","))?;
    add("dbname", dbname)?;
    for parameter in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = parameter
            .split_once('=')
            .filter(|(_, value)| !value.contains('='))
            .ok_or_else(|| {
                malformed("after '?' it has a parameter that is not name=value; write '=' in a value as %3D")
            })?;
        let (name, value) = (decoded(name)?, decoded(value)?);
        // As JDBC has it.
        pairs.push(match (name.as_str(), value.as_str()) {
            ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
            _ => (name, value),
        });
    }
    Ok(pairs)
}

/// The user's part, if there is one, and what follows it. libpq ends it at the first `@` that stands before any
/// `/`; a later one may stand in a name, or end a password with a `/` or `@` in it.
fn credentials(rest: &str) -> Result<(Option<&str>, &str), String> {
    let (user, place) = match rest.find(['@', '/']).map(|at| rest.split_at(at)) {
        Some((user, place)) if place.starts_with('@') => (Some(user), &place[1..]),
        _ => (None, rest),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err(format!("the server URL {PASSWORD}"));
    }
    match place.rfind('@') {
        Some(at) if place[..at].contains(':') => Err(
            "the server URL has a ':' and an '@' behind it: if what stands between them is a password, put it in PGPASSWORD or ~/.pgpass; an '@' that is part of a name is written %40, a ':' %3A"
                .to_owned(),
        ),
        _ => Ok((user, place)),
    }
}

/// `host:port`, `[address]:port`; what is missing is empty.
fn host_and_port(place: &str) -> Result<(&str, &str), String> {
    if let Some(bracketed) = place.strip_prefix('[') {
        let (host, after) = bracketed
            .split_once(']')
            .filter(|(host, _)| !host.is_empty())
            .ok_or_else(|| malformed("an address in [] is empty or does not end"))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, port)),
            None if after.is_empty() => Ok((host, "")),
            None => Err(malformed("behind ']' there is no ':port'")),
        };
    }
    let (host, port) = place.split_once(':').unwrap_or((place, ""));
    if host.contains('@') {
        return Err(malformed(
            "its host contains '@': an '@' in a user's name is written %40",
        ));
    }
    Ok((host, port))
}

/// A text with its `%xx` replaced.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next().unwrap_or_default().as_bytes());
    for piece in pieces {
        let digits = piece
            .get(..2)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
        match byte {
            None => {
                return Err(malformed(
                    "a '%' is not followed by two hexadecimal digits: '%' itself is written %25",
                ));
            }
            Some(0) => return Err(malformed("it contains %00")),
            Some(byte) => bytes.push(byte),
        }
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| malformed("what %xx stands for is not UTF-8"))
}

/// A text with everything encoded that could end it.
pub(super) fn encoded(text: &str, kept: &[u8]) -> String {
    let one = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) || kept.contains(&b) => {
            char::from(b).to_string()
        }
        b => format!("%{b:02X}"),
    };
    text.bytes().map(one).collect()
}

fn of_pairs(text: &str) -> Result<Pairs, String> {
    // isspace() of the C locale.
    let is_space = |c: char| c.is_ascii_whitespace() || c == '\x0b';
    let mut pairs = Pairs::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        let unassigned = || {
            format!("{ORIGIN} has a keyword without '=': a value with blanks in it is put in ''")
        };
        let end = rest.find(|c| c == '=' || is_space(c));
        let (name, after) = rest.split_at(end.ok_or_else(unassigned)?);
        let after = after.trim_start_matches(is_space);
        let after = after.strip_prefix('=').ok_or_else(unassigned)?;
        let mut characters = after.trim_start_matches(is_space).chars();
        let quoted = characters.as_str().starts_with('\'');
        if quoted {
            characters.next();
        }
        let mut value = String::new();
        let mut ended = !quoted;
        while let Some(c) = characters.next() {
            match c {
                '\\' => value.extend(characters.next()),
                '\'' if quoted => {
                    ended = true;
                    break;
                }
                c if !quoted && is_space(c) => break,
                c => value.push(c),
            }
        }
        if !ended {
            return Err(format!("{ORIGIN} has a value in '' that does not end"));
        }
        pairs.push((name.to_owned(), value));
        rest = characters.as_str().trim_start_matches(is_space);
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str) -> String {
        let pairs = pairs(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let pairs: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        pairs.join(" ")
    }

    /// Expected from PostgreSQL's own test (15: src/interfaces/libpq/t/001_uri.pl), as far as it has no password.
    #[test]
    fn urls_are_split_as_by_libpq() {
        for (url, expected) in [
            (
                "postgresql://uri-user@host:12345/db",
                "user=uri-user host=host port=12345 dbname=db",
            ),
            ("postgresql://uri-user@host/", "user=uri-user host=host"),
            ("postgresql://uri-user@", "user=uri-user"),
            ("postgresql://host:12345/", "host=host port=12345"),
            ("postgresql://host/db", "host=host dbname=db"),
            ("postgresql://", ""),
            ("postgresql:///db", "dbname=db"),
            ("postgresql://?host=host", "host=host"),
            ("postgresql://%68ost/", "host=host"),
            ("postgresql://host?user=uri-user", "host=host user=uri-user"),
            (
                "postgresql://[::1]:12345/db",
                "host=::1 port=12345 dbname=db",
            ),
            ("postgresql://[2001:db8::1234]", "host=2001:db8::1234"),
            (
                "postgres:///?host=/path/to/socket/dir",
                "host=/path/to/socket/dir",
            ),
            (
                "postgres://%2Fvar%2Flib/dbname",
                "host=/var/lib dbname=dbname",
            ),
            (
                "postgres://a:1,b,[::2]:3/x",
                "host=a,b,::2 port=1,,3 dbname=x",
            ),
            ("postgres://host?ssl=true", "host=host sslmode=require"),
            ("postgres://me@h/a@b", "user=me host=h dbname=a@b"),
            ("postgres://me@h/a%40b", "user=me host=h dbname=a@b"),
            (
                "postgres://h?options=-c%20geqo%3Doff",
                "host=h options=-c geqo=off",
            ),
        ] {
            assert_eq!(split(url), expected, "{url}");
        }
        for wrong in [
            "postgres://[::1/db",
            "postgres://[]/db",
            "postgres://[::1]z/db",
            "postgres://h/%",
            "postgres://h/%1",
            "postgres://h/a%zz",
            "postgres://h/%+1",
            "postgres://h/%00",
            "postgres://h/%ff",
            "postgres://h/d?zzz",
            "postgres://h/d?a=b=c",
            "postgres://h/a b",
            "postgres://a@b@h/x",
            "postgres://me@h:5432/a@b",
            "mysql://h/x",
            "h/x?a=b",
        ] {
            let error = pairs(wrong).unwrap_err();
            assert!(
                !error.contains('\n') && error.len() > 20,
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn pairs_are_split_as_by_libpq() {
        for (text, expected) in [
            ("host=h  port = 5433\tuser=me", "host=h port=5433 user=me"),
            (
                "dbname='a b' options='-c geqo=off'",
                "dbname=a b options=-c geqo=off",
            ),
            (
                r"user=a\ b dbname='it\'s' host=\\",
                r"user=a b dbname=it's host=\",
            ),
            ("host='' port=1", "host= port=1"),
            // As libpq: blanks after '=' are passed over.
            ("host= port=1", "host=port=1"),
            ("host=", "host="),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
        for wrong in [
            "host=h user",
            "user me=h",
            "dbname='open",
            "dbname='open\\'",
        ] {
            assert!(pairs(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}", name in "[a-z_]{1,8}") {
            let _ = pairs(&text);
            let _ = pairs(&format!("postgres://{text}"));
            let _ = pairs(&format!("{name}={text}"));
        }

        #[test]
        fn what_is_encoded_is_read_back(text in "[^\0]{1,40}") {
            let read = pairs(&format!("postgres://h/{}", encoded(&text, b""))).unwrap();
            prop_assert_eq!(&read[1], &("dbname".to_owned(), text));
        }

        /// Where both can read a text, tokio-postgres reads the same from it.
        #[test]
        fn tokio_postgres_reads_the_same(
            user in "[a-z%@:/?& ']{1,10}",
            dbname in "[a-z%@:/?& '\\\\]{1,10}",
            host in "[a-z.]{1,10}",
            port in 1u16..,
        ) {
            let quoted = |text: &str| text.replace('\\', r"\\").replace('\'', r"\'");
            let as_url = format!("postgres://{}@{host}:{port}/{}", encoded(&user, b""), encoded(&dbname, b""));
            let as_pairs = format!("user='{}' host={host} port={port} dbname='{}'", quoted(&user), quoted(&dbname));
            for text in [as_url, as_pairs] {
                let theirs: tokio_postgres::Config = text.parse().unwrap();
                let mut ours = pairs(&text).unwrap();
                ours.sort();
                prop_assert_eq!(&ours[0].1, theirs.get_dbname().unwrap());
                prop_assert_eq!(&ours[1].1, &host);
                prop_assert_eq!(&ours[2].1, &port.to_string());
                prop_assert_eq!(&ours[3].1, theirs.get_user().unwrap());
                prop_assert_eq!(theirs.get_ports(), &[port]);
            }
        }
    }
}
