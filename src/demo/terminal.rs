//! The terminal: drawn while the demonstration goes on, and given back as it was.

use std::io;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use ratatui::crossterm::event::{self, Event as Happened};
use signal_hook::consts::SIGINT;

use super::event::{Command, Event};
use super::keys::{Pressed, pressed};
use super::scene::Scene;
use super::screen::draw;
use crate::load::Cancel;

/// How long a key is waited for before the screen is looked at again.
const PATIENCE: Duration = Duration::from_millis(100);

/// Gives the terminal back when it is dropped, after an error, too. After a panic ratatui's own hook does.
struct GivenBack;

impl Drop for GivenBack {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows a demonstration until nobody tells anything more. A key that ends it sets `part`; Ctrl-C raises SIGINT,
/// which `whole` was made to listen to.
///
/// # Errors
/// When the terminal cannot be drawn on or read any more.
pub fn show(
    place: &str,
    (events, commands): (&Receiver<Event>, &Sender<Command>),
    (part, whole): (&Cancel, &Cancel),
) -> io::Result<()> {
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut scene = Scene::new(place, colour);
    let mut terminal = ratatui::try_init()?;
    let _given_back = GivenBack;
    loop {
        scene.ending |= part.is_cancelled();
        loop {
            match events.try_recv() {
                Ok(event) => scene.take(event),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        terminal.draw(|frame| draw(frame, &scene))?;
        if event::poll(PATIENCE)?
            && let Happened::Key(key) = event::read()?
        {
            match pressed(key) {
                // Whoever listened may have ended; then there is no more to tell, either.
                Some(Pressed::Command(command)) => {
                    scene.note(command);
                    let _ = commands.send(command);
                }
                Some(Pressed::Help) => scene.help = !scene.help,
                Some(Pressed::Quit) => part.cancel(),
                Some(Pressed::Interrupt) => {
                    // The second one ends the process at once.
                    if whole.is_cancelled() {
                        ratatui::restore();
                    }
                    signal_hook::low_level::raise(SIGINT)?;
                }
                None => {}
            }
        }
    }
}
