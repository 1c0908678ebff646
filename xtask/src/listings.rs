//! Listings in the book: the block behind `<!-- listing PATH -->` is that file, filled in as `stead type new` does.

use std::fs;

/// The page, and the words that stand for the placeholders in its listings.
const PAGE: &str = "book/authors-guide.md";
const FILLED: &[(&str, &str)] = &[
    ("@TYPE@", "Print Queue"),
    ("@PREFIX@", "PrintQueue"),
    ("@FILE@", "print-queue"),
    ("@CRATE@", "print_queue"),
];

const BEGIN: &str = "<!-- listing ";

fn filled(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(crate::root().join(path)).map_err(|error| format!("{path}: {error}"))?;
    Ok(FILLED.iter().fold(text, |text, (placeholder, word)| text.replace(placeholder, word)))
}

/// The page with its listings as they should be.
fn wanted(page: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(path) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        let fence = lines.next().unwrap_or_default();
        if !fence.starts_with("```") {
            return Err(format!("{PAGE}: no block behind the listing of {path}"));
        }
        if !lines.by_ref().any(|line| line == "```") {
            return Err(format!("{PAGE}: the listing of {path} has no end"));
        }
        out.push_str(&format!("{fence}\n{}```\n", filled(path)?));
    }
    Ok(out)
}

/// Compares the listings with the files, or rewrites them.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn check(fix: bool) -> Result<Vec<String>, String> {
    let path = crate::root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(|error| format!("{PAGE}: {error}"))?;
    let wanted = wanted(&page)?;
    if page == wanted {
        return Ok(Vec::new());
    }
    if !fix {
        return Ok(vec![format!("{PAGE}: a listing is stale: run `cargo xtask tidy --fix`")]);
    }
    fs::write(&path, wanted).map_err(|error| format!("{PAGE}: {error}"))?;
    Ok(Vec::new())
}
