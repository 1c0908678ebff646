//! Files that hold what is done and what came of it, played again and compared.

use std::path::Path;

/// Plays every file of a folder below `tests`; `UPDATE=1` writes them anew. There must be so many cases at least.
pub(crate) fn check(folder: &str, least: usize, play: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        cases += text.lines().filter(|line| line.starts_with("# Case")).count();
        let played = play(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &played).unwrap();
        } else {
            let first = text.lines().zip(played.lines()).find(|(known, now)| known != now);
            assert!(text == played, "{} differs (UPDATE=1 rewrites it): {first:?}", file.display());
        }
    }
    assert!(cases >= least, "only {cases} cases");
}
