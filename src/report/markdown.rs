//! Markdown whose prose has lines that can be read in an editor and in a diff.

use textwrap::{Options, WordSplitter};

use super::format::filled;

/// Characters of a line.
const COLUMNS: usize = 120;
/// How a line begins that stays whole: rows of a table, headings, pictures, commands.
const WHOLE: [&str; 4] = ["|", "#", "![", "    "];

/// A page with its prose wrapped.
pub fn wrapped(page: &str) -> String {
    let line = |line: &str| {
        if WHOLE.iter().any(|start| line.starts_with(start)) {
            return format!("{line}\n");
        }
        let options = Options::new(COLUMNS)
            .subsequent_indent(if line.starts_with("- ") { "  " } else { "" })
            .break_words(false)
            .word_splitter(WordSplitter::NoHyphenation);
        filled(line, options) + "\n"
    };
    page.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_wrapped_and_tables_headings_pictures_and_commands_are_not() {
        let long = "churn-tail ".repeat(20);
        let long = long.trim_end();
        let whole = [
            format!("# {long}"),
            format!("| {long} |"),
            format!("![{long}](a.png)"),
            format!("    procbench {long}"),
        ];
        let page = whole.join("\n\n") + "\n";
        assert_eq!(wrapped(&page), page);
        let page = format!("{long}\n\n- {long}\n- short\n");
        let text = wrapped(&page);
        assert!(text.lines().all(|l| l.chars().count() <= COLUMNS), "{text}");
        assert_eq!(text.lines().count(), 2 + 1 + 2 + 1, "{text}");
        assert!(text.contains("\n  churn-tail "), "{text}");
        // No word is broken, and what is wrapped stays as it is.
        assert_eq!(text.matches("churn-tail").count(), 40);
        assert_eq!(wrapped(&text), text);
    }
}
