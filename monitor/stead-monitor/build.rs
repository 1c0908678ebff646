//! Lets resource DLLs loaded by the tests find the functions that the executable exports.

fn main() {
    println!("cargo::rerun-if-changed=exported-symbols.txt");
    for symbol in include_str!("exported-symbols.txt").lines() {
        println!("cargo::rustc-link-arg-tests=-Wl,--export-dynamic-symbol={symbol}");
    }
}
