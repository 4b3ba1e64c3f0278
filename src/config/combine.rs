//! Which combinations of a server's settings are levels: all that can exist, or each setting varied by itself.

use super::ServerConfig;
use crate::factor::{
    Combine, DEFAULT_PG_MAJOR, FIRST_WITH_ITERATIONS, FIRST_WITH_SETUP_DURATIONS, Factors,
    LogConnections, PgSource, Tls, Transport,
};

/// `scram_iterations` before it was a setting: SCRAM_SHA_256_DEFAULT_ITERATIONS (scram-common.h).
const ITERATIONS_BEFORE: u32 = 4096;

/// Takes out of a full cross what no server could have, and what `asked` does not ask for.
pub(super) fn kept(levels: Vec<Factors>, asked: &ServerConfig) -> Vec<Factors> {
    // A directory's version is not known here: asked for by itself, it is taken at its word.
    let unknown_logs = asked.log_connections == [LogConnections::SetupDurations];
    let mut kept: Vec<Factors> = levels
        .into_iter()
        .filter(|level| can_exist(level, unknown_logs))
        .filter_map(|level| with_the_versions_iterations(level, asked))
        .collect();
    if asked.combine == Combine::OneAtATime {
        let all = kept.clone();
        kept.retain(|level| {
            all.iter()
                .find(|base| same_surroundings(base, level))
                .is_none_or(|base| differing(base, level) <= 1)
        });
    }
    kept
}

fn is(name: &Option<String>, value: impl ToString) -> bool {
    name.as_deref() == Some(value.to_string().as_str())
}

fn can_exist(level: &Factors, unknown_logs: bool) -> bool {
    // PostgreSQL does not encrypt its Unix socket (be-secure.c, postmaster.c ProcessStartupPacket).
    let encrypted_socket = is(&level.transport, Transport::Unix) && is(&level.tls, Tls::On);
    let logs_setup = is(&level.log_connections, LogConnections::SetupDurations);
    !encrypted_socket && (!logs_setup || knows_setup_durations(level.pg.as_deref(), unknown_logs))
}

/// Before `scram_iterations` the one number that there is needs no setting; others are left out, where
/// that one was asked for, too.
fn with_the_versions_iterations(mut level: Factors, asked: &ServerConfig) -> Option<Factors> {
    let major = match level.pg.as_deref().map(str::parse::<PgSource>) {
        Some(Ok(source)) => source.major(),
        Some(Err(_)) => None,
        None => Some(DEFAULT_PG_MAJOR),
    };
    let old = major.is_some_and(|m| m < FIRST_WITH_ITERATIONS);
    if !old || !asked.scram_iterations.contains(&ITERATIONS_BEFORE) {
        return Some(level);
    }
    let number = level.scram_iterations.take();
    (number.is_none() || is(&number, ITERATIONS_BEFORE)).then_some(level)
}

fn knows_setup_durations(pg: Option<&str>, unknown: bool) -> bool {
    match pg.map(str::parse::<PgSource>) {
        Some(Ok(PgSource::Bin(_))) => unknown,
        Some(Ok(source)) => source
            .major()
            .is_some_and(|m| m >= FIRST_WITH_SETUP_DURATIONS),
        // The default version is older.
        Some(Err(_)) | None => false,
    }
}

/// Whether they differ in nothing but how clients connect and what is logged about it.
fn same_surroundings(a: &Factors, b: &Factors) -> bool {
    let surroundings = |level: &Factors| Factors {
        transport: None,
        auth: None,
        scram_iterations: None,
        tls: None,
        log_connections: None,
        ..level.clone()
    };
    surroundings(a) == surroundings(b)
}

fn differing(base: &Factors, level: &Factors) -> usize {
    [
        base.transport != level.transport,
        (&base.auth, &base.scram_iterations) != (&level.auth, &level.scram_iterations),
        base.tls != level.tls,
        base.log_connections != level.log_connections,
    ]
    .into_iter()
    .filter(|differs| *differs)
    .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::config::Config;
    use crate::experiment::{self, Scale};
    use crate::factor::Auth;

    fn levels(change: impl FnOnce(&mut ServerConfig)) -> Vec<String> {
        let mut config: Config =
            (experiment::find("churn-tail").unwrap().config)(Mode::Server, Scale::Quick);
        config.standing = vec![0];
        let server = config.server.as_mut().unwrap();
        server.transports = vec![Transport::Tcp, Transport::Unix];
        server.auths = vec![Auth::Trust, Auth::Md5, Auth::Scram];
        server.scram_iterations = vec![4096, 1];
        server.tls = vec![Tls::Off, Tls::On];
        server.log_connections = vec![LogConnections::SetupDurations, LogConnections::Off];
        change(server);
        config.validate().unwrap();
        config
            .levels()
            .iter()
            .map(|l| {
                let scram = [&l.auth, &l.scram_iterations];
                [&l.pg, &l.transport]
                    .into_iter()
                    .chain(scram)
                    .chain([&l.tls, &l.log_connections])
                    .flatten()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    #[test]
    fn a_full_cross_leaves_out_what_no_server_has() {
        let all = levels(|_| {});
        // TCP with and without TLS, the socket without, three authentications each.
        assert_eq!(all.len(), 9);
        assert!(!all.iter().any(|l| l.contains("unix") && l.contains("on")));
        assert!(all.iter().all(|l| l.ends_with("off")), "{all:?}");
    }

    #[test]
    fn one_at_a_time_keeps_the_first_of_each_and_single_changes() {
        let found = levels(|s| {
            s.combine = Combine::OneAtATime;
            s.sources = vec![PgSource::Major(17), PgSource::Image("postgres:18".into())];
        });
        let expected = [
            "17 tcp trust off off",
            "17 tcp trust on off",
            "17 tcp md5 off off",
            "17 tcp scram 4096 off off",
            "17 tcp scram 1 off off",
            "17 unix trust off off",
            "image postgres:18 tcp trust off setup_durations",
            "image postgres:18 tcp trust off off",
            "image postgres:18 tcp trust on setup_durations",
            "image postgres:18 tcp md5 off setup_durations",
            "image postgres:18 tcp scram 4096 off setup_durations",
            "image postgres:18 tcp scram 1 off setup_durations",
            "image postgres:18 unix trust off setup_durations",
        ];
        assert_eq!(found, expected);
    }
}
