//! `cpu-burn`: the CPU of a connection in a connection's bursts, and no ProcArray. What `unpooled` says to the
//! server, it says to the helper, so that the child sleeps when a backend does.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::client::{Operations, Phases};
use crate::record::{ErrorClass, Operation, Phase};
use crate::server::burner::{Burn, DONE, NEXT};
use crate::server::frontend::{FrontendError, now};

/// A client of the helper. Its operations fail where what to burn is not known.
#[derive(Default)]
pub(in crate::server) struct CpuBurn {
    burn: Option<Burn>,
}

impl Operations for CpuBurn {
    async fn before_block(&mut self, burn: Option<&Burn>) -> Result<(), FrontendError> {
        self.burn = burn.cloned();
        Ok(())
    }

    async fn operation(&mut self, phases: &mut Phases) -> Result<(), ErrorClass> {
        let burn = self.burn.as_ref().ok_or_else(failed)?;
        let began = now();
        let mut stream = UnixStream::connect(burn.address()).await?;
        let socket_open = now();
        // As far as ReadyForQuery.
        burst(&mut stream, &burn.request()).await?;
        let connected = now();
        burst(&mut stream, &[NEXT]).await?;
        let query_ended = now();
        stream.write_all(&[NEXT]).await?;
        // To the child's exit, as a disconnect is waited for.
        while stream.read(&mut [0]).await? > 0 {}
        phases.add(Operation::Connect, Phase::Socket, socket_open - began);
        phases.add(Operation::Connect, Phase::Startup, connected - socket_open);
        phases.add(Operation::Connect, Phase::Total, connected - began);
        phases.add(Operation::Query, Phase::Total, query_ended - connected);
        phases.add(Operation::Disconnect, Phase::Total, now() - query_ended);
        Ok(())
    }
}

/// Asks for a burst that is not the last, and waits for its end.
async fn burst(stream: &mut UnixStream, request: &[u8]) -> Result<(), ErrorClass> {
    stream.write_all(request).await?;
    let answer = stream.read_u8().await;
    answer
        .is_ok_and(|a| a == DONE)
        .then_some(())
        .ok_or_else(failed)
}

fn failed() -> ErrorClass {
    ErrorClass::new("burn-failed")
}
