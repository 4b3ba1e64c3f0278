//! Lines to the user: results on stdout, everything else on stderr.

use std::io::Write;

/// Writes a line to stderr. A reader or terminal that has gone away is no error: `eprintln!` would panic,
/// and with it would go the run that was being measured.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints a result on stdout. A reader that has gone away (`| head`) is no error.
pub fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
