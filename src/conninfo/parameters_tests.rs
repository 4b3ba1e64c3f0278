use proptest::prelude::*;

use super::*;
use crate::conninfo::Environment;
use crate::secret::Secret;

fn said(text: &str) -> Conninfo {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refused(text: &str) -> String {
    match text.parse::<Conninfo>() {
        Ok(said) => panic!("{text} was taken: {said}"),
        Err(error) => error,
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let home = [("HOME", "/nonexistent"), ("PGSYSCONFDIR", "/nonexistent")];
    variables.iter().copied().chain(home).collect()
}

fn laid_under(text: &str, variables: &[(&str, &str)]) -> Conninfo {
    said(text)
        .with_environment(&environment(variables))
        .unwrap()
}

fn tcp(host: &str, address: Option<&str>, port: u16) -> Place {
    Place {
        host: EndpointHost::Tcp(host.to_owned()),
        address: address.map(|a| a.parse().unwrap()),
        port,
    }
}

#[test]
fn both_forms_say_the_same() {
    let url = said("postgres://me@db.example:5433/app?sslmode=verify-full&options=-c%20jit%3Doff");
    let pairs = said(
        "host=db.example port=5433 user=me dbname=app sslmode=verify-full options='-c jit=off'",
    );
    assert_eq!(url, pairs);
    assert_eq!((url.user(), url.dbname()), ("me", "app"));
    assert_eq!(url.places(), [tcp("db.example", None, 5433)]);
    assert_eq!(
        (url.ssl_mode(), url.options()),
        (SslMode::VerifyFull, Some("-c jit=off"))
    );
    let socket = said("postgres:///app?host=/run/pg&port=5433");
    assert_eq!(
        socket.places()[0].host,
        EndpointHost::Unix("/run/pg".into())
    );
    assert_eq!(socket.places()[0].port, 5433);
}

#[test]
fn several_hosts_are_places_in_order() {
    let places = said("postgres://a:1,[::2],c:3/x").places();
    assert_eq!(
        places,
        [tcp("a", None, 1), tcp("::2", None, 5432), tcp("c", None, 3)]
    );
    let places = said("host=a,b hostaddr=10.0.0.1,::1 port=7").places();
    assert_eq!(
        places,
        [tcp("a", Some("10.0.0.1"), 7), tcp("b", Some("::1"), 7)]
    );
    let places = said("hostaddr=10.0.0.1").places();
    assert_eq!(places, [tcp("10.0.0.1", Some("10.0.0.1"), 5432)]);
    assert!(refused("host=a,b hostaddr=10.0.0.1").contains("as many of each"));
    assert!(refused("host=a,b,c port=1,2").contains("2 ports for 3 hosts"));
    assert!(refused("hostaddr=a.example").contains("numeric"));
}

#[test]
fn what_is_not_said_is_laid_under_as_by_libpq() {
    let bare = laid_under("postgres://", &[]);
    assert_eq!(bare.dbname(), bare.user());
    assert!(matches!(
        &bare.places()[..],
        [Place {
            host: EndpointHost::Unix(_),
            port: 5432,
            ..
        }]
    ));
    let variables = [
        ("PGHOST", "a,b"),
        ("PGPORT", "5433"),
        ("PGUSER", "me"),
        ("PGDATABASE", "app"),
        ("PGSSLMODE", "require"),
        ("PGAPPNAME", "mine"),
    ];
    let all = laid_under("postgres://", &variables);
    assert_eq!(all.places(), [tcp("a", None, 5433), tcp("b", None, 5433)]);
    assert_eq!(
        (all.user(), all.dbname(), all.application_name()),
        ("me", "app", "mine")
    );
    assert_eq!(all.ssl_mode(), SslMode::Require);
    let over = laid_under("postgres://you@h:1/?sslmode=disable", &variables);
    assert_eq!(
        (over.user(), over.dbname(), over.ssl_mode()),
        ("you", "app", SslMode::Disable)
    );
    assert_eq!(over.places(), [tcp("h", None, 1)]);
    // Said empty is said.
    let socket = laid_under("host= port=1", &variables);
    assert_eq!(socket.places(), [tcp("port=1", None, 5433)]);
    let socket = laid_under("port=1 host=''", &variables);
    assert!(matches!(socket.places()[0].host, EndpointHost::Unix(_)));
    // Again, nothing is left to be laid under.
    assert_eq!(
        all.clone()
            .with_environment(&environment(&[("PGHOST", "z")]))
            .unwrap(),
        all
    );
}

#[test]
fn a_service_stands_between_text_and_environment() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("services");
    std::fs::write(
        &file,
        "[s]\nhost=of-service\nport=7\npassword=hunter2\n[bad]\nhunter2=1\n[crl]\nsslcrl=x\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let variables = [
        ("PGSERVICEFILE", file),
        ("PGSERVICE", "s"),
        ("PGHOST", "of-environment"),
    ];
    let found = laid_under("port=8 user=me", &variables);
    assert_eq!(found.places(), [tcp("of-service", None, 8)]);
    // The password is there, and nowhere to be seen.
    assert!(!format!("{found} {found:?}").contains("hunter2"));
    let password = found.password(&found.places()[0], &environment(&variables));
    assert_eq!(password.secret, Some(Secret::new("hunter2")));
    for (service, says) in [
        ("bad", "line 6"),
        ("crl", "revoked"),
        ("none", "'none' is not defined"),
    ] {
        let asked = said(&format!("service={service} servicefile={file}"));
        let error = asked.with_environment(&environment(&[])).unwrap_err();
        assert!(error.contains(says) && !error.contains('\n'), "{error}");
    }
}

#[test]
fn a_secret_is_refused_and_not_repeated() {
    for text in [
        "postgres://me:hunter2@h/x",
        "postgres://me:hunt@er2@h/x",
        "postgres://me:hunter2/@h/x",
        "postgres://me:a b hunter2@h/x",
        "postgres://me@h:5432/x@hunter2",
        "postgres://me@h/x?password=hunter2",
        "postgres://me@h/x?sslmode=disable&password=hunter2",
        "postgres://me%3Ahunter2@h/x",
        "postgres://h/x?user=me:hunter2",
        "user=me:hunter2 host=h",
        "password=my hunter2=x host=h",
        "host=h sslpassword=hunter2",
        "host=h hunter2%=x",
        "host=h sslmode=hunter2",
        "host=h port=hunter2",
        "hunter2",
        "me:hunter2@h/x",
    ] {
        let error = refused(text);
        assert!(
            !error.contains("hunter2") && !error.contains('\n'),
            "{text}: {error}"
        );
    }
    for text in [
        "postgres://me:x@h/x",
        "postgres://h/?password=x",
        "host=h password=x",
    ] {
        let error = refused(text);
        assert!(
            error.contains("contains a password") && error.contains("PGPASSWORD"),
            "{text}: {error}"
        );
    }
    let ambiguous = refused("postgres://me@h:5432/a@b");
    assert!(
        ambiguous.contains("%40") && !ambiguous.contains("contains a password"),
        "{ambiguous}"
    );
    let colon = refused("postgres://me%3Ax@h/d");
    assert!(colon.contains("user's name contains a ':'"), "{colon}");
    let variable = said("postgres://").with_environment(&environment(&[("PGUSER", "me:hunter2")]));
    assert!(!variable.unwrap_err().contains("hunter2"));
}

#[test]
fn what_a_load_has_no_use_for_is_refused_by_its_name() {
    for (text, says) in [
        ("host=h sslcrl=f", "sslcrl"),
        ("host=h replication=database", "replication"),
        ("host=h gssencmode=require", "GSSAPI"),
        ("host=h requirepeer=postgres", "requirepeer"),
        ("host=h load_balance_hosts=random", "one server"),
        ("host=h client_encoding=latin1", "UTF-8"),
        ("host=h krbsrvname=x", "Kerberos"),
        ("host=h nonsense=x", "nonsense, which is no parameter"),
        ("host=h sslmode=on", "choose from disable, allow"),
        (
            "host=h sslmode=prefer sslnegotiation=direct",
            "sslnegotiation=direct needs",
        ),
        (
            "host=h sslmode=require sslrootcert=system",
            "sslrootcert=system needs",
        ),
        (
            "hostaddr=::1 sslmode=verify-full",
            "give host beside hostaddr",
        ),
        ("host=h port=0", "port 0"),
        ("host=h port=99999", "`port`"),
        ("host=h connect_timeout=soon", "`connect_timeout`"),
    ] {
        let error = refused(text);
        assert!(
            error.contains(says) && !error.contains('\n'),
            "{text}: {error}"
        );
    }
    let variable = said("postgres://").with_environment(&environment(&[("PGSSLCRL", "f")]));
    assert!(variable.unwrap_err().starts_with("PGSSLCRL sets sslcrl:"));
    // What changes nothing is taken.
    said(
        "host=h gssencmode=prefer sslcompression=0 load_balance_hosts=disable client_encoding=UTF8",
    );
}

#[test]
fn tls_is_said_as_to_libpq() {
    assert_eq!(said("host=h").ssl_mode(), SslMode::Prefer);
    assert_eq!(
        said("host=h sslrootcert=system").ssl_mode(),
        SslMode::VerifyFull
    );
    assert_eq!(said("postgres://h?ssl=true").ssl_mode(), SslMode::Require);
    let all = said(
        "host=h sslmode=require sslnegotiation=direct sslcert=c sslkey=k sslsni=0 channel_binding=require",
    );
    assert!(all.is_direct() && !all.names_host());
    assert_eq!(all.client_certificate(), Some([Some("c"), Some("k")]));
    assert_eq!(all.channel_binding(), ChannelBinding::Require);
    assert_eq!(
        said("host=h sslcertmode=disable sslcert=c").client_certificate(),
        None
    );
    assert_eq!(
        said("host=h ssl_min_protocol_version=TLSv1.3").tls_versions(),
        [false, true]
    );
    assert_eq!(
        said("host=h ssl_max_protocol_version=TLSv1.2").tls_versions(),
        [true, false]
    );
}

#[test]
fn keepalives_are_set_as_far_as_they_are_said() {
    assert_eq!(said("host=h").keepalive(), Keepalive::default());
    let all = said(
        "host=h keepalives_idle=5 keepalives_interval=6 keepalives_count=7 tcp_user_timeout=800",
    );
    let seconds = |s| Some(Duration::from_secs(s));
    let expected = Keepalive {
        idle: seconds(5),
        interval: seconds(6),
        count: Some(7),
        user_timeout: Some(Duration::from_millis(800)),
    };
    assert_eq!(all.keepalive(), expected);
    assert_eq!(
        said("host=h keepalives=0 keepalives_idle=5").keepalive(),
        Keepalive::default()
    );
    assert_eq!(
        said("host=h connect_timeout=3").connect_timeout(),
        seconds(3)
    );
    assert_eq!(said("host=h connect_timeout=0").connect_timeout(), None);
}

#[test]
fn what_is_printed_can_be_given_again() {
    for text in [
        "postgres://me@db.example:5433/x",
        "postgres://me@[2001:db8::1]:5432/x",
        "postgres://me@%2Frun%2Fmy%20own:5433/x",
        "postgres://me@/x?host=/run/postgresql",
        "postgres://me@h/x?sslmode=allow",
        "postgres://a,b:1,[::1]:2/x?target_session_attrs=read-write",
        "postgres://h?hostaddr=::1&options=-c%20a%3Db",
        "postgres://",
        r"host='' user='it\'s'",
        "user='a b' dbname='x@y/z:?&=%' host=/tmp,h",
    ] {
        let one = said(text);
        assert_eq!(said(&one.to_string()), one, "{text}: {one}");
        let all = laid_under(text, &[("PGUSER", "me")]);
        assert_eq!(said(&all.to_string()), all, "{text}: {all}");
    }
    let simple = laid_under("postgres://me@db.example", &[]);
    assert_eq!(simple.to_string(), "postgres://me@db.example:5432/me");
}

proptest! {
    #[test]
    fn any_names_survive_their_text(
        user in "[^\0:]{1,12}",
        dbname in "[^\0]{1,12}",
        hosts in prop::collection::vec("[a-z0-9.]{1,8}|/[a-z /%]{1,8}|[0-9a-f:]{3,9}", 1..4),
        options in "[^\0]{0,12}",
    ) {
        let quoted = |text: &str| text.replace('\\', r"\\").replace('\'', r"\'");
        let text = format!(
            "user='{}' dbname='{}' host='{}' options='{}'",
            quoted(&user), quoted(&dbname), hosts.join(","), quoted(&options)
        );
        let one: Conninfo = text.parse().unwrap();
        prop_assert_eq!(one.places().len(), hosts.len());
        prop_assert_eq!(one.to_string().parse::<Conninfo>().unwrap(), one.clone(), "{}", one);
        let all = one.with_environment(&environment(&[])).unwrap();
        prop_assert_eq!(all.to_string().parse::<Conninfo>().unwrap(), all);
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}", scheme in "(postgres://|host=|user='|)") {
        if let Ok(said) = format!("{scheme}{text}").parse::<Conninfo>() {
            let _ = said.places();
            let _ = said.keepalive();
            prop_assert_eq!(said.to_string().parse::<Conninfo>().unwrap(), said);
        }
    }
}
