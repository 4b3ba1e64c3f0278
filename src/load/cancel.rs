//! Stopping early: Ctrl-C and the other requests to end set a flag that every long step looks at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A shared "stop now" flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    whole: Option<Arc<Cancel>>,
}

impl Cancel {
    /// A flag set by SIGINT, SIGTERM, SIGHUP and SIGQUIT. A second signal ends the
    /// process at once; what it leaves is swept by the next start.
    pub fn on_signals() -> std::io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let cancel = Cancel::default();
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal_hook::flag::register_conditional_shutdown(
                signal,
                128 + signal,
                Arc::clone(&cancel.flag),
            )?;
            signal_hook::flag::register(signal, Arc::clone(&cancel.flag))?;
        }
        Ok(cancel)
    }

    /// A flag for a part of the work: set together with this one, or alone.
    pub fn of_a_part(&self) -> Self {
        Self {
            flag: Arc::default(),
            whole: Some(Arc::new(self.clone())),
        }
    }

    /// Asks everybody to stop.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed) || self.whole.as_deref().is_some_and(Cancel::is_cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stops_alone_and_with_the_whole() {
        let whole = Cancel::default();
        let (one, other) = (whole.of_a_part(), whole.of_a_part());
        one.clone().cancel();
        let stopped = [&whole, &one, &other].map(Cancel::is_cancelled);
        assert_eq!(stopped, [false, true, false]);
        whole.cancel();
        assert!(other.is_cancelled());
    }
}
