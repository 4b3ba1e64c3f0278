//! Errors in words.

use std::error::Error;

/// An error with all its causes on one line: tokio-postgres keeps the server's words in the cause.
pub(crate) fn on_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text.replace('\n', " ")
}
