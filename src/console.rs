//! One line to the user.

use std::io::Write;

/// Writes a line to stderr. A reader or terminal that has gone away is no error: `eprintln!` would panic,
/// and with it would go the run that was being measured.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
