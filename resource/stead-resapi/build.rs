//! Builds the C shim of `LogEvent`.

fn main() {
    println!("cargo::rerun-if-changed=shim/log_event.c");
    cc::Build::new()
        .file("shim/log_event.c")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .compile("stead_log_event");
}
