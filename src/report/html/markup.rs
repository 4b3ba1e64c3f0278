//! Sentences as HTML.

use std::fmt::{Display, Formatter};

use askama::filters::{Html, HtmlSafe, escape};

use crate::report::format::unbroken;

/// A sentence as HTML: escaped, its `**bold**` and `` `code` `` words marked up, numbers and their units kept together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Markup(String);

impl HtmlSafe for Markup {}

impl Display for Markup {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn escaped(text: &str) -> impl Display {
    match escape(text, Html) {
        Ok(escaped) => escaped,
        Err(never) => match never {},
    }
}

impl Markup {
    pub(super) fn of(text: &str) -> Self {
        let mut html = String::new();
        let mut is_bold = false;
        let mut toggle = |html: &mut String| {
            *html += if is_bold { "</b>" } else { "<b>" };
            is_bold = !is_bold;
        };
        for (i, piece) in text.split('`').enumerate() {
            if i % 2 == 1 {
                html += &format!("<code>{}</code>", escaped(piece));
                continue;
            }
            for (j, words) in piece.split("**").enumerate() {
                if j > 0 {
                    toggle(&mut html);
                }
                html += &escaped(&unbroken(words)).to_string();
            }
        }
        if text.matches("**").count() % 2 == 1 {
            toggle(&mut html);
        }
        Markup(html)
    }

    /// Several.
    pub(super) fn all<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<Self> {
        let each = texts.into_iter();
        each.map(|text| Markup::of(text.as_ref())).collect()
    }
}

/// The words alone.
pub(super) fn plain(text: &str) -> String {
    text.replace("**", "").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_up_and_everything_else_is_escaped() {
        let html = |text| Markup::of(text).to_string();
        assert_eq!(
            html("**Bold: `a<b>`.** & \"so on\""),
            "<b>Bold: <code>a&#60;b&#62;</code>.</b> &#38; &#34;so on&#34;"
        );
        assert_eq!(html("1.2 % of 3 ms"), "1.2\u{a0}% of 3\u{a0}ms");
        assert_eq!(html("never **closed"), "never <b>closed</b>");
        assert_eq!(plain("**a** `b`"), "a b");
    }
}
