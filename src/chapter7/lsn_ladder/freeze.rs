//! The standby's receiver is stopped for a while: what the lag columns say then, beside the positions.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::record::Freeze;
use super::sampler::Sampler;
use super::session::INSERT;
use crate::chapter7::inserts::{Load, RunningLoad};
use crate::chapter7::level::Level;
use crate::chapter7::pair::{Pair, Stopped, at_level, connect, receiver};
use crate::load::Cancel;
use crate::server::FrontendError;

/// Before the stop, and after it.
const AROUND: Duration = Duration::from_millis(600);
/// From the stop to a commit that waits for the receiver.
const BEFORE_COMMIT: Duration = Duration::from_millis(300);

/// Stops it for `length` beside a load that does not wait for it.
///
/// # Errors
/// What a server says.
pub(super) async fn freeze(
    pair: &Pair,
    load: &Load,
    length: Duration,
) -> Result<Freeze, FrontendError> {
    let mut sampler = Sampler::connect(pair).await?;
    let mut client = connect(&pair.primary, Level::RemoteWrite).await?;
    client.execute(INSERT, Some("0")).await?;
    let pid = receiver(&pair.standby).await?;
    let load = RunningLoad::start(&[at_level(&pair.primary, Level::Local)], load)?;
    let watched = Cancel::default();
    let script = async {
        sleep(AROUND).await;
        let from_ns = load.now_ns();
        let stopped = Stopped::stop(&pair.standby, pid)?;
        let end = Instant::now() + length;
        sleep(BEFORE_COMMIT).await;
        let begun_ns = load.now_ns();
        let commit = client.execute(INSERT, Some("0"));
        let commit = async { commit.await.map(|()| load.now_ns()) };
        let go_on = async {
            sleep_until(end).await;
            let until_ns = load.now_ns();
            drop(stopped);
            until_ns
        };
        let (acknowledged_ns, until_ns) = tokio::join!(commit, go_on);
        sleep(AROUND).await;
        watched.cancel();
        Ok::<_, FrontendError>(Freeze {
            frozen_ns: (from_ns, until_ns),
            samples: Vec::new(),
            commit_ns: (begun_ns, acknowledged_ns?),
        })
    };
    let (frozen, samples) = tokio::try_join!(script, sampler.watch(&watched, || load.now_ns()))?;
    load.stop()?;
    Ok(Freeze { samples, ..frozen })
}
