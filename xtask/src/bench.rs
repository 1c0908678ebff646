//! `cargo xtask bench`: the numbers of book/benchmarks.md, measured on the release build.

mod adopt;
mod authors;
mod cluster;
mod failover;
mod machine;
mod quiet;
mod scale;
mod stead;

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::run::{output, run};
use machine::{cpu_time, describe, private_kib};
use stead::Stead;

/// One line of the table.
struct Row {
    what: &'static str,
    target: &'static str,
    measured: String,
    met: bool,
}

type Measure = fn(&Path) -> Result<Vec<Row>, String>;

const MEASURES: &[(&str, Measure)] = &[
    ("restart", restart),
    ("many", many),
    ("reports", reports),
    ("idle", idle),
    ("memory", memory),
    ("decide", decide),
    ("place", place),
    ("proplist", proplist),
    ("load", authors::load),
    ("verify", authors::verify),
    ("etcd", etcd),
    ("move", moves),
    ("failover-fast", failover::fast),
    ("failover-default", failover::default),
    ("adopt", adopt::adopt),
    ("idle-cluster", quiet::quiet),
    ("scale", scale::scale),
];

/// Runs the benchmarks named, all if none is, and prints a table.
///
/// # Errors
/// An unknown name, or what could not be measured. A missed target is told in the table and is no error.
pub(crate) fn run_all(names: &[&str]) -> Result<(), String> {
    match names {
        ["--workload", socket] => return workload(Path::new(socket)),
        ["--ticker", socket] => return adopt::tick(Path::new(socket)),
        _ => {}
    }
    if let Some(unknown) = names.iter().find(|name| !MEASURES.iter().any(|(known, _)| known == *name)) {
        let known: Vec<&str> = MEASURES.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no benchmark {unknown:?}; there are: {}", known.join(", ")));
    }

    run("cargo", &["build", "--release", "--package", "stead", "--package", "xtask"])?;
    println!("{}", describe());
    println!("{:<70}{:<16}{:<30}", "what", "target", "measured");
    let folder = std::env::temp_dir().join(format!("stead-bench-{}", std::process::id()));
    for (name, measure) in MEASURES {
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let rows = measure(&folder);
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for Row { what, target, measured, met } in rows? {
            let missed = if met { "" } else { "  MISSED" };
            println!("{what:<70}{target:<16}{measured:<30}{missed}");
        }
    }
    Ok(())
}

/// The file of a program of the release build.
fn built(name: &str) -> Result<PathBuf, String> {
    let metadata = output("cargo", &["metadata", "--no-deps", "--format-version", "1", "--offline"])?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
    Ok(Path::new(folder).join("release").join(name))
}

/// What a resource runs to be measured: it says that it runs, and stays.
fn workload(socket: &Path) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", socket.display());
    let said = UnixDatagram::unbound().map_err(wrong)?;
    said.send_to(b"here", socket).map_err(wrong)?;
    loop {
        std::thread::park();
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// What so many of a hundred stay under.
fn percentile(mut all: Vec<Duration>, of_hundred: usize) -> Duration {
    all.sort();
    let place = (all.len() * of_hundred).div_ceil(100).saturating_sub(1);
    all.get(place).copied().unwrap_or_default()
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

fn sleeper(group: usize, resource: usize) -> String {
    format!(
        "[[group.resource]]\nname = \"r{group}-{resource}\"\ntype = \"Generic Application\"\n\
         properties = {{ CommandLine = \"sleep infinity\" }}\n"
    )
}

fn sleepers(groups: usize, resources: usize, state: &str) -> String {
    (0..groups)
        .map(|group| {
            let members: String = (0..resources).map(|resource| sleeper(group, resource)).collect();
            format!("[[group]]\nname = \"g{group}\"\npersistent_state = \"{state}\"\n{members}")
        })
        .collect()
}

/// `kill -9` of a Generic Application, to `main` of its replacement.
fn restart(folder: &Path) -> Result<Vec<Row>, String> {
    const ROUNDS: usize = 100;
    let socket = folder.join("said");
    let heard = UnixDatagram::bind(&socket).map_err(|error| format!("socket: {error}"))?;
    heard.set_read_timeout(Some(Duration::from_secs(20))).map_err(|error| format!("socket: {error}"))?;
    let config = format!(
        "[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"r\"\ntype = \"Generic Application\"\n\
         common = {{ RestartDelay = 0, RestartThreshold = 100000 }}\n\
         properties = {{ CommandLine = \"{} bench --workload {}\", Environment = [\"CARGO_MANIFEST_DIR=/\"] }}\n",
        built("xtask")?.display(),
        socket.display()
    );
    let stead = Stead::up(folder, &config)?;
    let hear = || heard.recv(&mut [0; 4]).map_err(|error| format!("the workload was not heard: {error}"));
    hear()?;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        // What just came up is given a moment, so that restarts and not start-up races are measured.
        std::thread::sleep(Duration::from_millis(20));
        // The workload knows its number in its namespace only.
        let process = stead.process("r")?;
        let begin = Instant::now();
        machine::kill(process)?;
        hear()?;
        took.push(begin.elapsed());
    }
    took.sort();
    let (middle, late) = (took[ROUNDS / 2], took[ROUNDS * 95 / 100]);
    Ok(vec![Row {
        what: "Generic Application, kill -9 to main() of its replacement",
        target: "< 5 ms",
        measured: format!("{} (p95 {})", ms(middle), ms(late)),
        met: middle < Duration::from_millis(5),
    }])
}

/// 500 Generic Applications in 50 groups, online and offline.
fn many(folder: &Path) -> Result<Vec<Row>, String> {
    let stead = Stead::up(folder, "")?;
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        up.push(stead.apply(&sleepers(50, 10, "Online"))?);
        down.push(stead.apply(&sleepers(50, 10, "Offline"))?);
    }
    // The first round creates everything; the others only bring it online.
    let (first, up, down) = (up[0], median(up[1..].to_vec()), median(down));
    let limit = Duration::from_millis(1_500);
    let row = |what, took| Row { what, target: "< 1.5 s", measured: ms(took), met: took < limit };
    Ok(vec![
        row("500 Generic Applications in 50 groups, apply to all Online, first", first),
        row("the same again, monitors running", up),
        row("the same 500 offline", down),
    ])
}

/// Status reports of four threads through one monitor.
fn reports(folder: &Path) -> Result<Vec<Row>, String> {
    const EACH: usize = 1_000_000;
    let source = crate::root().join("testing/stead-e2e/dll/probe.c");
    let library = folder.join("probe.so");
    let include = crate::root().join("resource/stead-resapi/include");
    run(
        "cc",
        &[
            "-O2",
            "-shared",
            "-fPIC",
            "-fshort-wchar",
            "-pthread",
            "-I",
            &include.display().to_string(),
            &source.display().to_string(),
            "-o",
            &library.display().to_string(),
        ],
    )?;
    let members: String = (0..4)
        .map(|number| {
            format!(
                "[[group.resource]]\nname = \"r{number}\"\ntype = \"Probe\"\nproperties = {{ Online = \"return 997; log begin; \
                 flood {EACH}; log end; statusex 2 {}\" }}\n",
                EACH + 1
            )
        })
        .collect();
    let types = format!("[[type]]\nname = \"Probe\"\ndll = \"{}\"\n", library.display());
    let mut rates = Vec::new();
    let mut finals = 0;
    for round in 0..5 {
        let stead = Stead::up(&folder.join(round.to_string()), "")?;
        stead.apply(&format!("{types}[[group]]\nname = \"g\"\n{members}"))?;
        finals += stead.online()?;
        let log = fs::read_to_string(stead.data().join("log/node.log"))
            .map_err(|error| format!("node.log: {error}"))?;
        let times = |word: &str| -> Vec<f64> {
            log.lines().filter(|line| line.contains(word)).filter_map(machine::seconds_of_day).collect()
        };
        let begin = times("INFO begin").into_iter().fold(f64::INFINITY, f64::min);
        let end = times("INFO end").into_iter().fold(0.0, f64::max);
        rates.push(4.0 * EACH as f64 / (end - begin));
    }
    rates.sort_by(f64::total_cmp);
    let rate = rates[rates.len() / 2];
    Ok(vec![
        Row {
            what: "status reports through one monitor from four threads",
            target: "1,000,000 / s",
            measured: format!("{:.2} million / s", rate / 1e6),
            met: rate >= 1e6,
        },
        Row {
            what: "final states lost meanwhile",
            target: "0",
            measured: (20 - finals).to_string(),
            met: finals == 20,
        },
    ])
}

/// CPU time of everything of ours while 1,000 resources are online.
fn idle(folder: &Path) -> Result<Vec<Row>, String> {
    let stead = Stead::up(folder, "")?;
    stead.apply(&sleepers(100, 10, "Online"))?;
    let processes = stead.own_processes()?;
    // LooksAlive is not polled where an event handle is given; IsAlive comes once a minute and is spread.
    std::thread::sleep(Duration::from_secs(5));
    let (before, begin) = (cpu_time(&processes)?, Instant::now());
    std::thread::sleep(Duration::from_secs(75));
    let used = cpu_time(&processes)? - before;
    let share = 100.0 * used.as_secs_f64() / begin.elapsed().as_secs_f64();
    Ok(vec![Row {
        what: "idle cost of 1,000 online resources in 100 groups, default polling",
        target: "< 1 % of a core",
        measured: format!("{share:.2} %"),
        met: share < 1.0,
    }])
}

/// Private memory of our own processes, by resource and by group.
fn memory(folder: &Path) -> Result<Vec<Row>, String> {
    let mut used = Vec::new();
    for (number, (groups, resources)) in [(0, 0), (10, 1), (10, 51)].into_iter().enumerate() {
        let stead = Stead::up(&folder.join(number.to_string()), "")?;
        if groups != 0 {
            stead.apply(&sleepers(groups, resources, "Online"))?;
        }
        let processes = stead.own_processes()?;
        used.push(private_kib(&processes)? as f64);
    }
    let resource = (used[2] - used[1]) / 500.0;
    let group = (used[1] - used[0]) / 10.0 - resource;
    Ok(vec![
        Row {
            what: "private memory a resource (Generic Application, without its program)",
            target: "< 150 kB",
            measured: format!("{resource:.0} KiB"),
            met: resource * 1.024 < 150.0,
        },
        Row {
            what: "private memory a group (warden, monitor, its part of the node)",
            target: "< 3 MB",
            measured: format!("{:.2} MiB", group / 1_024.0),
            met: group * 1_024.0 < 3e6,
        },
    ])
}

/// One decision of the policy.
fn decide(_: &Path) -> Result<Vec<Row>, String> {
    let text = output(
        "cargo",
        &["run", "--quiet", "--release", "--package", "stead-policy", "--example", "decide"],
    )?;
    let nanos: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [middle, late] = nanos.as_slice() else { return Err(format!("decide printed {text:?}")) };
    let shown = |nanos: &u64| format!("{:.1} us", *nanos as f64 / 1e3);
    Ok(vec![Row {
        what: "policy: 10,000 resources in 1,000 groups, one failure decided",
        target: "< 1 ms",
        measured: format!("{} (p99 {})", shown(middle), shown(late)),
        met: *middle < 1_000_000,
    }])
}

/// The coordinator on a large cluster.
fn place(_: &Path) -> Result<Vec<Row>, String> {
    let text =
        output("cargo", &["run", "--quiet", "--release", "--package", "stead-policy", "--example", "place"])?;
    let nanos: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [rest, dies] = nanos.as_slice() else { return Err(format!("place printed {text:?}")) };
    let shown = |nanos: &u64| format!("{:.1} ms", *nanos as f64 / 1e6);
    Ok(vec![Row {
        what: "coordinator: 1,000 groups on 16 nodes, one node dies (p99)",
        target: "< 5 ms",
        measured: format!("{} (at rest {})", shown(dies), shown(rest)),
        met: *dies < 5_000_000,
    }])
}

/// A property list of 100 properties.
fn proplist(_: &Path) -> Result<Vec<Row>, String> {
    let text = output(
        "cargo",
        &["run", "--quiet", "--release", "--package", "stead-resutils", "--example", "proplist"],
    )?;
    let nanos: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [values, tables] = nanos.as_slice() else { return Err(format!("proplist printed {text:?}")) };
    let shown = |nanos: &u64| format!("{:.1} us", *nanos as f64 / 1e3);
    Ok(vec![Row {
        what: "property list of 100 properties: written and read",
        target: "< 20 us",
        measured: format!("{} (by a table {})", shown(values), shown(tables)),
        met: *values < 20_000,
    }])
}

/// A planned move between two nodes.
fn moves(_: &Path) -> Result<Vec<Row>, String> {
    let stead = built("stead")?;
    let output = std::process::Command::new("cargo")
        .args(["run", "--quiet", "--release", "--package", "stead-e2e", "--example", "moves"])
        .env("STEAD_BIN", stead)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    let (text, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let micros: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [command, command_late, outage, outage_late] = micros.as_slice() else {
        return Err(format!("moves printed {text:?}: {told}"));
    };
    let shown = |middle: &u64, late: &u64| {
        format!("{:.1} ms (p99 {:.1} ms)", *middle as f64 / 1e3, *late as f64 / 1e3)
    };
    Ok(vec![
        Row {
            what: "planned move of five resources in a row that do nothing, the whole command",
            target: "< 50 ms",
            measured: shown(command, command_late),
            met: *command < 50_000,
        },
        Row {
            what: "the same, from the first that goes to the last that comes",
            target: "< 50 ms",
            measured: shown(outage, outage_late),
            met: *outage < 50_000,
        },
    ])
}

/// Guarded writes to three members of etcd, and how soon another node hears of them.
fn etcd(_: &Path) -> Result<Vec<Row>, String> {
    let text = output(
        "cargo",
        &["run", "--quiet", "--release", "--package", "stead-store-etcd", "--example", "latency"],
    )?;
    if text.contains("SKIPPED") {
        return Err(text);
    }
    let micros: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [write, write_late, heard, heard_late] = micros.as_slice() else {
        return Err(format!("latency printed {text:?}"));
    };
    let shown = |middle: &u64, late: &u64| {
        format!("{:.2} ms (p99 {:.2} ms)", *middle as f64 / 1e3, *late as f64 / 1e3)
    };
    Ok(vec![
        Row {
            what: "etcd, three members on loopback: a guarded write",
            target: "< 10 ms",
            measured: shown(write, write_late),
            met: *write < 10_000,
        },
        Row {
            what: "etcd: from a write to its news in another node's watch",
            target: "< 10 ms",
            measured: shown(heard, heard_late),
            met: *heard < 10_000,
        },
    ])
}
