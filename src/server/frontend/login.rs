//! Who logs in.

use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::message::frontend as compose;

use crate::secret::Secret;

/// Who logs in: the startup message, composed once, and the password.
#[derive(Debug, Clone)]
pub struct Login {
    pub(super) startup_message: Arc<[u8]>,
    user: String,
    password: Option<Secret>,
}

impl Login {
    /// From a configuration's role, database, application name and password.
    ///
    /// # Errors
    /// A name with a zero byte.
    pub fn new(config: &tokio_postgres::Config) -> std::io::Result<Self> {
        let user = config.get_user().unwrap_or_default().to_owned();
        let mut parameters = vec![("client_encoding", "UTF8"), ("user", user.as_str())];
        parameters.extend(config.get_dbname().map(|name| ("database", name)));
        let application = config.get_application_name();
        parameters.extend(application.map(|name| ("application_name", name)));
        let mut message = BytesMut::new();
        compose::startup_message(parameters, &mut message)?;
        let password = config.get_password().map(String::from_utf8_lossy);
        Ok(Login {
            startup_message: message.as_ref().into(),
            password: password.map(|p| Secret::new(p.as_ref())),
            user,
        })
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn password(&self) -> Option<&[u8]> {
        self.password.as_ref().map(|p| p.expose().as_bytes())
    }
}
