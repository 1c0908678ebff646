//! `stead-witness FOLDER GROUP`: the work of a group in a lab, which notes down that it lives.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, group] = arguments.as_slice() else {
        eprintln!("usage: stead-witness FOLDER GROUP");
        return ExitCode::from(2);
    };
    let error = stead_e2e::witness::testify(Path::new(folder), group);
    eprintln!("stead-witness: {folder}: {error}");
    ExitCode::FAILURE
}
