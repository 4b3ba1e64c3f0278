//! What the keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::event::Command;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    /// Something of the demonstration.
    Command(Command),
    /// The explanation of the keys.
    Help,
    /// The end.
    Quit,
    /// The end, as by a signal.
    Interrupt,
}

/// The keys, and what they do: in one line of eighty columns, and in words.
pub(super) const KEYS: [(&str, &str, &str); 8] = [
    (
        "n",
        "next",
        "the next step; on the last one: the end (also →, Enter)",
    ),
    ("b", "back", "the step before (also ←)"),
    ("space", "pause", "pause; again: go on"),
    (
        "+",
        "faster",
        "twice as many transactions per second; a stored run plays faster",
    ),
    ("-", "slower", "half as many; a stored run plays slower"),
    (
        ">",
        "more",
        "more standing connections: the server starts anew",
    ),
    (
        "<",
        "fewer",
        "fewer; steps 1 to 5 have one number of them, 6 and 7 another",
    ),
    (
        "q",
        "quit",
        "the end (also Esc), and a table: of a stored run always all of it",
    ),
];

/// What a key event asks for, if anything.
pub(super) fn pressed(key: KeyEvent) -> Option<Pressed> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let command = match key.code {
        KeyCode::Char('c') if control => return Some(Pressed::Interrupt),
        KeyCode::Char('n') | KeyCode::Right | KeyCode::Enter => Command::Next,
        KeyCode::Char('b') | KeyCode::Left => Command::Back,
        KeyCode::Char(' ' | 'p') => Command::Pause,
        KeyCode::Char('+' | '=') => Command::Faster,
        KeyCode::Char('-') => Command::Slower,
        KeyCode::Char('>' | '.') => Command::More,
        KeyCode::Char('<' | ',') => Command::Fewer,
        KeyCode::Char('?' | 'h') => return Some(Pressed::Help),
        KeyCode::Char('q') | KeyCode::Esc => return Some(Pressed::Quit),
        _ => return None,
    };
    Some(Pressed::Command(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_is_named_does_something() {
        let press = |code| pressed(KeyEvent::new(code, KeyModifiers::NONE));
        let mut done = Vec::new();
        for (key, _, _) in KEYS {
            let code = match key {
                "space" => KeyCode::Char(' '),
                one => KeyCode::Char(one.chars().next().unwrap()),
            };
            let what = press(code).unwrap();
            assert!(!done.contains(&what), "{key}");
            done.push(what);
        }
        assert_eq!(press(KeyCode::Char('?')), Some(Pressed::Help));
        assert_eq!(press(KeyCode::Char('x')), None);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(pressed(interrupt), Some(Pressed::Interrupt));
    }
}
