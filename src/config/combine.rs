//! Which combinations of a server's settings are levels: all that can exist, or each setting varied by itself.

use crate::factor::{
    Auth, Combine, DEFAULT_PG_MAJOR, FIRST_WITH_ITERATIONS, FIRST_WITH_SETUP_DURATIONS, Factor,
    FactorLists, Factors, LogConnections, PgSource, ScramIterations, Tls, Transport,
};

/// `scram_iterations` before it was a setting: SCRAM_SHA_256_DEFAULT_ITERATIONS (scram-common.h).
const ITERATIONS_BEFORE: ScramIterations = ScramIterations(4096);

/// Takes out of a full cross what no server could have, and what is not asked for.
pub(super) fn keep(levels: &mut Vec<Factors>, asked: &FactorLists, combine: Combine) {
    // A directory's version is not known here: asked for by itself, it is taken at its word.
    let unknown_logs = asked.log_connections == [LogConnections::SetupDurations];
    levels.retain(|level| can_exist(level, unknown_logs));
    let crossed = std::mem::take(levels);
    levels.extend(
        crossed
            .into_iter()
            .filter_map(|l| with_the_versions_iterations(l, asked)),
    );
    let all = levels.clone();
    match combine {
        Combine::All => {}
        Combine::OneAtATime => levels.retain(|level| {
            all.iter()
                .find(|base| same_surroundings(base, level))
                .is_none_or(|base| differing(base, level) <= 1)
        }),
        Combine::Departures => levels.retain(|level| {
            let differs = |&f: &Factor| all[0].get(f) != level.get(f);
            Factor::all().filter(differs).count() <= 1
        }),
    }
}

fn can_exist(level: &Factors, unknown_logs: bool) -> bool {
    // PostgreSQL does not encrypt its Unix socket (be-secure.c, postmaster.c ProcessStartupPacket).
    let encrypted_socket = level.transport == Some(Transport::Unix) && level.tls == Some(Tls::On);
    let logs_setup = level.log_connections == Some(LogConnections::SetupDurations);
    !encrypted_socket && (!logs_setup || knows_setup_durations(level.pg.as_ref(), unknown_logs))
}

/// Iterations are those of SCRAM, one level for each; before 16 there is one number, which is no setting.
fn with_the_versions_iterations(mut level: Factors, asked: &FactorLists) -> Option<Factors> {
    let Some(number) = level.scram_iterations else {
        return Some(level);
    };
    if level.auth != Some(Auth::Scram) {
        level.scram_iterations = None;
        return (asked.scram_iterations.first() == Some(&number)).then_some(level);
    }
    let major = level
        .pg
        .as_ref()
        .map_or(Some(DEFAULT_PG_MAJOR), PgSource::major);
    let old = major.is_some_and(|m| m < FIRST_WITH_ITERATIONS);
    if !old || !asked.scram_iterations.contains(&ITERATIONS_BEFORE) {
        return Some(level);
    }
    level.scram_iterations = None;
    (number == ITERATIONS_BEFORE).then_some(level)
}

fn knows_setup_durations(pg: Option<&PgSource>, unknown: bool) -> bool {
    match pg {
        Some(PgSource::Bin(_)) => unknown,
        Some(source) => source
            .major()
            .is_some_and(|m| m >= FIRST_WITH_SETUP_DURATIONS),
        // The default version is older.
        None => false,
    }
}

/// The factors that are varied one at a time; the iterations go with their authentication.
const ONE_AT_A_TIME: [&[Factor]; 4] = [
    &[Factor::Transport],
    &[Factor::Auth, Factor::ScramIterations],
    &[Factor::Tls],
    &[Factor::LogConnections],
];

fn same_surroundings(a: &Factors, b: &Factors) -> bool {
    let varied = ONE_AT_A_TIME.concat();
    Factor::all().all(|f| varied.contains(&f) || a.get(f) == b.get(f))
}

fn differing(base: &Factors, level: &Factors) -> usize {
    let differs = |group: &&&[Factor]| group.iter().any(|&f| base.get(f) != level.get(f));
    ONE_AT_A_TIME.iter().filter(differs).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::config::Config;
    use crate::experiment::{self, Scale};
    use crate::factor::Auth;

    fn levels(change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config: Config = experiment::find("churn-tail")
            .unwrap()
            .config(Mode::Server, Scale::Quick);
        let lists = &mut config.factors;
        lists.standing = vec![0];
        lists.transport = vec![Transport::Tcp, Transport::Unix];
        lists.auth = vec![Auth::Trust, Auth::Md5, Auth::Scram];
        lists.scram_iterations = vec![ScramIterations(4096), ScramIterations(1)];
        lists.tls = vec![Tls::Off, Tls::On];
        lists.log_connections = vec![LogConnections::SetupDurations, LogConnections::Off];
        change(&mut config);
        config.validate().unwrap();
        let named = [Factor::Pg].into_iter().chain(ONE_AT_A_TIME.concat());
        let named: Vec<Factor> = named.collect();
        let words = |l: &Factors| named.iter().filter_map(|&f| l.get(f)).collect::<Vec<_>>();
        config.levels().iter().map(|l| words(l).join(" ")).collect()
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
    fn departures_differ_from_the_first_level_in_one_factor() {
        let found = levels(|c| {
            c.server.as_mut().unwrap().combine = Combine::Departures;
            c.factors.pg = vec![PgSource::Major(17), PgSource::Major(18)];
            c.factors.auth = vec![Auth::Trust];
            c.factors.scram_iterations.clear();
            c.factors.log_connections = vec![LogConnections::Off];
        });
        let expected = [
            "17 tcp trust off off",
            "17 tcp trust on off",
            "17 unix trust off off",
            "18 tcp trust off off",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn one_at_a_time_keeps_the_first_of_each_and_single_changes() {
        let found = levels(|c| {
            c.server.as_mut().unwrap().combine = Combine::OneAtATime;
            c.factors.pg = vec![PgSource::Major(17), PgSource::Image("postgres:18".into())];
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
