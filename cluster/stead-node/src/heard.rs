//! What was heard of the cluster database, for the log.

use stead_store::StoreError;

/// What was last heard of the cluster database, so that the log has a line for each change and not for each try.
#[derive(Debug, Default)]
pub(crate) struct Heard(Option<std::mem::Discriminant<StoreError>>);

impl Heard {
    /// It answered. True if it did not before.
    pub(crate) fn well(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// It did not. True if that is news, or another reason than before.
    pub(crate) fn badly(&mut self, error: &StoreError) -> bool {
        let kind = std::mem::discriminant(error);
        self.0.replace(kind) != Some(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_told_once() {
        let silent = || StoreError::Unavailable("it waits, again".to_owned());
        let refused = StoreError::Refused("who?".to_owned());
        let mut heard = Heard::default();
        assert!(!heard.well());
        assert!(heard.badly(&silent()) && !heard.badly(&silent()));
        assert!(heard.badly(&refused), "another reason is news");
        assert!(heard.well() && !heard.well());
        assert!(heard.badly(&refused));
    }
}
