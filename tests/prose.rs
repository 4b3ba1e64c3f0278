//! Words and lines: what people read is in plain English, in the field's terms.
//!
//! Looks at every Markdown file in the repository's top and in `docs/`, and at comments and string literals
//! under `src/`. What stands in backticks is code and is not looked at.

// clippy.toml's allow-unwrap-in-tests covers #[test] functions only, not their helpers.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Longest line of a Markdown file, in characters.
const LONGEST_LINE: usize = 120;

/// What is not said, and what is said instead. Whole words, in any case.
const BANNED: &[(&str, &str)] = &[
    // The field's terms.
    ("swapping test", "permutation test"),
    ("swap test", "permutation test"),
    ("swappings", "permutations"),
    ("latency", "response time, service time, wait or hold"),
    ("latencies", "response times, service times, waits or holds"),
    // One name for one thing.
    ("visit", "start"),
    ("visits", "starts"),
    // Words that say nothing, and private words.
    ("manager", "what it does"),
    ("utils", "what it does"),
    ("worktool", "what it is"),
    ("lent", "what it is"),
    ("seat", "slot, or the connections of an arm"),
    ("seats", "slots, or the connections of an arm"),
    // "per", not "a".
    ("connections a second", "connections per second"),
    ("transactions a second", "transactions per second"),
    ("statements a second", "statements per second"),
    ("snapshots a second", "snapshots per second"),
    ("times a second", "times per second"),
    ("ones a second", "ones per second"),
    ("once a connection", "once per connection"),
    ("once a row", "once per row"),
    ("a directory an experiment", "one directory per experiment"),
    ("one file an experiment", "one file per experiment"),
    ("one line a connection", "one line per connection"),
    ("one row a lock", "one row per lock"),
    ("one a level", "one per level"),
    ("thread a core", "thread per core"),
    ("spinner a core", "spinner per core"),
    ("ms an arm", "ms per arm"),
    ("ms a block", "ms per block"),
    ("ms a connection", "ms per connection"),
    ("blocks an arm", "blocks per arm"),
    ("time an arm", "time per arm"),
    ("connections a block", "connections per block"),
    ("snapshots a statement", "snapshots per statement"),
    ("CPU a connection", "CPU per connection"),
    ("CPU a transaction", "CPU per transaction"),
    // Inversions and riddles.
    ("nine of ten wake-ups", "the p90 wake-up delay"),
    ("be had", "available"),
    ("cannot be told", "unknown, or not distinguishable"),
    (
        "machine cannot tell",
        "its width is the resolution of this machine",
    ),
    ("told cell by cell", "reported cell by cell"),
    ("whatever was measured", "what was measured"),
];

/// A line of text that people read, and where it stands.
struct Line {
    number: usize,
    text: String,
}

/// Files below `dir` with this extension, in the order of their names.
fn files(dir: &Path, extension: &str, deep: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if deep {
                found.extend(files(&path, extension, deep));
            }
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files that people are pointed to.
fn documents() -> Vec<PathBuf> {
    let mut documents = files(root(), "md", false);
    documents.extend(files(&root().join("docs"), "md", true));
    documents.push(root().join("results/README.md"));
    documents
}

fn lines_of(text: &str) -> Vec<Line> {
    let numbered = text.lines().enumerate();
    numbered
        .map(|(at, line)| Line {
            number: at + 1,
            text: line.to_owned(),
        })
        .collect()
}

/// The comments and string literals of a Rust source, line by line.
fn prose_of(source: &str) -> Vec<Line> {
    let characters: Vec<char> = source.chars().collect();
    let starts_with = |at: usize, text: &str| {
        let mut rest = characters.iter().skip(at);
        text.chars().all(|c| rest.next() == Some(&c))
    };
    let mut prose = Vec::new();
    let mut number = 1;
    let mut at = 0;
    // Takes in characters from `from` to `to`, as lines that begin at line `number`.
    let mut take = |from: usize, to: usize, number: &mut usize| {
        let text: String = characters[from..to].iter().collect();
        for (i, line) in text.split('\n').enumerate() {
            *number += usize::from(i > 0);
            prose.push(Line {
                number: *number,
                text: line.trim_start_matches(['/', '!', ' ']).to_owned(),
            });
        }
    };
    let end_of = |from: usize, is_end: &dyn Fn(usize) -> bool| {
        (from..characters.len())
            .find(|&i| is_end(i))
            .unwrap_or(characters.len())
    };
    while at < characters.len() {
        if starts_with(at, "//") {
            let end = end_of(at, &|i| characters[i] == '\n');
            take(at, end, &mut number);
            at = end;
        } else if starts_with(at, "r\"") || starts_with(at, "r#\"") {
            let (from, close) = if characters[at + 1] == '#' {
                (at + 3, "\"#")
            } else {
                (at + 2, "\"")
            };
            let end = end_of(from, &|i| starts_with(i, close));
            take(from, end, &mut number);
            at = end + close.len();
        } else if characters[at] == '"' {
            let mut end = at + 1;
            while end < characters.len() && characters[end] != '"' {
                end += if characters[end] == '\\' { 2 } else { 1 };
            }
            take(at + 1, end.min(characters.len()), &mut number);
            at = end + 1;
        } else if starts_with(at, "'\\") {
            at = end_of(at + 3, &|i| characters[i] == '\'') + 1;
        } else if characters[at] == '\'' && characters.get(at + 2) == Some(&'\'') {
            at += 3;
        } else {
            number += usize::from(characters[at] == '\n');
            at += 1;
        }
    }
    prose
}

/// The text without what stands in backticks, in lower case.
fn plain(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let kept: Vec<&str> = parts
        .map(|(i, part)| if i % 2 == 0 { part } else { "_" })
        .collect();
    kept.concat().to_lowercase()
}

/// Where `phrase` stands in `text` as whole words.
fn position(text: &str, phrase: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let found = text.match_indices(phrase).find(|(at, _)| {
        let before = text[..*at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    });
    found.map(|(at, _)| at)
}

/// What of [`BANNED`] is said in `lines`: the line, what is said, and what to say. A phrase may go on in
/// the next line.
fn said(lines: &[Line]) -> Vec<(usize, &'static str, &'static str)> {
    let mut said = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let first = plain(&line.text);
        let mut both = first.clone();
        if let Some(next) = lines.get(i + 1).filter(|n| n.number == line.number + 1) {
            both.push(' ');
            both.push_str(&plain(&next.text));
        }
        for (phrase, instead) in BANNED {
            if position(&both, &phrase.to_lowercase()).is_some_and(|at| at < first.len()) {
                said.push((line.number, *phrase, *instead));
            }
        }
    }
    said
}

/// One line for each fault: file, line, what is wrong.
fn faults(file: &Path, lines: &[Line]) -> Vec<String> {
    let name = file.strip_prefix(root()).unwrap_or(file).display();
    let said = said(lines).into_iter();
    said.map(|(number, phrase, instead)| format!("{name}:{number}: \"{phrase}\": say {instead}"))
        .collect()
}

#[test]
fn lines_of_documents_are_short() {
    let mut long = Vec::new();
    for file in documents() {
        for line in lines_of(&fs::read_to_string(&file).unwrap()) {
            let length = line.text.chars().count();
            if length > LONGEST_LINE {
                long.push(format!("{}:{}: {length}", file.display(), line.number));
            }
        }
    }
    assert!(
        long.is_empty(),
        "longer than {LONGEST_LINE} characters:\n{}",
        long.join("\n")
    );
}

#[test]
fn documents_are_in_plain_words() {
    let mut found = Vec::new();
    for file in documents() {
        found.extend(faults(
            &file,
            &lines_of(&fs::read_to_string(&file).unwrap()),
        ));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn documents_name_files_that_exist() {
    let exists = |name: &str| root().join(name).exists() || root().join("src").join(name).exists();
    let mut missing = Vec::new();
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let is_path = !name.contains(char::is_whitespace)
                && (name.ends_with(".rs")
                    || ["src/", "tests/", "docker/", "proofs/"]
                        .iter()
                        .any(|dir| name.starts_with(dir)));
            // NAME stands for the reader's own.
            if is_path && !name.contains("NAME") && !exists(name) {
                missing.push(format!("{}: {name}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn the_arms_are_described_as_the_descriptors_do() {
    let methodology = fs::read_to_string(root().join("METHODOLOGY.md")).unwrap();
    let (_, table) = methodology
        .split_once("| arm | clients' transactions |\n|---|---|\n")
        .unwrap();
    let rows: Vec<&str> = table.lines().take_while(|l| !l.is_empty()).collect();
    let described: Vec<String> = procbench::arm::ARMS
        .iter()
        .map(|d| format!("| `{}` | {} |", d.arm, d.meaning))
        .collect();
    assert_eq!(rows, described);
}

#[test]
fn comments_and_messages_are_in_plain_words() {
    let mut found = Vec::new();
    for file in files(&root().join("src"), "rs", true) {
        found.extend(faults(
            &file,
            &prose_of(&fs::read_to_string(&file).unwrap()),
        ));
    }
    assert!(
        found.is_empty(),
        "{} places:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn what_is_said_is_found_where_it_stands() {
    let source = "\
//! One file an
//! experiment.
fn visit(seat: &'static str) -> char {
    // `visit` is code; visited is another word.
    let quote = '\"'; let other = '\\'';
    println!(\"the \\\" latency\");
    r#\"two lines,
    \"one\" visit\"#;
    quote // a visit
}
";
    let found: Vec<(usize, &str)> = said(&prose_of(source)).iter().map(|f| (f.0, f.1)).collect();
    assert_eq!(
        found,
        [
            (1, "one file an experiment"),
            (6, "latency"),
            (8, "visit"),
            (9, "visit"),
        ]
    );
}

/// The one page of every stored run.
fn stored_pages() -> Vec<(PathBuf, String)> {
    let pages = files(&root().join("results"), "md", true).into_iter();
    let pages = pages.filter(|p| p.ends_with("SUMMARY.md"));
    pages
        .map(|p| (p.clone(), fs::read_to_string(p).unwrap()))
        .collect()
}

/// Rows of tables, headings, pictures and commands are lines of their own.
#[test]
fn prose_of_stored_pages_has_short_lines() {
    let mut long = Vec::new();
    for (page, text) in stored_pages() {
        let is_prose = |l: &Line| {
            let whole = ["|", "#", "![", "    "];
            !whole.iter().any(|start| l.text.starts_with(start))
        };
        for line in lines_of(&text).into_iter().filter(is_prose) {
            let length = line.text.chars().count();
            if length > LONGEST_LINE {
                long.push(format!("{}:{}: {length}", page.display(), line.number));
            }
        }
    }
    assert!(
        long.is_empty(),
        "longer than {LONGEST_LINE} characters:\n{}",
        long.join("\n")
    );
}

/// What is read first is short: words of a document, lines of a run's one page.
#[test]
fn what_is_read_first_is_short() {
    for (document, most) in [("README.md", 900), ("METHODOLOGY.md", 5_000)] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let words = text.split_whitespace().count();
        assert!(words <= most, "{document}: {words} words");
    }
    let mut seen = 0;
    for (page, text) in stored_pages() {
        let lines = text.lines().count();
        assert!(lines <= 60, "{}: {lines} lines", page.display());
        seen += 1;
    }
    assert!(seen > 0);
}
