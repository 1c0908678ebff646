//! Exit codes: one enum, one cause each.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done,
    /// It was tried and failed.
    Failed,
    /// The arguments are wrong, which the argument parser could not know.
    Usage,
    /// The request was refused; nothing was changed.
    Refused,
    /// No node answers.
    NoNode,
    /// The configuration is wrong; nothing was changed.
    BadConfig,
    /// `--timeout` passed; the operation goes on.
    Timeout,
    /// Ctrl-C.
    Interrupted,
}

/// Shown in `stead --help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    tried, and failed
  2    wrong arguments
  3    refused; nothing was changed
  4    no node answers
  5    the configuration is wrong; nothing was changed
  6    --timeout passed; the operation goes on
  130  interrupted";

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::NoNode => 4,
            Exit::BadConfig => 5,
            Exit::Timeout => 6,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
