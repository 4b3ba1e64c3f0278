//! How long somebody's server is waited for before there is any load, and what ends the wait.

use std::time::Duration;

use super::frontend::FrontendError;
use crate::console::tell;
use crate::load::Cancel;

/// A wait that takes longer is announced.
const NOTICE: Duration = Duration::from_secs(1);

/// How often a wait looks for a stop request.
const LOOK_FOR_STOP: Duration = Duration::from_millis(50);

/// A limit on each wait, and the user's request to stop, which ends it at once.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    pub(super) limit: Duration,
    pub(super) cancel: Cancel,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            limit: Duration::from_secs(10),
            cancel: Cancel::default(),
        }
    }
}

impl Patience {
    /// Waits for `work`; `what` is what the server is to give.
    ///
    /// # Errors
    /// When it does not come in time, or the user does not want it any more.
    pub(super) async fn wait<T>(
        &self,
        what: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, FrontendError> {
        let (late, notice) = (tokio::time::sleep(self.limit), tokio::time::sleep(NOTICE));
        tokio::pin!(work, late, notice);
        let stop = stop_requested(&self.cancel);
        tokio::pin!(stop);
        let mut announced = self.limit <= NOTICE;
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = &mut stop => return Err(FrontendError::here("interrupted")),
                () = &mut late => return Err(FrontendError::late(what, self.limit)),
                () = &mut notice, if !announced => {
                    announced = true;
                    let seconds = self.limit.as_secs_f64();
                    tell(&format!(
                        "procbench: waiting for {what}, up to {seconds} s (--connect-timeout; Ctrl-C ends it)"
                    ));
                }
            }
        }
    }
}

/// Ends when the user asks to stop.
pub(crate) async fn stop_requested(cancel: &Cancel) {
    while !cancel.is_cancelled() {
        tokio::time::sleep(LOOK_FOR_STOP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::target::event_loop;

    fn ended(limit: Duration, cancelled: bool) -> String {
        let cancel = Cancel::default();
        if cancelled {
            cancel.cancel();
        }
        let patience = Patience { limit, cancel };
        let never = std::future::pending::<()>();
        let ended = event_loop()
            .unwrap()
            .block_on(patience.wait("a sign", never));
        ended.unwrap_err().to_string()
    }

    #[test]
    fn a_wait_ends_at_its_limit_or_by_request() {
        assert!(
            ended(Duration::from_millis(20), false)
                .starts_with("a sign did not come within 0.02 s")
        );
        assert_eq!(ended(Duration::from_secs(3600), true), "interrupted");
    }

    #[test]
    fn what_comes_in_time_is_given() {
        let patience = Patience {
            limit: Duration::from_secs(3600),
            cancel: Cancel::default(),
        };
        let given = event_loop()
            .unwrap()
            .block_on(patience.wait("a sign", async { 7 }));
        assert_eq!(given.unwrap(), 7);
    }
}
