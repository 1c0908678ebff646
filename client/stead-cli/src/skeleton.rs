//! `stead type new`: the beginning of a resource type, complete enough to be verified at once.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::client::Trouble;
use crate::exit::Exit;
use crate::show;

/// Headers and SDK, by path.
mod files {
    include!(concat!(env!("OUT_DIR"), "/files.rs"));
}

const C: &[(&str, &str)] = &[
    ("@FILE@.c", include_str!("../templates/c/type.c")),
    ("Makefile", include_str!("../templates/c/Makefile")),
    ("cluster.toml", include_str!("../templates/c/cluster.toml")),
    ("README.md", include_str!("../templates/c/README.md")),
];

const RUST: &[(&str, &str)] = &[
    ("src/lib.rs", include_str!("../templates/rust/lib.rs")),
    ("Cargo.toml", include_str!("../templates/rust/Cargo.toml")),
    ("cluster.toml", include_str!("../templates/rust/cluster.toml")),
    ("README.md", include_str!("../templates/rust/README.md")),
    ("stead-sdk/Cargo.toml", include_str!("../templates/rust/sdk.toml")),
    ("stead-resapi/Cargo.toml", include_str!("../templates/rust/resapi.toml")),
];

/// The spellings of one name.
#[derive(Debug, PartialEq, Eq)]
struct Names {
    /// As it is registered: `Print Queue`.
    type_name: String,
    /// For identifiers: `PrintQueue`.
    prefix: String,
    /// For files: `print-queue`.
    file: String,
    /// For the library that Rust makes: `print_queue`.
    library: String,
}

impl Names {
    fn new(given: &str) -> Result<Self, String> {
        let given = given.trim();
        let words: Vec<&str> = given.split([' ', '-', '_']).filter(|word| !word.is_empty()).collect();
        let plain = words.iter().all(|word| word.chars().all(|c| c.is_ascii_alphanumeric()));
        let letter = given.starts_with(|c: char| c.is_ascii_alphabetic());
        if !plain || !letter || given.len() > 64 {
            return Err(format!(
                "{given:?} cannot be made into file names and identifiers: give 1 to 64 letters, digits, spaces, - and _, \
                 beginning with a letter"
            ));
        }
        let capital = |word: &&str| word[..1].to_ascii_uppercase() + &word[1..];
        let file = words.join("-").to_ascii_lowercase();
        Ok(Names {
            type_name: given.to_owned(),
            prefix: words.iter().map(capital).collect(),
            library: file.replace('-', "_"),
            file,
        })
    }

    fn fill(&self, text: &str) -> String {
        text.replace("@TYPE@", &self.type_name)
            .replace("@PREFIX@", &self.prefix)
            .replace("@FILE@", &self.file)
            .replace("@CRATE@", &self.library)
            .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
    }
}

/// Every file of the folder, by path.
fn contents(names: &Names, rust: bool) -> Vec<(String, String)> {
    let filled = |(path, text): &(&str, &str)| (names.fill(path), names.fill(text));
    let below = |folder: &'static str| {
        move |(path, text): &(&str, &str)| (format!("{folder}/{path}"), (*text).to_owned())
    };
    if rust {
        let own = RUST.iter().map(filled);
        own.chain(files::SDK.iter().map(below("stead-sdk")))
            .chain(files::RESAPI.iter().map(below("stead-resapi")))
            .collect()
    } else {
        C.iter().map(filled).chain(files::HEADERS.iter().map(below("include"))).collect()
    }
}

fn write(folder: &Path, files: &[(String, String)]) -> io::Result<()> {
    for (path, text) in files {
        let full = folder.join(path);
        if let Some(parent) = full.parent() {
            fs::create_dir_all(parent)?;
        }
        OpenOptions::new().write(true).create_new(true).open(&full)?.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Writes a new folder. One that exists must be empty.
pub(crate) fn new(given: &str, rust: bool, folder: Option<PathBuf>, json: bool) -> Result<Exit, Trouble> {
    let usage = |text: String| Trouble { exit: Exit::Usage, text };
    let names = Names::new(given).map_err(usage)?;
    let folder = folder.unwrap_or_else(|| PathBuf::from(&names.file));
    let shown = folder.display();
    let failed = |error: io::Error| Trouble { exit: Exit::Failed, text: format!("{shown}: {error}") };
    match fs::read_dir(&folder).map(|mut entries| entries.next().is_none()) {
        Ok(false) => {
            return Err(usage(format!("{shown} exists and is not empty; name another folder with --dir")));
        }
        Ok(true) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let files = contents(&names, rust);
    write(&folder, &files).map_err(failed)?;
    if json {
        let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        show::json(&serde_json::json!({ "type": names.type_name, "folder": folder, "files": paths }));
        return Ok(Exit::Done);
    }
    let build = if rust { "cargo test && cargo build --release" } else { "make" };
    let source = if rust { "src/lib.rs".to_owned() } else { format!("{}.c", names.file) };
    show::out(&format!(
        "{shown}: resource type \"{}\", {} files; your work goes into {source}\n\n  cd {shown}\n  {build}\n\nREADME.md tells how to \
         verify it and bring it online.",
        names.type_name,
        files.len(),
    ));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_spelling_for_every_place() {
        let names = Names::new("Print queue").unwrap();
        assert_eq!((names.prefix.as_str(), names.file.as_str()), ("PrintQueue", "print-queue"));
        assert_eq!(names.library, "print_queue");
        for bad in ["", " ", "7up", "a\"b", "käse", "a/b", "..", &"x".repeat(65)] {
            assert!(Names::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in_and_the_examples_are_short() {
        let names = Names::new("Print Queue").unwrap();
        for rust in [false, true] {
            for (path, text) in contents(&names, rust) {
                let placeholder = ["@TYPE@", "@PREFIX@", "@FILE@", "@CRATE@", "@VERSION@"];
                assert!(!placeholder.iter().any(|word| text.contains(word) || path.contains(word)), "{path}");
            }
        }
        for (what, text) in [("C", C[0].1), ("Rust", RUST[0].1)] {
            assert!(text.lines().count() < 100, "the {what} example has {} lines", text.lines().count());
        }
    }
}
