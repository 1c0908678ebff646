//! The shared library as the loader sees it, and as a resource DLL in C uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const SYMBOLS: &str = include_str!("../exported-symbols.txt");

/// The library that was built for these tests; cargo links it next to them.
fn library() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let library = here.parent().unwrap().join("libresutils.so");
    assert!(library.exists(), "{} is not there", library.display());
    library
}

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../stead-resapi/include")
}

/// Runs a tool that a machine may lack.
fn tool(command: &mut Command) -> Option<std::process::Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: {command:?}: {error}");
            None
        }
    }
}

fn compile(compiler: &str, name: &str, source: &str, more: &[&str]) -> Option<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join(name), folder.path().join("out"));
    std::fs::write(&file, source).unwrap();
    let output = tool(
        Command::new(compiler)
            .args(["-Wall", "-Wextra", "-Werror", "-fshort-wchar", "-I"])
            .arg(include())
            .arg(&file)
            .args(more)
            .arg("-o")
            .arg(&out),
    )?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((folder, out))
}

#[test]
fn the_library_exports_what_the_list_says() {
    let Some(output) = tool(Command::new("nm").args(["-D", "--defined-only"]).arg(library())) else { return };
    let text = String::from_utf8(output.stdout).unwrap();
    let mut exported: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    // The log shim of stead-resapi comes along; nobody calls it here.
    exported.remove("stead_log_event_sink");
    let listed: BTreeSet<&str> = SYMBOLS.lines().collect();
    assert_eq!(exported, listed);
    assert!(listed.len() > 130, "only {} names", listed.len());
    assert!(SYMBOLS.lines().is_sorted(), "one name a line, in order");
}

#[test]
fn the_library_has_its_name_and_asks_for_clusapi() {
    let Some(output) = tool(Command::new("readelf").arg("-d").arg(library())) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Library soname: [libresutils.so]"), "{text}");
    assert!(text.contains("Shared library: [libclusapi.so]"), "{text}");
}

#[test]
fn every_name_is_declared_in_c_and_in_cpp() {
    let mut source = String::from("#include <resutils.h>\n#include <strsafe.h>\nvoid *all[] = {\n");
    SYMBOLS.lines().for_each(|name| source.push_str(&format!("    (void *)&{name},\n")));
    source.push_str("};\n");
    compile("cc", "all.c", &source, &["-c"]);
    compile("c++", "all.cpp", &source, &["-c"]);
}

#[test]
fn what_is_no_structure_of_variable_length_is_strict_iso_c_and_cpp() {
    let source = "#include <strsafe.h>\nint nothing;\n";
    compile("cc", "strict.c", source, &["-c", "-std=c11", "-Wpedantic", "-Wno-padded"]);
    compile("c++", "strict.cpp", source, &["-c", "-Wpedantic", "-Wno-gnu-anonymous-struct"]);
}

#[test]
fn a_program_in_c_uses_workers_tables_and_private_properties() {
    let library = library();
    let folder = library.parent().unwrap().to_str().unwrap().to_owned();
    // A library of ClusAPI's name with all that is declared; what the program imitates itself comes first.
    let declared = include_str!("../src/clusapi.rs").lines();
    let names = declared
        .filter_map(|line| line.trim().strip_prefix("pub(crate) fn ")?.split_once('(').map(|it| it.0));
    let stubs: String =
        names.map(|name| format!("int {name}(void);\nint {name}(void) {{ return 0; }}\n")).collect();
    let shared = ["-shared", "-fPIC", "-Wl,-soname,libclusapi.so"];
    let Some((_kept, empty)) = compile("cc", "clusapi.c", &stubs, &shared) else { return };
    let clusapi = empty.parent().unwrap().to_str().unwrap().to_owned();
    std::fs::rename(&empty, empty.with_file_name("libclusapi.so")).unwrap();
    let search = format!("-L{folder}");
    let more = [&search[..], "-lresutils", "-rdynamic", "-pthread", "-Wl,--allow-shlib-undefined"];
    let source = include_str!("c/program.c");
    let Some((_folder, program)) = compile("cc", "program.c", source, &more) else { return };
    let output = Command::new("timeout")
        .arg("60")
        .arg(program)
        // The library of the name alone comes before the real one, which knows nothing of the imitation.
        .env("LD_LIBRARY_PATH", format!("{clusapi}:{folder}"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {said}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "all well\n");
}
