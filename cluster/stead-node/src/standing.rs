//! What keeps a node from beginning, for who asks while nobody answers: a line in a file beside the socket.

use std::fs;
use std::path::Path;

use stead_api::STANDING;

/// Says it. That it cannot be said keeps nothing from being done; the log has it as well.
pub(crate) fn say(data: &Path, text: &str) {
    let beside = data.join(STANDING).with_extension("new");
    if fs::write(&beside, text).is_ok() {
        let _ = fs::rename(&beside, data.join(STANDING));
    }
}

/// The node answers for itself.
pub(crate) fn over(data: &Path) {
    let _ = fs::remove_file(data.join(STANDING));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_until_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        say(folder.path(), "it waits");
        say(folder.path(), "it cannot begin");
        assert_eq!(fs::read_to_string(folder.path().join(STANDING)).unwrap(), "it cannot begin");
        over(folder.path());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
