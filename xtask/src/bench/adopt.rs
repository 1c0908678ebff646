//! The node process is killed, and what it hosts does not notice.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use super::cluster::{Cluster, until};
use super::{Row, built, machine, ms};

/// So many kills.
const KILLS: usize = 30;

/// The guardian starts a node at once that was well for ten seconds; one that ends sooner waits, which is another case.
const APART: Duration = Duration::from_secs(11);

/// How often the program makes a sign of life.
const PERIOD: Duration = Duration::from_millis(5);

/// For how long this process could have run so far and had no processor: a busy machine must not look like downtime.
fn starved() -> Result<Duration, String> {
    let path = "/proc/self/schedstat";
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let waited = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
    waited.map(Duration::from_nanos).ok_or_else(|| format!("{path} tells no time: {text:?}"))
}

/// What a resource runs: it makes a sign of life again and again, and each says how long the last one is ago, without
/// the time that it waited for a processor.
pub(super) fn tick(socket: &Path) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", socket.display());
    let said = UnixDatagram::unbound().map_err(wrong)?;
    let (mut last, mut starved_before) = (Instant::now(), starved()?);
    loop {
        std::thread::sleep(PERIOD);
        let (now, starved) = (Instant::now(), starved()?);
        let gap = (now - last).saturating_sub(starved.saturating_sub(starved_before));
        let gap = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX);
        (last, starved_before) = (now, starved);
        let message = [std::process::id().to_le_bytes().as_slice(), &gap.to_le_bytes()].concat();
        said.send_to(&message, socket).map_err(wrong)?;
    }
}

/// The longest gap among the signs of life that are here, and whether all came from one process.
fn longest(heard: &UnixDatagram, process: &mut Option<u32>) -> Result<Duration, String> {
    let mut longest = Duration::ZERO;
    let mut message = [0; 12];
    while heard.recv(&mut message).is_ok() {
        let [a, b, c, d, gap @ ..] = message;
        let from = u32::from_le_bytes([a, b, c, d]);
        if *process.get_or_insert(from) != from {
            return Err("the program was started again".to_owned());
        }
        longest = longest.max(Duration::from_micros(u64::from_le_bytes(gap)));
    }
    Ok(longest)
}

/// The node process is killed again and again, under a program that ticks.
pub(super) fn adopt(folder: &Path) -> Result<Vec<Row>, String> {
    let socket = folder.join("said");
    let wrong = |error: std::io::Error| format!("socket: {error}");
    let heard = UnixDatagram::bind(&socket).map_err(wrong)?;
    heard.set_nonblocking(true).map_err(wrong)?;
    let cluster = Cluster::start(folder, 3, "default")?;
    cluster.apply(&format!(
        "[[group]]\nname = \"g\"\npreferred_owners = [\"n02\"]\n[[group.resource]]\nname = \"r\"\n\
         type = \"Generic Application\"\n\
         properties = {{ CommandLine = \"{} bench --ticker {}\", Environment = [\"CARGO_MANIFEST_DIR=/\"] }}\n",
        built("xtask")?.display(),
        socket.display()
    ))?;
    let status = cluster.status()?;
    let owner = status["groups"][0]["owner_node"].as_str().unwrap_or_default().to_owned();
    let mut ticker = None;
    // What the machine by itself does to the program, over about as long.
    let mut alone = Duration::ZERO;
    let begin = Instant::now();
    longest(&heard, &mut ticker)?;
    while begin.elapsed() < Duration::from_secs(15) {
        std::thread::sleep(Duration::from_millis(50));
        alone = alone.max(longest(&heard, &mut ticker)?);
    }
    let mut worst = Duration::ZERO;
    for _ in 0..KILLS {
        let killed = cluster.node_process(&owner)?;
        machine::kill(killed)?;
        until("the next node process to answer", || {
            worst = worst.max(longest(&heard, &mut ticker)?);
            let next = cluster.node_process(&owner).ok().filter(|next| *next != killed);
            let answers = cluster.run(&owner, &["status", "--json"])?.status.success();
            Ok(next.filter(|_| answers))
        })?;
        let answered = Instant::now();
        while answered.elapsed() < APART {
            std::thread::sleep(Duration::from_millis(50));
            worst = worst.max(longest(&heard, &mut ticker)?);
        }
    }
    worst = worst.max(longest(&heard, &mut ticker)?);
    let status = cluster.status()?;
    let stayed = status["groups"][0]["owner_node"] == owner.as_str();
    Ok(vec![Row {
        what: "node process killed 30 times under a ticker of 5 ms: longest gap",
        target: "none",
        measured: format!("{} (without kills {})", ms(worst), ms(alone)),
        // It sleeps at least that long; what it does between two sleeps takes its time as well.
        met: stayed && worst < alone.max(PERIOD * 2),
    }])
}
