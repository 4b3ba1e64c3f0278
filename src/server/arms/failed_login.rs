//! `failed-login`: a login of a role that does not exist. The backend joins the ProcArray, loads almost
//! nothing, and leaves.
//!
//! `InitPostgres` (postinit.c, PostgreSQL 13 to 18) enters the ProcArray before it authenticates; the role is
//! looked up after that (miscinit.c `InitializeSessionUserId`) and refused with SQLSTATE 28000.

use super::client::{Operations, Phases};
use crate::record::{ErrorClass, Operation, Phase};
use crate::server::frontend::{Frontend, FrontendError, Startup, now};
use crate::server::provision::Endpoint;
use crate::server::target::Target;

/// A role that no server has.
const UNKNOWN_ROLE: &str = "procbench_unknown";

/// `ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION`: "role ... does not exist".
const REFUSED: &str = "28000";

/// A client with the unknown role.
pub(in crate::server) struct FailedLogin(Target);

impl FailedLogin {
    /// At this server.
    ///
    /// # Errors
    /// An address that cannot be resolved.
    pub(super) fn at(server: &Endpoint) -> Result<Self, FrontendError> {
        let target = Target::new(&Endpoint {
            user: UNKNOWN_ROLE.to_owned(),
            password: None,
            ..server.clone()
        });
        target.map(FailedLogin)
    }
}

/// Only the refusal of the role is a success. `login-succeeded` and `authentication-asked` (the server wants a
/// password before it looks the role up) are errors of this arm.
fn class_of(outcome: Result<Startup, FrontendError>) -> Result<(), ErrorClass> {
    match outcome {
        Err(FrontendError::Server(error)) if error.code == REFUSED => Ok(()),
        Err(FrontendError::PasswordMissing | FrontendError::Unsupported(_)) => {
            Err(ErrorClass::new("authentication-asked"))
        }
        Err(other) => Err(other.class()),
        Ok(_) => Err(ErrorClass::new("login-succeeded")),
    }
}

impl Operations for FailedLogin {
    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass> {
        let FailedLogin(target) = self;
        let began = now();
        let socket = target.open_socket().await?;
        let socket_open = now();
        let socket = target.encrypt(socket).await?;
        let encrypted = now();
        let mut frontend = Frontend::new(socket);
        class_of(frontend.start_up(target.login()).await)?;
        // The backend has left the ProcArray when the connection ends.
        frontend.wait_for_close().await;
        phases.add(Operation::Connect, Phase::Socket, socket_open - began);
        if target.is_encrypted() {
            phases.add(Operation::Connect, Phase::Tls, encrypted - socket_open);
        }
        phases.add(Operation::FailedLogin, Phase::Total, now() - encrypted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::frontend::ServerError;

    fn refusal(code: &str) -> Result<(), ErrorClass> {
        let body = format!("SFATAL\0VFATAL\0C{code}\0Mrole does not exist\0\0");
        let error = ServerError::parse(body.as_bytes());
        class_of(Err(FrontendError::Server(error)))
    }

    #[test]
    fn only_the_refusal_of_the_role_is_a_success() {
        assert_eq!(refusal("28000"), Ok(()));
        let class = |outcome: Result<(), ErrorClass>| outcome.unwrap_err().0;
        assert_eq!(class(refusal("53300")), "sqlstate-53300");
        assert_eq!(class(refusal("3D000")), "sqlstate-3D000");
        assert_eq!(class(refusal("")), "protocol");
        let startup = Startup {
            total_ns: 1,
            asked: None,
        };
        assert_eq!(class(class_of(Ok(startup))), "login-succeeded");
        for asked in [
            FrontendError::PasswordMissing,
            FrontendError::Unsupported("method 7".to_owned()),
        ] {
            assert_eq!(class(class_of(Err(asked))), "authentication-asked");
        }
    }
}
