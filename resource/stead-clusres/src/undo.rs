//! `stead undo`: takes away what monitors that died left on this machine.

use std::io::{self, Write};
use std::process::ExitCode;

use stead_sdk::Level;

use crate::{address, ocf, service};

/// At most so many lines are told: whoever reads them may do so at the end only.
const MOST_LINES: usize = 50;

/// So long may each of them be.
const LONGEST_LINE: usize = 500;

/// Removes addresses, stops services and agents of monitors that are gone, and looks that they are gone too. What is left
/// comes back, a line each. What belongs to a monitor that lives is not touched.
pub fn undo(log: impl Fn(Level, &str)) -> Vec<String> {
    // Clients find addresses: they go first.
    [address::sweep(&log), service::clean(&log), ocf::clean(None, &log)].concat()
}

/// Runs `stead undo`: what is done goes to standard error, what is left to standard output, a line each.
///
/// Exit status 0: nothing is left. 1: something is.
#[must_use]
pub fn undo_main() -> ExitCode {
    // A line that cannot be written, as on a full disk, is lost. What is to be taken away is taken away.
    let left = undo(|_, text| drop(writeln!(io::stderr(), "stead undo: {text}")));
    for line in left.iter().take(MOST_LINES) {
        let line: String =
            line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_LINE).collect();
        let _ = writeln!(io::stdout(), "{line}");
    }
    ExitCode::from(u8::from(!left.is_empty()))
}
