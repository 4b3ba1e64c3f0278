//! `unpooled`, `premapped`, `premapped-few` and `pgbouncer`: connect, transaction, disconnect, each time.

use super::client::{Operations, Phases, StatementTexts};
use crate::config::Disconnect;
use crate::record::{ErrorClass, Operation, Phase};
use crate::server::frontend::{Frontend, now};
use crate::server::target::Target;

/// A client without a connection of its own.
pub(in crate::server) struct Unpooled {
    pub(super) target: Target,
    pub(super) disconnect: Disconnect,
    pub(super) texts: StatementTexts,
}

impl Operations for Unpooled {
    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass> {
        use Operation::{Connect, Query};
        let began = now();
        let socket = self.target.open_socket().await?;
        let socket_open = now();
        let socket = self.target.encrypt(socket).await?;
        let tls_ns = now() - socket_open;
        let mut frontend = Frontend::new(socket);
        let startup = frontend.start_up(self.target.login()).await?;
        let connected = now();
        let outcome = self.texts.run_on(&mut frontend).await;
        let query_ended = now();
        // Also after a failed statement: the server is told, and waited for.
        let disconnect_ns = frontend.terminate(self.disconnect).await;
        outcome?;
        phases.add(Connect, Phase::Socket, socket_open - began);
        if self.target.is_encrypted() {
            phases.add(Connect, Phase::Tls, tls_ns);
        }
        phases.add(Connect, Phase::Startup, startup.total_ns);
        if let Some(asked) = startup.asked {
            phases.add(Connect, Phase::Challenge, asked.challenge_ns);
            phases.add(Connect, Phase::Exchange, asked.exchange_ns);
        }
        phases.add(Connect, Phase::Total, connected - began);
        phases.add(Query, Phase::Total, query_ended - connected);
        phases.add(Operation::Disconnect, Phase::Total, disconnect_ns?);
        Ok(())
    }
}
