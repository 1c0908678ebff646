//! Why something about membership did not happen.

use std::fmt;

use stead_store::StoreError;

/// What kept an operation from being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may not be; nothing was changed.
    Refused(String),
    /// `node.toml` or another file is wrong; nothing was changed.
    BadFile(String),
    /// It was tried and failed; what was begun was taken back.
    Failed(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused(text) | Trouble::BadFile(text) | Trouble::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse(_)
            | StoreError::Refused(_)
            | StoreError::Replaced(_)
            | StoreError::BadKey(_)
            | StoreError::TooLarge(_) => Trouble::Refused(error.to_string()),
            StoreError::NoSpace(_)
            | StoreError::Corrupt(_)
            | StoreError::Poisoned(_)
            | StoreError::Unavailable(_)
            | StoreError::Unknown(_)
            | StoreError::Io(_) => Trouble::Failed(error.to_string()),
        }
    }
}

pub(crate) fn refused(text: impl Into<String>) -> Trouble {
    Trouble::Refused(text.into())
}

pub(crate) fn failed(text: impl Into<String>) -> Trouble {
    Trouble::Failed(text.into())
}
