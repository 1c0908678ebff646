//! The part of `book/coverage.md` about functions: each documented name of the two libraries, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

const HEAD: &str = "
# Functions

Every documented function of `clusapi.dll` and `resutils.dll`, by the list in `xtask/functions.txt`.

- **done**: exported, and does what its page says as far as its documentation here does not say otherwise;
- **refused**: exported so that resource DLLs link, and fails with its documented error, because it has no meaning here;
- **absent**: not there; a resource DLL that needs it is refused when it is loaded, by the function's name.

";

/// The lists of exported names, with the crate that exports them.
const EXPORTED: &[(&str, &str)] = &[
    ("clusapi", "resource/stead-clusapi/exported-symbols.txt"),
    ("resutils", "resource/stead-resutils/exported-symbols.txt"),
];

fn lines(path: &str) -> Result<BTreeSet<String>, String> {
    let text = fs::read_to_string(crate::root().join(path)).map_err(|error| format!("{path}: {error}"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The page's part, and what is wrong with the lists.
///
/// # Errors
/// When a list cannot be read.
pub(crate) fn page(files: &BTreeMap<PathBuf, String>) -> Result<(String, Vec<String>), String> {
    let mut exported = BTreeSet::new();
    for (_, list) in EXPORTED {
        exported.extend(lines(list)?);
    }
    // A function that only fails lives in a file of that name.
    let refused: String = files
        .iter()
        .filter(|(path, _)| path.ends_with("refused.rs"))
        .map(|(_, text)| text.as_str())
        .collect();
    let documented = lines("xtask/functions.txt")?;
    let mut page = HEAD.to_owned();
    let mut breaches = Vec::new();
    for (library, _) in EXPORTED {
        let of: Vec<&str> = documented
            .iter()
            .filter_map(|line| line.split_once(' '))
            .filter(|(of, _)| of == library)
            .map(|(_, name)| name)
            .collect();
        let mut by_state: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for name in &of {
            let state = match (exported.contains(*name), refused.contains(&format!("fn {name}("))) {
                (true, false) => "done",
                (true, true) => "refused",
                (false, _) => "absent",
            };
            by_state.entry(state).or_default().push(name);
        }
        page.push_str(&format!("## {library}: {} functions\n\n", of.len()));
        for state in ["done", "refused", "absent"] {
            let names = by_state.remove(state).unwrap_or_default();
            page.push_str(&format!("**{state}** ({}): {}\n\n", names.len(), names.join(", ")));
        }
    }
    for name in &exported {
        let defined = files.values().any(|text| text.contains(&format!("fn {name}(")));
        if !defined {
            breaches.push(format!("{name} is in a list of exported names, and nothing defines it"));
        }
    }
    Ok((page, breaches))
}
