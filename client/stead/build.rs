//! Lets resource DLLs find the functions that the executable exports.

fn main() {
    println!("cargo::rerun-if-changed=../../monitor/stead-monitor/exported-symbols.txt");
    for symbol in include_str!("../../monitor/stead-monitor/exported-symbols.txt").lines() {
        println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={symbol}");
    }
}
