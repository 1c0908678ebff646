//! `cargo xtask tidy`: rules of the project that no compiler knows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::coverage;
use crate::listings;
use crate::run::output;

/// Which crates of the project a crate may depend on. Programs and contracts alternate along the flow.
const EDGES: &[(&str, &[&str])] = &[
    (
        "stead",
        &[
            "stead-cli",
            "stead-lab",
            "stead-node",
            "stead-membership",
            "stead-guardian",
            "stead-monitor",
            "stead-clusres",
        ],
    ),
    ("stead-cli", &["stead-api", "stead-fence", "stead-membership", "stead-resapi"]),
    ("stead-lab", &[]),
    ("stead-api", &["stead-types"]),
    (
        "stead-node",
        &[
            "stead-api",
            "stead-policy",
            "stead-types",
            "stead-monitor-protocol",
            "stead-store",
            "stead-store-embedded",
            "stead-fence",
            "stead-lease",
            "stead-membership",
            "stead-store-etcd",
        ],
    ),
    ("stead-membership", &["stead-fence", "stead-lease", "stead-store", "stead-store-etcd"]),
    ("stead-fence", &[]),
    ("stead-policy", &["stead-types"]),
    ("stead-lease", &["stead-types"]),
    ("stead-types", &[]),
    ("stead-guardian", &["stead-monitor-protocol", "stead-types"]),
    (
        "stead-monitor",
        &["stead-monitor-protocol", "stead-clusapi", "stead-resapi", "stead-resutils", "stead-types"],
    ),
    ("stead-monitor-protocol", &["stead-types"]),
    ("stead-clusapi", &["stead-resapi"]),
    ("stead-clusres", &["stead-sdk", "stead-resapi"]),
    ("stead-resapi", &[]),
    ("stead-resutils", &["stead-resapi"]),
    ("stead-sdk", &["stead-resapi"]),
    ("resource-rust", &["stead-sdk"]),
    ("stead-store", &[]),
    ("stead-store-embedded", &["stead-store"]),
    ("stead-store-etcd", &["stead-store"]),
    ("stead-sim", &["stead-lease", "stead-policy", "stead-types"]),
    ("stead-e2e", &[]),
    ("stead-misbehave", &["stead-e2e"]),
    (
        "stead-fuzz",
        &[
            "stead-api",
            "stead-cli",
            "stead-membership",
            "stead-types",
            "stead-monitor",
            "stead-monitor-protocol",
            "stead-resapi",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that use nothing from outside the project, in normal builds.
const STANDARD_LIBRARY_ONLY: &[&str] =
    &["stead-types", "stead-policy", "stead-clusapi", "stead-resapi", "stead-resutils", "stead-sdk"];

/// Crates that may hold unsafe code, and in which files.
const UNSAFE: &[&str] = &[
    "resource/stead-clusapi/",
    "resource/stead-resapi/",
    "resource/stead-resutils/",
    "resource/stead-sdk/",
    "monitor/stead-monitor/",
    "monitor/stead-guardian/src/sys",
];

/// The only crate that may choose wrong versions of the protocol.
const MUTANTS: &str = "stead-sim";

/// The longest source file, in lines.
const LONGEST: usize = 800;

/// Checks everything and names every breach. With `fix`, rewrites what is generated instead of comparing it.
///
/// # Errors
/// How many breaches there are.
pub(crate) fn run(fix: bool) -> Result<(), String> {
    let metadata = metadata()?;
    let mut breaches = edges(&metadata);
    breaches.extend(mutants(&metadata));
    let files = sources()?;
    for (path, text) in &files {
        breaches.extend(file(path, text));
    }
    breaches.extend(coverage::check(&files, fix)?);
    breaches.extend(listings::check(fix)?);
    breaches.extend(reasons()?);
    for breach in &breaches {
        eprintln!("tidy: {breach}");
    }
    if breaches.is_empty() {
        println!("tidy: {} files, {} crates, nothing to complain about", files.len(), EDGES.len());
        Ok(())
    } else {
        Err(format!("tidy found {} breaches", breaches.len()))
    }
}

/// Every source file git knows or would take, by path from the root.
fn sources() -> Result<BTreeMap<PathBuf, String>, String> {
    let list = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut files = BTreeMap::new();
    for line in list.lines() {
        let path = Path::new(line);
        let source =
            path.extension().is_some_and(|ending| ["rs", "c", "h"].iter().any(|known| ending == *known));
        let full = crate::root().join(path);
        if source && full.exists() {
            let text = fs::read_to_string(&full).map_err(|error| format!("{}: {error}", path.display()))?;
            files.insert(path.to_owned(), text);
        }
    }
    Ok(files)
}

fn metadata() -> Result<serde_json::Value, String> {
    let text = output("cargo", &["metadata", "--no-deps", "--format-version", "1", "--offline"])?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
}

/// The feature `mutants` never gets into what ships: nobody turns it on but the simulator, it is not on by itself, and a
/// build of the default members does not build the simulator with them.
fn mutants(metadata: &serde_json::Value) -> Vec<String> {
    let mut breaches = Vec::new();
    let empty = Vec::new();
    let has = |list: &serde_json::Value| {
        let words = list.as_array().unwrap_or(&empty).iter().filter_map(|word| word.as_str());
        words.map(|word| word.rsplit('/').next().unwrap_or_default()).any(|word| word == "mutants")
    };
    for package in metadata["packages"].as_array().unwrap_or(&empty) {
        let name = package["name"].as_str().unwrap_or_default();
        if let Some(features) = package["features"].as_object() {
            for (feature, turns_on) in features {
                if has(turns_on) {
                    breaches.push(format!("{name}: feature {feature} turns on mutants, which must not ship"));
                }
            }
        }
        for dependency in package["dependencies"].as_array().unwrap_or(&empty) {
            let target = dependency["name"].as_str().unwrap_or_default();
            if has(&dependency["features"]) && name != MUTANTS {
                breaches.push(format!("{name} turns on the mutants of {target}; only {MUTANTS} may"));
            }
            if target == MUTANTS {
                breaches.push(format!("{name} depends on {MUTANTS}, which brings the mutants with it"));
            }
        }
    }
    let members = metadata["workspace_default_members"].as_array().unwrap_or(&empty);
    if members.iter().filter_map(|id| id.as_str()).any(|id| id.contains(MUTANTS)) {
        breaches.push(format!("{MUTANTS} is a default member: the mutants would be built into what ships"));
    }
    breaches
}

fn edges(metadata: &serde_json::Value) -> Vec<String> {
    let mut breaches = Vec::new();
    let empty = Vec::new();
    let packages = metadata["packages"].as_array().unwrap_or(&empty);
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
            breaches.push(format!("crate {name} is not in the list of edges"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().unwrap_or(&empty);
        for edge in *allowed {
            if !dependencies.iter().any(|dependency| dependency["name"].as_str() == Some(edge)) {
                breaches.push(format!("{name} no longer depends on {edge}; take it off the list of edges"));
            }
        }
        for dependency in dependencies {
            let target = dependency["name"].as_str().unwrap_or_default();
            // Tests may reach across: the edge rule is about what ships.
            let ships = dependency["kind"].is_null();
            if names.contains(&target) && ships && !allowed.contains(&target) {
                breaches.push(format!("{name} must not depend on {target}"));
            }
            if ships && !names.contains(&target) && STANDARD_LIBRARY_ONLY.contains(&name) {
                breaches.push(format!("{name} must use nothing but std, not {target}"));
            }
        }
    }
    breaches
}

fn file(path: &Path, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let shown = path.display();
    let lines = text.lines().count();
    if lines > LONGEST {
        breaches.push(format!("{shown} has {lines} lines; split it by noun before {LONGEST}"));
    }
    let rust = path.extension().is_some_and(|ending| ending == "rs");
    let own = path.starts_with("xtask");
    for (number, line) in text.lines().enumerate() {
        let place = || format!("{shown}:{}", number + 1);
        if line.trim_end() != line {
            breaches.push(format!("{}: white space at the end", place()));
        }
        if rust && !own {
            for word in ["#[ignore", "todo!(", "unimplemented!(", "dbg!("] {
                if line.contains(word) {
                    breaches.push(format!("{}: {word} must not land", place()));
                }
            }
            let comment = line.trim_start().starts_with("//");
            let unsafe_code =
                line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl");
            if unsafe_code
                && !comment
                && !UNSAFE
                    .iter()
                    .any(|allowed| path.starts_with(allowed) || shown.to_string().starts_with(allowed))
            {
                breaches.push(format!("{}: unsafe code does not live here", place()));
            }
        }
    }
    breaches
}

/// Each dependency has its one-line reason in CONTRIBUTING.md.
fn reasons() -> Result<Vec<String>, String> {
    let root = crate::root();
    let manifest =
        fs::read_to_string(root.join("Cargo.toml")).map_err(|error| format!("Cargo.toml: {error}"))?;
    let guide = fs::read_to_string(root.join("CONTRIBUTING.md"))
        .map_err(|error| format!("CONTRIBUTING.md: {error}"))?;
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    Ok(section
        .lines()
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name.trim()))
        .filter(|name| !name.starts_with("stead-") && !name.starts_with('#'))
        .filter(|name| !guide.contains(&format!("`{name}`")))
        .map(|name| format!("dependency {name} has no reason in CONTRIBUTING.md"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_turned_on_by_the_simulator_alone() {
        let package = |name: &str, features: serde_json::Value, default: serde_json::Value| {
            serde_json::json!({
                "name": name,
                "features": { "default": default, "mutants": [] },
                "dependencies": [{ "name": "stead-lease", "features": features }],
            })
        };
        let none = serde_json::json!([]);
        let on = serde_json::json!(["mutants"]);
        let of = |packages: Vec<serde_json::Value>, member: &str| {
            mutants(&serde_json::json!({ "packages": packages, "workspace_default_members": [member] }))
        };
        let simulator = package("stead-sim", on.clone(), none.clone());
        assert_eq!(of(vec![simulator, package("stead-node", none.clone(), none.clone())], "stead"), [""; 0]);
        assert_eq!(of(vec![package("stead-node", on.clone(), none.clone())], "stead").len(), 1);
        assert_eq!(of(vec![package("stead-lease", none.clone(), on)], "stead").len(), 1);
        let through = serde_json::json!(["stead-lease/mutants"]);
        assert_eq!(of(vec![package("stead-node", none.clone(), through)], "stead").len(), 1);
        assert_eq!(of(Vec::new(), "path+file:///x/testing/stead-sim#0.1.0").len(), 1);
    }
}
