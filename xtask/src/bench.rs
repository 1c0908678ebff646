//! `cargo xtask bench`.
pub(crate) fn run(_names: &[&str]) -> Result<(), String> {
    Err("nothing to measure".to_owned())
}
