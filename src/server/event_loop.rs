//! An event loop of one thread.

use tokio::runtime::{Builder, Runtime};

/// A new one.
///
/// # Errors
/// When the system refuses.
pub fn event_loop() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
