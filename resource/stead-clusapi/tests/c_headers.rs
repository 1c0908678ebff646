//! `clusapi.h` is good C and C++, declares what the library exports and nothing else, and its numbers and structures are
//! those of the `windows-sys` crate.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

use windows_sys::Win32::Networking::Clustering as clustering;

fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../stead-resapi/include")
}

fn compile(name: &str, source: &str, compiler: &str, standard: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, source).unwrap();
    let output = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fshort-wchar", "-fsyntax-only", standard, "-I"])
        .arg(include())
        .arg(&file)
        .output();
    match output {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("SKIPPED: {name} was not compiled: {compiler}: {error}"),
    }
}

fn exported() -> BTreeSet<&'static str> {
    include_str!("../exported-symbols.txt").lines().collect()
}

/// Names in front of the parenthesis of each prototype.
fn declared(header: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(include().join(header)).unwrap();
    let prototypes = text.split(" WINAPI ").skip(1);
    prototypes
        .filter_map(|rest| Some(rest.split_once('(')?.0.to_owned()))
        .filter(|name| !name.contains(')'))
        .collect()
}

#[test]
fn what_is_exported_is_declared_and_what_is_declared_is_exported() {
    let mut declared = declared("clusapi.h");
    // These two are the system's, and have no calling convention to find them by.
    let windows = std::fs::read_to_string(include().join("windows.h")).unwrap();
    let threads_own = ["GetLastError", "SetLastError"];
    let found = threads_own.into_iter().filter(|name| windows.contains(&format!(" {name}(")));
    declared.extend(found.map(str::to_owned));
    assert_eq!(declared.iter().map(String::as_str).collect::<BTreeSet<_>>(), exported());
}

#[test]
fn numbers_and_structures_agree() {
    let mut source = String::from("#include <clusapi.h>\n#include <stddef.h>\n");
    let mut asserted = 0;
    macro_rules! numbers {
        ($($name:ident)+) => {$(
            writeln!(source, "ASSERT((long long){0} == {1}LL, \"{0}\");", stringify!($name), clustering::$name as i64)
                .unwrap();
            asserted += 1;
        )+};
    }
    numbers! {
        CLUSREG_COMMAND_NONE CLUSREG_SET_VALUE CLUSREG_CREATE_KEY CLUSREG_DELETE_KEY CLUSREG_DELETE_VALUE
        ClusterNodeStateUnknown ClusterNodeUp ClusterNodeDown ClusterNodePaused ClusterNodeJoining
        ClusterStateNotInstalled ClusterStateNotConfigured ClusterStateNotRunning ClusterStateRunning
        CLUSTER_ENUM_NODE CLUSTER_ENUM_RESTYPE CLUSTER_ENUM_RESOURCE CLUSTER_ENUM_GROUP CLUSTER_ENUM_NETWORK
        CLUSTER_ENUM_NETINTERFACE CLUSTER_ENUM_ALL
        CLUSTER_RESOURCE_ENUM_DEPENDS CLUSTER_RESOURCE_ENUM_PROVIDES CLUSTER_RESOURCE_ENUM_NODES
        CLUSTER_RESOURCE_ENUM_ALL
        CLUSTER_GROUP_ENUM_CONTAINS CLUSTER_GROUP_ENUM_NODES CLUSTER_GROUP_ENUM_ALL
    }
    macro_rules! layout {
        ($name:ident { $($field:ident)+ }) => {
            writeln!(source, "ASSERT(sizeof({0}) == {1}, \"{0}\");", stringify!($name), size_of::<clustering::$name>())
                .unwrap();
            $(writeln!(
                source,
                "ASSERT(offsetof({0}, {1}) == {2}, \"{0}.{1}\");",
                stringify!($name),
                stringify!($field),
                offset_of!(clustering::$name, $field)
            )
            .unwrap();
            asserted += 1;)+
        };
    }
    layout! { CLUSTERVERSIONINFO {
        dwVersionInfoSize MajorVersion MinorVersion BuildNumber szVendorId szCSDVersion dwClusterHighestVersion
        dwClusterLowestVersion dwFlags dwReserved
    } }
    assert_eq!(asserted, 38);
    compile("numbers.c", &format!("#define ASSERT _Static_assert\n{source}"), "cc", "-std=c11");
    compile("numbers.cpp", &format!("#define ASSERT static_assert\n{source}"), "c++", "-std=c++11");
}

#[test]
fn every_function_can_be_named_in_c_and_cpp() {
    let mut source = String::from("#include <clusapi.h>\n#include <resapi.h>\n");
    for (number, name) in exported().into_iter().enumerate() {
        writeln!(
            source,
            "int is{number}(void);\nint is{number}(void) {{ return sizeof(&{name}) == sizeof(void *); }}"
        )
        .unwrap();
    }
    compile("functions.c", &source, "cc", "-std=c99");
    compile("functions.c", &source, "cc", "-std=c11");
    compile("functions.cpp", &source, "c++", "-std=c++11");
}
