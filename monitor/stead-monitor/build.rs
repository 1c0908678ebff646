//! Prepares what resource DLLs link with: their functions are exported by the executable, and the libraries they name
//! are there as names only.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

const LISTS: &[&str] = &[
    "../../resource/stead-clusapi/exported-symbols.txt",
    "../../resource/stead-resutils/exported-symbols.txt",
];

/// The libraries that resource DLLs are linked with.
const LIBRARIES: &[&str] = &["libclusapi.so", "libresutils.so"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    for list in LISTS {
        println!("cargo::rerun-if-changed={list}");
        for symbol in fs::read_to_string(list)?.lines() {
            println!("cargo::rustc-link-arg-tests=-Wl,-u,{symbol},--export-dynamic-symbol={symbol}");
        }
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let empty = out.join("empty.c");
    fs::write(&empty, "")?;
    for library in LIBRARIES {
        let mut compiler: Command = cc::Build::new().get_compiler().to_command();
        compiler.args(["-shared", "-nostdlib", "-s"]).arg(format!("-Wl,-soname,{library}"));
        let status = compiler.arg("-o").arg(out.join(library)).arg(&empty).status()?;
        if !status.success() {
            return Err(format!("{compiler:?}: {status}").into());
        }
    }
    Ok(())
}
