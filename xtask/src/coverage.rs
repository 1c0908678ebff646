//! `book/coverage.md`: which page of the documentation is implemented where, gathered from `Windows:` lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use crate::functions;

const HEAD: &str = "\
# Coverage

Which page of Windows' documentation is implemented or tested where. Gathered by `cargo xtask tidy --fix` from
the `Windows:` lines in the source; `cargo xtask tidy` fails when this page is stale.

| Page | Files |
|---|---|
";

/// Compares the page with the sources, or rewrites it.
///
/// # Errors
/// When the page cannot be read or written.
pub(crate) fn check(files: &BTreeMap<PathBuf, String>, fix: bool) -> Result<Vec<String>, String> {
    let mut pages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files.iter().filter(|(path, _)| !path.starts_with("xtask")) {
        for line in text.lines() {
            let Some((before, page)) = line.split_once("Windows: ") else { continue };
            if !before.trim_start().starts_with("//") {
                continue;
            }
            // Several pages may be named, separated by commas; a remark may follow in parentheses.
            let page = page.split(" (").next().unwrap_or(page);
            for page in page.split(", ") {
                let page = page.trim().trim_end_matches(['.', ',', ';']);
                if page.contains('/') && !page.contains(' ') {
                    pages.entry(page.to_owned()).or_default().insert(path.display().to_string());
                }
            }
        }
    }
    let mut page = HEAD.to_owned();
    for (name, paths) in &pages {
        let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        page.push_str(&format!("| {name} | {} |\n", paths.join(", ")));
    }
    let (functions, breaches) = functions::page(files)?;
    page.push_str(&functions);
    let path = crate::root().join("book/coverage.md");
    if fix {
        fs::write(&path, &page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let have = fs::read_to_string(&path).unwrap_or_default();
    let mut all = breaches;
    if have != page {
        all.push("book/coverage.md is stale: run `cargo xtask tidy --fix`".to_owned());
    }
    Ok(all)
}
