//! `fork-only`: connect, send nothing, half-close, wait for EOF. The server forks; the child reads the end of
//! the connection before a startup message and exits.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Operations, Phases};
use crate::record::{ErrorClass, Operation, Phase};
use crate::server::frontend::now;
use crate::server::target::Target;

/// A client that never logs in, to this address.
pub(in crate::server) struct ForkOnly(pub(super) Target);

impl Operations for ForkOnly {
    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass> {
        let began = now();
        let mut socket = self.0.open_socket().await?;
        let socket_open = now();
        socket.shutdown().await?;
        let mut scratch = [0u8; 64];
        while socket.read(&mut scratch).await? > 0 {}
        phases.add(Operation::Connect, Phase::Socket, socket_open - began);
        phases.add(Operation::Disconnect, Phase::Total, now() - socket_open);
        Ok(())
    }
}
