//! Names the shared library, and makes it ask the loader for `libclusapi.so`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libresutils.so");
    // Looked up by name where ClusAPI has them; the imitation in the tests has.
    for symbol in ["ClusterGroupControl", "GetClusterFromGroup"] {
        println!("cargo::rustc-link-arg-tests=-Wl,--export-dynamic-symbol={symbol}");
    }
    // The real library belongs to another crate; all the linker needs of it here is its name.
    let folder = std::env::var("OUT_DIR").unwrap_or_default();
    let (source, library) = (Path::new(&folder).join("none.c"), Path::new(&folder).join("libclusapi.so"));
    let made = std::fs::write(&source, "typedef int stead_nothing;\n").and_then(|()| {
        let mut compiler: Command = cc::Build::new().get_compiler().to_command();
        let compiler = compiler.args(["-shared", "-Wl,-soname,libclusapi.so", "-o"]);
        compiler.arg(&library).arg(&source).status()
    });
    assert!(
        made.as_ref().is_ok_and(std::process::ExitStatus::success),
        "the placeholder {} could not be linked: {made:?}",
        library.display()
    );
    println!("cargo::rustc-cdylib-link-arg=-Wl,--push-state,--no-as-needed");
    println!("cargo::rustc-cdylib-link-arg={}", library.display());
    println!("cargo::rustc-cdylib-link-arg=-Wl,--pop-state");
}
