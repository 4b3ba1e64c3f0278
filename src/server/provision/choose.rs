//! Which of the places, addresses and ways of encryption that a connection string allows leads to a server, as
//! libpq goes through them (PostgreSQL 15: fe-connect.c `PQconnectPoll`). The answer holds for the whole run: a run
//! measures one server.

use std::net::IpAddr;

use super::encryption::Encryption;
use super::endpoint::Endpoint;
use super::error::ProvisionError;
use crate::causes::on_one_line;
use crate::config::Disconnect;
use crate::conninfo::{Conninfo, EndpointHost, Environment, Password, Place, SessionKind, SslMode};
use crate::server::frontend::{Frontend, FrontendError, SessionSettings};
use crate::server::patience::Patience;
use crate::server::target::{Target, event_loop};

/// `ERRCODE_CANNOT_CONNECT_NOW`: starting, stopping, recovering. Another place may serve.
const CANNOT_CONNECT_NOW: &str = "57P03";

/// A server that has answered a connection and a statement.
pub(super) struct Chosen {
    pub(super) endpoint: Endpoint,
    /// As the server names it.
    pub(super) version: String,
    /// What is to be said in any case.
    pub(super) warning: Option<String>,
}

/// The endpoint of somebody's server, found as psql would find it in this environment.
///
/// # Errors
/// Why there is none, in one line.
pub fn find_server(
    server: &Conninfo,
    environment: &Environment,
) -> Result<Endpoint, ProvisionError> {
    choose(server, environment, &Patience::default()).map(|chosen| chosen.endpoint)
}

/// Finds the server.
///
/// # Errors
/// As [`find_server`].
pub(super) fn choose(
    server: &Conninfo,
    environment: &Environment,
    patience: &Patience,
) -> Result<Chosen, ProvisionError> {
    let runtime = event_loop().map_err(ProvisionError::when("cannot start a runtime"))?;
    let search = Search {
        server,
        environment,
        patience,
    };
    let chosen = runtime.block_on(search.go());
    // A name lookup that was given up may still be under way.
    runtime.shutdown_background();
    chosen
}

struct Search<'a> {
    server: &'a Conninfo,
    environment: &'a Environment,
    patience: &'a Patience,
}

/// Why an attempt gave no server.
enum Miss {
    /// Nobody answers: another address may.
    Unreachable(String),
    /// Not one that is wanted: another place may be.
    Unwanted(String),
    /// Refused; by a server, perhaps for the way of encryption.
    Refused {
        reason: String,
        for_encryption: bool,
    },
}

impl Search<'_> {
    async fn go(&self) -> Result<Chosen, ProvisionError> {
        let mut misses: Vec<String> = Vec::new();
        let rounds: &[SessionKind] = match self.server.session_kind() {
            SessionKind::PreferStandby => &[SessionKind::Standby, SessionKind::Any],
            _ => &[self.server.session_kind()],
        };
        for kind in rounds {
            for place in self.server.places() {
                if let Some(chosen) = self.at(&place, *kind, &mut misses).await? {
                    return Ok(chosen);
                }
            }
        }
        misses.dedup();
        Err(ProvisionError::new(misses.join("; ")))
    }

    /// The server at one place, if it is one that is wanted.
    async fn at(
        &self,
        place: &Place,
        kind: SessionKind,
        misses: &mut Vec<String>,
    ) -> Result<Option<Chosen>, ProvisionError> {
        let password = self.server.password(place, self.environment);
        let (addresses, ways) = match &place.host {
            EndpointHost::Unix(_) => (vec![None], vec![None]),
            EndpointHost::Tcp(name) => {
                let found = match place.address {
                    Some(address) => Ok(vec![Some(address)]),
                    None => self.look_up(name).await,
                };
                match found {
                    Ok(addresses) => (addresses, Encryption::ways(self.server, self.environment)?),
                    Err(reason) => {
                        misses.push(reason);
                        return Ok(None);
                    }
                }
            }
        };
        for address in addresses {
            let mut refusals: Vec<String> = Vec::new();
            for (nth, way) in ways.iter().enumerate() {
                let endpoint = self.endpoint(place, address, &password, way.clone());
                let cannot = |reason: &str| format!("cannot connect to {endpoint}: {reason}");
                match self.attempt(&endpoint, kind, &password).await {
                    Ok((encrypted, version)) => {
                        let settled = |way: Encryption| Encryption {
                            if_offered: false,
                            ..way
                        };
                        return Ok(Some(Chosen {
                            endpoint: Endpoint {
                                tls: way.clone().filter(|_| encrypted).map(settled),
                                ..endpoint
                            },
                            version,
                            warning: password.warning,
                        }));
                    }
                    Err(Miss::Unreachable(reason)) => {
                        misses.push(cannot(&reason));
                        break;
                    }
                    Err(Miss::Unwanted(reason)) => {
                        misses.push(cannot(&reason));
                        return Ok(None);
                    }
                    Err(Miss::Refused {
                        reason,
                        for_encryption,
                    }) => {
                        refusals.push(reason);
                        if !for_encryption || nth + 1 == ways.len() {
                            refusals.dedup();
                            return Err(ProvisionError::new(cannot(
                                &refusals.join("; and in the other way, with TLS or in clear: "),
                            )));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    async fn look_up(&self, name: &str) -> Result<Vec<Option<IpAddr>>, String> {
        let looked = self
            .patience
            .wait("a name lookup", tokio::net::lookup_host((name, 0)))
            .await;
        let mut found: Vec<Option<IpAddr>> = match looked {
            Ok(Ok(addresses)) => addresses.map(|a| Some(a.ip())).collect(),
            Ok(Err(e)) => return Err(format!("cannot resolve the host {name}: {e}")),
            Err(e) => return Err(format!("cannot resolve the host {name}: {e}")),
        };
        found.dedup();
        Ok(found)
    }

    fn endpoint(
        &self,
        place: &Place,
        address: Option<IpAddr>,
        password: &Password,
        tls: Option<Encryption>,
    ) -> Endpoint {
        Endpoint {
            host: place.host.clone(),
            address,
            port: place.port,
            user: self.server.user().to_owned(),
            dbname: self.server.dbname().to_owned(),
            password: password.secret.clone(),
            tls,
            settings: SessionSettings {
                application_name: self.server.application_name().to_owned(),
                options: self.server.options().map(str::to_owned),
                channel_binding: self.server.channel_binding(),
            },
            keepalive: self.server.keepalive(),
            connect_timeout: Some(self.patience.limit),
        }
    }

    /// Connects and asks for the version. Says with it whether the connection is encrypted.
    async fn attempt(
        &self,
        endpoint: &Endpoint,
        kind: SessionKind,
        password: &Password,
    ) -> Result<(bool, String), Miss> {
        let refused = |reason: String| Miss::Refused {
            reason,
            for_encryption: false,
        };
        let target = Target::new(endpoint).map_err(|e| Miss::Refused {
            reason: e.to_string(),
            for_encryption: endpoint.tls.as_ref().is_some_and(|tls| tls.if_offered),
        })?;
        let connected = self
            .patience
            .wait("a connection", self.connect(&target))
            .await;
        let (encrypted, mut session) = match connected {
            Ok(Ok(connected)) => connected,
            Ok(Err((step, error))) => return Err(self.miss(endpoint, step, &error, password)),
            Err(_) if self.patience.cancel.is_cancelled() => {
                return Err(refused("interrupted".to_owned()));
            }
            Err(late) => return Err(Miss::Unreachable(late.to_string())),
        };
        // Not prepared: behind a pooler a statement may be gone before it is executed.
        let statements = async {
            let version = first_value(&mut session, "SHOW server_version").await?;
            let unwanted = match kind {
                SessionKind::Any | SessionKind::PreferStandby => None,
                SessionKind::ReadWrite | SessionKind::ReadOnly => {
                    let reads_only =
                        first_value(&mut session, "SHOW transaction_read_only").await? == "on";
                    let which = if reads_only {
                        "read-only"
                    } else {
                        "not read-only"
                    };
                    (reads_only != (kind == SessionKind::ReadOnly))
                        .then(|| format!("its sessions are {which}"))
                }
                SessionKind::Primary | SessionKind::Standby => {
                    let stands_by =
                        first_value(&mut session, "SELECT pg_catalog.pg_is_in_recovery()").await?
                            == "t";
                    let which = if stands_by { "a standby" } else { "no standby" };
                    (stands_by != (kind == SessionKind::Standby)).then(|| format!("it is {which}"))
                }
            };
            Ok::<_, FrontendError>((version, unwanted))
        };
        let answered = self
            .patience
            .wait("the answer to the first statement", statements)
            .await;
        let (version, unwanted) = match answered {
            Ok(answer) => {
                answer.map_err(|e| match endpoint.dbname.as_str() {
                    "pgbouncer" => refused("this is PgBouncer's own console: name a database that it serves instead of pgbouncer".to_owned()),
                    _ => refused(format!("connected, but: {}", on_one_line(&e))),
                })?
            }
            Err(e) => {
                return Err(refused(format!(
                    "connected, but {e}: is a pool full, or paused?"
                )));
            }
        };
        // What was asked for is there, whatever becomes of the connection.
        let _ = session.terminate(Disconnect::Close).await;
        match unwanted {
            Some(which) => Err(Miss::Unwanted(format!(
                "target_session_attrs={kind}, and {which}"
            ))),
            None => Ok((encrypted, version)),
        }
    }

    async fn connect(&self, target: &Target) -> Result<(bool, Frontend), (Step, FrontendError)> {
        let at = |step| move |error| (step, error);
        let socket = target.open_socket().await.map_err(at(Step::Socket))?;
        let socket = target.encrypt(socket).await.map_err(at(Step::Encryption))?;
        let encrypted = socket.is_encrypted();
        let mut session = Frontend::new(socket);
        let step = Step::Login { encrypted };
        session.start_up(target.login()).await.map_err(at(step))?;
        Ok((encrypted, session))
    }

    /// What a failed connection means, and its hint.
    fn miss(
        &self,
        endpoint: &Endpoint,
        step: Step,
        error: &FrontendError,
        password: &Password,
    ) -> Miss {
        let reason = on_one_line(error);
        let mode = self.server.ssl_mode();
        let if_offered = endpoint.tls.as_ref().is_some_and(|tls| tls.if_offered);
        let refused = |reason, for_encryption| Miss::Refused {
            reason,
            for_encryption,
        };
        match (step, error) {
            (Step::Socket, _) => Miss::Unreachable(reason),
            (Step::Encryption, _) => refused(reason, if_offered),
            (_, FrontendError::Server(e)) if e.code == CANNOT_CONNECT_NOW => Miss::Unwanted(reason),
            (Step::Login { encrypted }, FrontendError::Server(_)) => {
                let by_way = ["pg_hba.conf", "SSL required"]
                    .iter()
                    .any(|words| reason.contains(words));
                let hint = match &endpoint.tls {
                    Some(_) if by_way && !encrypted => " (in clear: the server offers no TLS)",
                    None if by_way && mode == SslMode::Disable => " (in clear: sslmode=disable)",
                    _ => "",
                };
                // Another way exists for `prefer` once it is encrypted, and for `allow` before it is.
                let other = if_offered && encrypted || mode == SslMode::Allow && !encrypted;
                refused(format!("{reason}{hint}"), other)
            }
            (_, FrontendError::PasswordMissing) => {
                let looked = password.passed_over.join("; ");
                refused(
                    format!("the server asks for a password, and none is there ({looked})"),
                    false,
                )
            }
            _ => refused(reason, false),
        }
    }
}

/// How far a connection came.
#[derive(Clone, Copy)]
enum Step {
    Socket,
    Encryption,
    Login { encrypted: bool },
}

async fn first_value(session: &mut Frontend, sql: &str) -> Result<String, FrontendError> {
    let rows = session.rows(sql).await?;
    let value = rows.into_iter().flatten().flatten().next();
    value.ok_or_else(|| FrontendError::Protocol(format!("{sql}: no row")))
}
