//! What a connection string does not say: the service's settings, the environment, libpq's defaults, the password.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::environment::{Environment, user_name};
use super::keywords::KEYWORDS;
use super::parameters::{Conninfo, Place, default_host, entries};
use super::password_file::{Password, look_up};
use super::{EndpointHost, service};
use crate::secret::Secret;

const DEFAULT_PORT: &str = "5432";

impl Conninfo {
    /// Lays what was not said under: the service's settings, the environment, libpq's defaults (fe-connect.c
    /// `conninfo_add_defaults`). Then host, port, user and database are known.
    ///
    /// # Errors
    /// One line on what makes no sense, without any value that could be a secret.
    pub fn with_environment(mut self, environment: &Environment) -> Result<Self, String> {
        if !self.0.contains_key("service")
            && let Some(name) = environment.text("PGSERVICE")?
        {
            self.0.insert("service", name.to_owned());
        }
        for (name, value, origin) in self.service_settings(environment)? {
            if !self.0.contains_key(name.as_str()) && name != "password" {
                self.set(&name, value, &origin)?;
            }
        }
        for keyword in KEYWORDS.iter().filter(|k| !k.variable.is_empty()) {
            if !self.0.contains_key(keyword.name)
                && let Some(value) = environment.text(keyword.variable)?
            {
                self.set(keyword.name, value.to_owned(), keyword.variable)?;
            }
        }
        if self.get("user").is_none() {
            let name =
                user_name().ok_or("there is no user in it, and who runs this has no name")?;
            self.0.insert("user", name);
        }
        let user = self.user().to_owned();
        if self.get("dbname").is_none() {
            self.0.insert("dbname", user);
        }
        self.check()?;
        let (hosts, addresses) = (entries(self.get("host")), entries(self.get("hostaddr")));
        let count = hosts.len().max(addresses.len());
        let at = |list: &[&str], i: usize| list.get(i).copied().unwrap_or_default().to_owned();
        let hosts: Vec<String> = (0..count)
            .map(|i| match (at(&hosts, i), at(&addresses, i)) {
                (host, address) if host.is_empty() && address.is_empty() => {
                    default_host().to_owned()
                }
                (host, _) => host,
            })
            .collect();
        let mut ports: Vec<&str> = entries(self.get("port"));
        ports.resize(count, ports[0]);
        let ports = ports
            .iter()
            .map(|port| if port.is_empty() { DEFAULT_PORT } else { port });
        let ports = ports.collect::<Vec<_>>().join(",");
        self.0.insert("port", ports);
        match hosts.iter().all(String::is_empty) {
            true => drop(self.0.remove("host")),
            false => drop(self.0.insert("host", hosts.join(","))),
        }
        Ok(self)
    }

    fn service_settings(&self, environment: &Environment) -> Result<service::Settings, String> {
        match self.get("service") {
            Some(name) => service::settings(name, self.get("servicefile"), environment),
            None => Ok(service::Settings::new()),
        }
    }

    /// The password for a place: of the service, `PGPASSWORD`, or the password file.
    pub fn password(&self, place: &Place, environment: &Environment) -> Password {
        let of_service = self.service_settings(environment).unwrap_or_default();
        let of_service = of_service.into_iter().find(|(name, ..)| name == "password");
        let of_service = of_service.map(|(_, value, _)| value.into_bytes());
        let of_variable = || {
            environment
                .raw("PGPASSWORD")
                .map(|value| value.as_bytes().to_vec())
        };
        if let Some(secret) = of_service.or_else(of_variable).filter(|s| !s.is_empty()) {
            return Password {
                secret: Some(Secret::new(secret)),
                ..Password::default()
            };
        }
        let given = self.get("passfile").map(PathBuf::from);
        let given = given.or_else(|| environment.raw("PGPASSFILE").map(PathBuf::from));
        let file = given.or_else(|| Some(environment.home()?.join(".pgpass")));
        let host = match &place.host {
            EndpointHost::Tcp(name) => name.clone(),
            EndpointHost::Unix(dir) => dir.to_string_lossy().into_owned(),
        };
        let port = place.port.to_string();
        let found = file.map(|file| look_up(&file, [&host, &port, self.dbname(), self.user()]));
        let mut found = found.unwrap_or_default();
        found
            .passed_over
            .insert(0, "PGPASSWORD is not set".to_owned());
        found
    }
}
