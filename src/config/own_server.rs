//! A server by URL is somebody's own: gentle defaults, and a hard cap on what it is offered.

use std::net::IpAddr;

use anyhow::{bail, ensure};

use super::{Config, ServerChoice, ServerConfig};
use crate::arm::{Arm, Connections};
use crate::conninfo::{Conninfo, EndpointHost};
use crate::factor::{ClientRate, OfferedRate};

/// Transactions per second offered where no rate is given.
pub const GENTLE_CLIENT_RATE: f64 = 20.0;
/// Statements per second of the one reader where no rate is given.
const GENTLE_READER_RATE: f64 = 50.0;
/// Clients where no number is given. At 20 transactions per second each is idle most of the time.
const GENTLE_CLIENTS: u32 = 2;
/// 50 statements per second for 9 s: p90 has 45 samples above it, p99 four. Only the former can be quoted.
const GENTLE_PERCENTILE: f64 = 90.0;

/// The hard cap for a server that is not on this machine: transactions and statements per second,
/// connections open at the same time.
const MOST_CLIENT_RATE: f64 = 100.0;
const MOST_READER_RATE: f64 = 500.0;
const MOST_CONNECTIONS: u32 = 50;

/// Makes `config` fit for somebody's server: four arms, few connections, low rates, none standing,
/// under a minute. What the user gives is laid over it.
pub fn gentle(config: &mut Config, quick: bool) {
    let (blocks, block_ms) = if quick { (12, 250) } else { (12, 750) };
    config.arms = vec![Arm::Quiet, Arm::KeptOpen, Arm::Unpooled, Arm::ForkOnly];
    config.readers = 1;
    config.reader_rate = OfferedRate::PerSecond(GENTLE_READER_RATE);
    config.clients = GENTLE_CLIENTS;
    config.pool_size = GENTLE_CLIENTS;
    config.client_rate = ClientRate::Given(OfferedRate::PerSecond(GENTLE_CLIENT_RATE));
    config.factors.standing = vec![0];
    config.blocks = blocks;
    // There are no fresh starts of a server that is not ours.
    config.starts = 1;
    config.duration_ns = u64::from(blocks) * block_ms * 1_000_000;
    config.warmup_ns = 100_000_000;
    config.quoted_percentile = GENTLE_PERCENTILE;
}

/// The number of `--their-rate`; [`Config::validate`] says whether it is a rate.
///
/// # Errors
/// One line with examples.
pub fn their_rate(text: &str) -> Result<f64, String> {
    let bad = || format!("'{text}' is no number of connections per second: write 5 or 0.5");
    text.parse().map_err(|_| bad())
}

/// Adds the arm of a pooler that was named, where nobody chose the arms. Says whether it did.
pub fn add_pooler(config: &mut Config) -> bool {
    let is_named = config
        .server
        .as_ref()
        .is_some_and(|s| s.pgbouncer.is_some());
    let adds = is_named && !config.arms_by_name && !config.arms.iter().any(|a| a.needs_pgbouncer());
    if adds {
        config.arms.push(Arm::Pgbouncer);
        config.arms.sort();
    }
    adds
}

/// Whether the names alone say that the server is on this machine: Unix sockets, loopback.
fn is_here(server: &Conninfo) -> bool {
    let is_loopback = |name: &str| name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let mut places = server.places().into_iter();
    places.all(|place| match (place.host, place.address) {
        (EndpointHost::Unix(_), _) => true,
        (_, Some(address)) => address.is_loopback(),
        (EndpointHost::Tcp(name), None) => name == "localhost" || is_loopback(&name),
    })
}

impl Config {
    /// Whether the server is somebody's own, given by URL.
    pub fn is_of_others(&self) -> bool {
        self.server.as_ref().is_some_and(ServerConfig::is_url)
    }

    /// Connections to the server that stay open throughout the run: the readers' and those of the arms
    /// that keep some. Arms that keep them in the same way have their own, but for PgBouncer's one pool.
    pub fn persistent_connections(&self, arms: &[Arm]) -> u32 {
        let of = |connections| {
            arms.iter()
                .filter(move |a| a.descriptor().connections == connections)
        };
        let pools = of(Connections::Pool).count() + of(Connections::PgBouncerPool).count().min(1);
        self.readers
            + of(Connections::Persistent).count() as u32 * self.clients
            + pools as u32 * self.pool_size
    }

    /// Connections that may be open at the same time. Those of `kept-open` stay open while others churn.
    pub fn most_connections(&self) -> u32 {
        let churns = |a: &&Arm| a.descriptor().connections == Connections::PerTransaction;
        let churning = if self.arms.iter().any(|a| churns(&a)) {
            self.clients
        } else {
            0
        };
        self.persistent_connections(&self.arms) + churning + self.largest_standing()
    }

    /// What the request exceeds of the hard cap on servers of other people, in one line; `None` if
    /// nothing, or if the cap was lifted.
    pub fn beyond_cap(&self) -> Option<String> {
        let server = self.server.as_ref()?;
        if !server.is_url() || server.own.no_cap {
            return None;
        }
        let above = |rate: OfferedRate, most: f64| rate.per_second().is_none_or(|r| r > most);
        // Shares and `auto` become the gentle rate there.
        let given = |rate: &ClientRate| match rate {
            ClientRate::Given(rate) => Some(*rate),
            ClientRate::Auto | ClientRate::Share(_) => None,
        };
        let mut rates = self.factors.client_rate.iter().chain([&self.client_rate]);
        let too_fast = rates.find_map(|r| given(r).filter(|r| above(*r, MOST_CLIENT_RATE)));
        let connections = self.most_connections();
        let what = if let Some(clients) = too_fast {
            format!("--client-rate {clients} is above the cap of {MOST_CLIENT_RATE}/s")
        } else if above(self.reader_rate, MOST_READER_RATE) {
            format!(
                "--reader-rate {} is above the cap of {MOST_READER_RATE}/s",
                self.reader_rate
            )
        } else if connections > MOST_CONNECTIONS {
            format!("{connections} connections are above the cap of {MOST_CONNECTIONS}")
        } else {
            return None;
        };
        Some(format!(
            "{what} for a server that is not on this machine: ask for less, or lift the cap with --no-cap if nobody else depends on it"
        ))
    }
}

/// Refuses what is beyond the cap, where the URL's host is not this machine by its very name. One that
/// is reached through a tunnel or proxy on loopback shows when it is looked at, before any load.
pub(super) fn check_cap(config: &Config, server: &ServerConfig) -> anyhow::Result<()> {
    if let Some(rate) = server.own.their_rate {
        ensure!(
            rate.is_finite() && rate >= 0.0,
            "--their-rate {rate} is no number of connections per second"
        );
    }
    match (&server.server, config.beyond_cap()) {
        (ServerChoice::Url(url), Some(beyond)) if !is_here(url) => bail!("{beyond}"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Mode;
    use crate::execute::estimate;
    use crate::experiment::{self, Scale};

    fn against(url: &str) -> Config {
        let mut config = experiment::find("churn-tail")
            .unwrap()
            .config(Mode::Server, Scale::Quick);
        gentle(&mut config, false);
        config.server.as_mut().unwrap().server = url.parse().unwrap();
        ServerConfig::take_as_is(&mut config.factors);
        config
    }

    const AWAY: [&str; 5] = [
        "postgres://me@db.example/app",
        "postgres://me@192.0.2.7:5433/app",
        "postgres://me@[2001:db8::1]/app",
        "postgres://me@localhost,db.example/app",
        "host=localhost hostaddr=192.0.2.7 user=me",
    ];

    #[test]
    fn the_defaults_are_gentle_valid_and_take_less_than_a_minute() {
        for quick in [false, true] {
            let mut config = against(AWAY[0]);
            gentle(&mut config, quick);
            config.validate().unwrap();
            assert!(config.blocks >= 12, "fewer rounds give no verdict");
            // One reader, two kept open, two that come and go.
            assert_eq!(config.most_connections(), 5);
            assert!(estimate(&config).as_secs() < 60, "{:?}", estimate(&config));
        }
    }

    #[test]
    fn a_pooler_that_was_named_takes_part_unless_somebody_chose_the_arms() {
        let mut config = against(AWAY[0]);
        assert!(!add_pooler(&mut config));
        config.server.as_mut().unwrap().pgbouncer = Some(AWAY[0].parse().unwrap());
        let chosen = Config {
            arms_by_name: true,
            ..config.clone()
        };
        assert!(!add_pooler(&mut chosen.clone()));
        assert!(add_pooler(&mut config) && !add_pooler(&mut config));
        assert!(config.arms.contains(&Arm::Pgbouncer) && config.arms.is_sorted());
        assert_eq!(config.most_connections(), 7);
        config.validate().unwrap();
    }

    #[test]
    fn more_than_the_cap_is_refused_away_from_here_unless_it_is_lifted() {
        type Change = fn(&mut Config);
        let changes: [(Change, &str); 6] = [
            (
                |c| c.client_rate = ClientRate::Given(OfferedRate::PerSecond(101.0)),
                "--client-rate 101",
            ),
            (
                |c| c.client_rate = ClientRate::Given(OfferedRate::Max),
                "--client-rate max",
            ),
            (
                |c| c.reader_rate = OfferedRate::PerSecond(501.0),
                "--reader-rate 501",
            ),
            (|c| c.factors.standing = vec![0, 46], "51 connections"),
            (|c| c.clients = 25, "51 connections"),
            (
                |c| (c.arms, c.clients) = (vec![Arm::Quiet, Arm::FailedLogin], 50),
                "51 connections",
            ),
        ];
        for (change, says) in changes {
            for url in AWAY {
                let mut config = against(url);
                change(&mut config);
                let refusal = config.validate().unwrap_err().to_string();
                assert!(refusal.starts_with(says), "{refusal}");
                assert!(refusal.contains("--no-cap") && !refusal.contains('\n'));
                config.server.as_mut().unwrap().own.no_cap = true;
                config.validate().unwrap();
            }
            for url in [
                "postgres://me@127.0.0.1:6432/app",
                "postgres://me@localhost/app",
                "postgres://me@[::1]/app",
                "postgres://me@/app?host=/run/postgresql",
            ] {
                let mut config = against(url);
                change(&mut config);
                config.validate().unwrap();
            }
        }
        let mut config = against(AWAY[0]);
        config.client_rate = ClientRate::Given(OfferedRate::PerSecond(100.0));
        config.reader_rate = OfferedRate::PerSecond(500.0);
        config.factors.standing = vec![45];
        config.validate().unwrap();
    }

    /// `failed-login` was forgotten here: which arms hold connections was known in two places.
    #[test]
    fn every_arm_that_connects_counts_for_the_cap() {
        for arm in Arm::all_in(Mode::Server) {
            let mut config = against(AWAY[0]);
            config.arms = vec![arm];
            config.readers = 1;
            config.clients = 60;
            config.pool_size = 60;
            let connects = !matches!(arm, Arm::Quiet | Arm::CpuBurn);
            assert_eq!(config.beyond_cap().is_some(), connects, "{arm}");
        }
    }

    #[test]
    fn only_arms_that_take_part_hold_connections() {
        let mut config = against(AWAY[0]);
        (config.readers, config.clients, config.pool_size) = (4, 20, 7);
        let mut held = |arms: &[Arm]| {
            config.arms = arms.to_vec();
            let kept = config.persistent_connections(arms);
            (kept, config.most_connections())
        };
        assert_eq!(held(&[Arm::Quiet, Arm::Unpooled, Arm::ForkOnly]), (4, 24));
        assert_eq!(held(&[Arm::KeptOpen, Arm::FailedLogin]), (24, 44));
        assert_eq!(held(&[Arm::Pool]), (11, 11));
        assert_eq!(held(&[Arm::Pgbouncer]), (11, 11));
        assert_eq!(held(&[Arm::Pgbouncer, Arm::PgbouncerKept]), (11, 11));
        assert_eq!(held(&[Arm::CpuBurn]), (4, 4));
        let kept = 4 + 3 * 20 + 7 + 7;
        assert_eq!(held(Arm::ALL), (kept, kept + 20));
    }

    #[test]
    fn what_was_not_asked_for_is_not_in_the_file() {
        let config = against(AWAY[0]);
        let json = serde_json::to_value(&config).unwrap();
        assert!(json["server"].get("own").is_none());
        assert_eq!(serde_json::from_value::<Config>(json).unwrap(), config);
        let mut asked = config;
        asked.server.as_mut().unwrap().own.their_rate = Some(-1.0);
        let refusal = asked.validate().unwrap_err().to_string();
        assert!(refusal.contains("--their-rate -1"), "{refusal}");
    }
}
