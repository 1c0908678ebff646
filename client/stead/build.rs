//! Lets resource DLLs find the functions that the executable exports.

const LISTS: &[&str] = &[
    "../../resource/stead-clusapi/exported-symbols.txt",
    "../../resource/stead-resutils/exported-symbols.txt",
];

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    for list in LISTS {
        println!("cargo::rerun-if-changed={list}");
        for symbol in std::fs::read_to_string(list)?.lines() {
            println!("cargo::rustc-link-arg-bins=-Wl,-u,{symbol},--export-dynamic-symbol={symbol}");
        }
    }
    Ok(())
}
