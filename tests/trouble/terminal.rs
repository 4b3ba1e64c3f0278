//! A pseudo-terminal for the program under test, and what it shows.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::procbench_process::wait_for;

/// The terminal, and what was written to it so far.
pub struct Terminal {
    master: File,
    /// Kept open: it is read until the test ends.
    slave: OwnedFd,
    screen: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
}

impl Terminal {
    /// One of so many columns and rows.
    pub fn new(columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let mut both_ways = File::options();
        both_ways.read(true).write(true);
        let slave = both_ways.open(name.to_str().unwrap()).unwrap();
        let parser = vt100::Parser::new(rows, columns, 0);
        let screen = Arc::new(Mutex::new((parser, Vec::new())));
        let terminal = Terminal {
            master: File::from(master),
            slave: OwnedFd::from(slave),
            screen,
        };
        terminal.resize(columns, rows);
        let (mut reader, screen) = (
            terminal.master.try_clone().unwrap(),
            Arc::clone(&terminal.screen),
        );
        // Ends with the test's process.
        std::thread::spawn(move || {
            let mut bytes = [0u8; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                let mut screen = screen.lock().unwrap();
                screen.0.process(&bytes[..read]);
                screen.1.extend_from_slice(&bytes[..read]);
            }
        });
        terminal
    }

    /// Gives it another size. Who is not its session's is told by SIGWINCH.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.slave, size).unwrap();
        let mut screen = self.screen.lock().unwrap();
        screen.0.screen_mut().set_size(rows, columns);
    }

    /// For a program's stdin or stdout.
    pub fn stdio(&self) -> Stdio {
        Stdio::from(self.slave.try_clone().unwrap())
    }

    /// Presses keys.
    pub fn press(&self, keys: &str) {
        (&self.master).write_all(keys.as_bytes()).unwrap();
    }

    /// What it shows.
    pub fn shown(&self) -> String {
        self.screen.lock().unwrap().0.screen().contents()
    }

    /// Waits until it shows `text`.
    pub fn wait_until_it_shows(&self, text: &str) {
        wait_for(&format!("'{text}' on the screen"), || {
            self.shown().contains(text).then_some(())
        });
    }

    /// Waits until `text` has been written to it, wherever it stands by now.
    pub fn wait_until_written(&self, text: &str) {
        wait_for(&format!("'{text}' written"), || {
            let bytes = &self.screen.lock().unwrap().1;
            String::from_utf8_lossy(bytes).contains(text).then_some(())
        });
    }

    /// Whether a colour was ever asked for: SGR 30 to 37 and 90 to 97.
    pub fn was_coloured(&self) -> bool {
        let bytes = &self.screen.lock().unwrap().1;
        let text = String::from_utf8_lossy(bytes);
        let sequences = text.split("\x1b[").skip(1);
        sequences
            .filter_map(|s| s.split_once('m'))
            // Up to the m of an SGR sequence there are digits only.
            .filter(|(codes, _)| codes.bytes().all(|b| b.is_ascii_digit() || b == b';'))
            .flat_map(|(codes, _)| codes.split(';'))
            .any(|code| matches!(code.as_bytes(), [b'3' | b'9', b'0'..=b'8']))
    }

    /// It is as it was: lines, echo, the main screen, a cursor.
    pub fn assert_given_back(&self) {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
        // What was written last may still be on its way.
        wait_for("the main screen", || {
            let screen = self.screen.lock().unwrap();
            let screen = screen.0.screen();
            (!screen.alternate_screen() && !screen.hide_cursor()).then_some(())
        });
    }
}
