//! Puts the headers and the SDK into the executable, for `stead type new`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What goes in: the name of the list, and its folders relative to `resource/`.
const LISTS: &[(&str, &str, &[&str])] = &[
    ("HEADERS", "stead-resapi/include", &[""]),
    ("RESAPI", "stead-resapi", &["include", "shim", "src", "build.rs"]),
    ("SDK", "stead-sdk", &["src"]),
];

fn gather(folder: &Path, part: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let path = folder.join(part);
    println!("cargo::rerun-if-changed={}", path.display());
    if path.is_file() {
        into.push(part.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&path)? {
        gather(folder, &part.join(entry?.file_name()), into)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let resource = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../resource");
    let mut text = String::new();
    for (list, folder, parts) in LISTS {
        let folder = resource.join(folder);
        let mut files = Vec::new();
        for part in *parts {
            gather(&folder, Path::new(part), &mut files)?;
        }
        files.sort();
        writeln!(text, "pub(super) const {list}: &[(&str, &str)] = &[")?;
        for file in files {
            let full = folder.join(&file).canonicalize()?;
            writeln!(
                text,
                "    ({:?}, include_str!({:?})),",
                file.display().to_string(),
                full.display().to_string()
            )?;
        }
        writeln!(text, "];")?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("files.rs"), text)?;
    Ok(())
}
