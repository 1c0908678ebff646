//! `stead top`: the status, refreshed.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyModifiers, poll, read};
use crossterm::{cursor, execute, terminal};
use stead_api::{Status, routes};
use tokio::runtime::Runtime;

use crate::client::{Client, Trouble};
use crate::exit::Exit;
use crate::show;

const REFRESH: Duration = Duration::from_millis(500);

/// Leaves the terminal as it was, however this ends.
struct Screen;

impl Screen {
    fn take() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)?;
        Ok(Screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

/// Runs until q, Esc or Ctrl-C.
pub(crate) fn run(runtime: &Runtime, client: &Client) -> Result<Exit, Trouble> {
    let wrong = |error: io::Error| Trouble { exit: Exit::Failed, text: format!("terminal: {error}") };
    if !io::stdout().is_terminal() {
        let text = "top needs a terminal; `stead status` prints once".to_owned();
        return Err(Trouble { exit: Exit::Usage, text });
    }
    // The first answer before the screen: an error is read where it was asked.
    let mut status = runtime.block_on(client.get::<Status>(routes::STATUS))?;
    let _screen = Screen::take().map_err(wrong)?;
    loop {
        draw(&status).map_err(wrong)?;
        if poll(REFRESH).map_err(wrong)?
            && let Input::Key(key) = read().map_err(wrong)?
        {
            let interrupted = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
            if interrupted || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                return Ok(Exit::Done);
            }
        }
        status = runtime.block_on(client.get::<Status>(routes::STATUS))?;
    }
}

fn draw(status: &Status) -> io::Result<()> {
    let (width, height) = terminal::size()?;
    let mut out = io::stdout().lock();
    execute!(out, cursor::MoveTo(0, 0))?;
    let text = show::status(status, Some(width));
    let height = usize::from(height);
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in lines.iter().take(height.saturating_sub(1)).enumerate() {
        execute!(out, cursor::MoveTo(0, u16::try_from(number).unwrap_or(0)))?;
        write!(out, "{line}")?;
        execute!(out, terminal::Clear(terminal::ClearType::UntilNewLine))?;
    }
    execute!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
    let hidden = lines.len().saturating_sub(height.saturating_sub(1));
    let foot =
        if hidden == 0 { "q ends".to_owned() } else { format!("q ends; {hidden} more lines do not fit") };
    execute!(out, cursor::MoveTo(0, u16::try_from(height.saturating_sub(1)).unwrap_or(0)))?;
    write!(out, "{foot}")?;
    execute!(out, terminal::Clear(terminal::ClearType::UntilNewLine))?;
    out.flush()
}
