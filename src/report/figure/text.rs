//! The bundled font: widths of strings and line breaking.
//!
//! Widths come from the same shaper (usvg) and the same font that make the
//! PNG, so a label measured to fit does fit.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use itertools::Itertools;
use resvg::usvg;
use resvg::usvg::fontdb;

/// The font shipped with the crate; figures never use system fonts.
static DEJAVU_SANS: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans.ttf");

/// `font-family` of every text in a figure.
pub(super) const FONT_FAMILY: &str = "DejaVu Sans, sans-serif";

/// Size at which strings are measured; large, so that rounding does not show.
const MEASURED_AT: f64 = 100.0;

/// Width of a blank in the bundled font, in em (651 of 2048 units).
const BLANK: f64 = 651.0 / 2048.0;

/// Options for usvg with the bundled font and no other.
pub(super) fn usvg_options() -> usvg::Options<'static> {
    static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(DEJAVU_SANS.to_vec());
        // `sans-serif` resolves to the bundled font as well.
        fonts.set_sans_serif_family("DejaVu Sans");
        Arc::new(fonts)
    });
    usvg::Options {
        fontdb: Arc::clone(&FONTS),
        font_family: "DejaVu Sans".to_owned(),
        ..usvg::Options::default()
    }
}

/// Text made safe for SVG content and attributes.
pub(super) fn escape(text: &str) -> String {
    // Control characters are not XML; a label with one is drawn with a blank.
    text.replace(char::is_control, " ")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Width of `text` in pixels when set at `size` pixels.
pub(super) fn width(text: &str, size: f64) -> f64 {
    static WIDTHS: Mutex<BTreeMap<String, f64>> = Mutex::new(BTreeMap::new());
    // A panic elsewhere cannot leave a half-written width behind.
    let widths = || WIDTHS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = widths().get(text).copied();
    let width = known.unwrap_or_else(|| {
        // Shaped without the lock: other figures are drawn meanwhile.
        let shaped = shaped_width(text);
        widths().insert(text.to_owned(), shaped);
        shaped
    });
    width * size / MEASURED_AT
}

/// Width of the widest of `texts`.
pub(super) fn widest<T: AsRef<str>>(texts: impl Iterator<Item = T>, size: f64) -> f64 {
    let widths = texts.map(|text| width(text.as_ref(), size));
    widths.fold(0.0, f64::max)
}

fn shaped_width(text: &str) -> f64 {
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" height=\"10\">\
         <text xml:space=\"preserve\" font-family=\"{FONT_FAMILY}\" font-size=\"{MEASURED_AT}\">{}</text></svg>",
        escape(text)
    );
    let tree = usvg::Tree::from_str(&svg, &usvg_options()).ok();
    let node = tree
        .as_ref()
        .and_then(|tree| tree.root().children().first());
    let shaped = node.map(|node| f64::from(node.bounding_box().width()));
    // An empty or blank string has no node; estimate blanks by the em.
    shaped.unwrap_or_else(|| text.chars().count() as f64 * BLANK * MEASURED_AT)
}

/// Units that do not leave the number before them.
const UNITS: [&str; 10] = ["ns", "µs", "ms", "s", "%", "pp", "kB", "MB", "GB", "iter"];

/// Whether no line ends between two words: a number and its unit, or `no` and what there is none of.
fn belong_together(first: &str, second: &str) -> bool {
    let unit = second.trim_end_matches([',', ';', ':', '.', ')']);
    first == "no" || first.ends_with(|c: char| c.is_ascii_digit()) && UNITS.contains(&unit)
}

/// What stays on one line: words, and words that belong together.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    // Not `split_whitespace`: a no-break space holds words together, too.
    let words = text.split([' ', '\t', '\n']).filter(|w| !w.is_empty());
    let words = words.map(str::to_owned);
    words.coalesce(|first, second| match belong_together(&first, &second) {
        true => Ok(format!("{first} {second}")),
        false => Err((first, second)),
    })
}

/// `text` broken at blanks into lines no wider than `limit`; a single word
/// wider than that is broken between characters (paths, digests).
pub(super) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
    for word in words(text) {
        let wide = width(&word, size);
        let pieces: Vec<&str> = if wide > limit {
            word.split_inclusive(|_| true).collect()
        } else {
            vec![&word]
        };
        for (i, piece) in pieces.into_iter().enumerate() {
            // The first piece of a broken word begins a line.
            let (needed, between) = match i {
                0 => (wide, " "),
                _ => (width(piece, size), ""),
            };
            let blank = between.len() as f64 * BLANK * size;
            if !line.is_empty() && used + blank + needed > limit {
                lines.push(std::mem::take(&mut line));
            }
            if line.is_empty() {
                used = 0.0;
            } else {
                line += between;
                used += blank;
            }
            line += piece;
            used += width(piece, size);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// `text`, cut with an ellipsis when wider than `limit`.
pub(super) fn fit(text: &str, size: f64, limit: f64) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    let ends = text.char_indices().rev().map(|(end, _)| &text[..end]);
    let mut cut = ends.map(|kept| format!("{}…", kept.trim_end()));
    cut.find(|cut| width(cut, size) <= limit)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_come_from_the_bundled_font() {
        // hmtx of DejaVu Sans: 'm' is 1995 of 2048 units, 'i' 569.
        assert!(
            (width("m", 2048.0) - 1995.0).abs() < 3.0,
            "{}",
            width("m", 2048.0)
        );
        assert!((width("iiii", 2048.0) - 4.0 * 569.0).abs() < 6.0);
    }

    #[test]
    fn wrapped_lines_fit_and_keep_every_word() {
        let text = "server PostgreSQL 15.18 on x86_64 with a /very/long/path/without/any/blank/in/it/that/must/be/broken/somewhere end";
        let lines = wrap(text, 10.0, 150.0);
        assert!(lines.len() > 2);
        for line in &lines {
            assert!(width(line, 10.0) <= 152.0, "{line}");
        }
        let strip = |s: &str| s.split_whitespace().collect::<String>();
        assert_eq!(strip(&lines.concat()), strip(text));
    }

    #[test]
    fn numbers_are_not_torn_apart() {
        let lines = wrap(
            "aaaa bbbb 48\u{202f}014\u{a0}x",
            10.0,
            width("aaaa bbbb 48", 10.0) + 1.0,
        );
        assert_eq!(lines, ["aaaa bbbb", "48\u{202f}014\u{a0}x"]);
        let wrapped = |text: &str, first: &str| wrap(text, 10.0, width(first, 10.0) + 1.0);
        assert_eq!(
            wrapped("fork-only, over 237 µs", "fork-only, over 237"),
            ["fork-only, over", "237 µs"]
        );
        assert_eq!(
            wrapped("tcp, trust, TLS, no log", "tcp, trust, TLS, no"),
            ["tcp, trust, TLS,", "no log"]
        );
        // What fits is one line, with the blank it had.
        assert_eq!(
            wrap("over 95 %, no log", 10.0, 500.0),
            ["over 95 %, no log"]
        );
        assert_eq!(words("500 standing connections").count(), 3);
    }

    #[test]
    fn a_cut_label_fits_and_says_so() {
        let cut = fit("a label that is far too long for its column", 10.0, 80.0);
        assert!(cut.ends_with('…') && width(&cut, 10.0) <= 80.0);
        assert_eq!(fit("short", 10.0, 80.0), "short");
    }

    #[test]
    fn escaping_leaves_nothing_that_ends_a_tag() {
        assert_eq!(
            escape("a<b> & \"c\"\u{7}"),
            "a&lt;b&gt; &amp; &quot;c&quot; "
        );
    }
}
