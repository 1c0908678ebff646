//! What authors of resource types wait for.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Row, built, median, ms};

/// The resource DLL of the example in C.
fn heartbeat(folder: &Path) -> Result<PathBuf, String> {
    let library = folder.join("heartbeat.so");
    let status = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-fshort-wchar", "-pthread", "-I"])
        .arg(crate::root().join("resource/stead-resapi/include"))
        .arg(crate::root().join("examples/resource-c/heartbeat.c"))
        .arg("-o")
        .arg(&library)
        .status()
        .map_err(|error| format!("cc: {error}"))?;
    if status.success() { Ok(library) } else { Err(format!("cc: {status}")) }
}

/// From the begin of a Resource Monitor's process to the end of the first `Open`.
pub(super) fn load(folder: &Path) -> Result<Vec<Row>, String> {
    const ROUNDS: usize = 100;
    let (stead, library) = (built("stead")?, heartbeat(folder)?);
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let mut host = Command::new(&stead);
        host.arg("host").arg(&library).args(["--type", "Heartbeat", "--json"]);
        let host = host.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut host = host.map_err(|error| format!("stead host: {error}"))?;
        if let Some(mut input) = host.stdin.take() {
            input.write_all(b"open\nclose\n").map_err(|error| format!("stead host: {error}"))?;
        }
        let output = host.wait_with_output().map_err(|error| format!("stead host: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let opened = text.lines().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            (line["event"] == "state" && line["to"] == "Offline").then(|| line["at_us"].as_u64())?
        });
        all.push(Duration::from_micros(opened.ok_or_else(|| format!("stead host said {text:?}"))?));
    }
    let took = median(all);
    Ok(vec![Row {
        what: "a DLL is loaded and opened, from the begin of the monitor, median of 100",
        target: "< 5 ms",
        measured: ms(took),
        met: took < Duration::from_millis(5),
    }])
}

/// `stead verify` of resource types that keep the contract.
pub(super) fn verify(folder: &Path) -> Result<Vec<Row>, String> {
    let (stead, library) = (built("stead")?, heartbeat(folder)?);
    let path = format!("Path={}", folder.join("beat").display());
    let library = library.display().to_string();
    let cases: [(&'static str, &[&str]); 2] = [
        ("stead verify of the example in C", &[&library, "--type", "Heartbeat", "--property", &path]),
        (
            "stead verify of Generic Application",
            &["--builtin", "--type", "Generic Application", "--property", "CommandLine=sleep 1000"],
        ),
    ];
    let mut rows = Vec::new();
    for (what, arguments) in cases {
        let began = Instant::now();
        let status = Command::new(&stead)
            .arg("verify")
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| format!("stead verify: {error}"))?;
        let took = began.elapsed();
        if !status.success() {
            return Err(format!("{what}: {status}; run it by hand to see why"));
        }
        let measured = format!("{:.1} s", took.as_secs_f64());
        rows.push(Row { what, target: "< 60 s", measured, met: took < Duration::from_secs(60) });
    }
    Ok(rows)
}
