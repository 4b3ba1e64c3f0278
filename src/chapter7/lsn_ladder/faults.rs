//! Making one thing slow, and everything fast again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::arms::Fault;
use super::session::INSERT;
use crate::chapter7::level::Level;
use crate::chapter7::pair::{Flow, Pair, connect, set_and_reload, superuser};
use crate::server::FrontendError;

/// How long a fault may take to be felt, or not to be felt any more.
const LIMIT: Duration = Duration::from_secs(15);

/// Makes this slow and nothing else, and waits until a commit feels it. Whether one did within the time is seen in
/// what is measured.
///
/// # Errors
/// What a server says.
pub(super) async fn set(pair: &Pair, fault: Fault) -> Result<(), FrontendError> {
    let of = |it: Fault| match fault == it {
        true => it.injected(),
        false => Duration::ZERO,
    };
    pair.proxy.delay(of(Fault::Network) / 2);
    for (server, delay) in [
        (&pair.primary, of(Fault::PrimaryDisk)),
        (&pair.standby, of(Fault::StandbyDisk)),
    ] {
        if let Some(page) = server.sync_delay() {
            page.set(delay)?;
        }
    }
    let mut standby = superuser(&pair.standby).await?;
    let apply = of(Fault::Apply).as_millis().to_string();
    set_and_reload(&mut standby, "recovery_min_apply_delay", &apply).await?;

    let level = fault.first_level().unwrap_or(Level::RemoteApply);
    let mut client = connect(&pair.primary, level).await?;
    let deadline = Instant::now() + LIMIT;
    let mut as_expected = 0;
    while as_expected < 3 && Instant::now() < deadline {
        let begun = Instant::now();
        client.execute(INSERT, Some("0")).await?;
        let taken = begun.elapsed();
        let is_felt = match fault {
            Fault::None => taken < Fault::Network.injected(),
            _ => taken >= fault.injected(),
        };
        as_expected = if is_felt { as_expected + 1 } else { 0 };
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Takes away all that holds something up, whatever was going on.
pub(super) fn clear(pair: &Pair) {
    pair.proxy.delay(Duration::ZERO);
    pair.proxy.set_both(Flow::Open);
    let pages = [&pair.primary, &pair.standby].map(|s| s.sync_delay());
    for page in pages.into_iter().flatten() {
        // The servers go next, and their pages with them.
        let _ = page.set(Duration::ZERO);
    }
}
