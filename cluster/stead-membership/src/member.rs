//! `stead member`: runs the managed member of etcd of this node, under the guardian.
//!
//! It starts etcd, gives it its vote once it has caught up, and writes down the addresses of the other members, so that
//! this node finds the cluster when its own member is the one that is gone. When it dies, the kernel ends etcd with it.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use stead_store_etcd::Admin;
use tokio::signal::unix::{SignalKind, signal};

use crate::certificate::renew_in_time;
use crate::documents::writer;
use crate::error::Trouble;
use crate::etcd;
use crate::file::{LEARNED, NodeFile};
use crate::secret;

/// How often the members are looked at: while this one waits for its vote, and then.
const LOOK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Writes a line to standard error, which is the log. One that cannot be written, as on a full disk, is lost: etcd may go on.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = writeln!(std::io::stderr(), "stead member: {}", format_args!($($text)*));
    }};
}

/// A member under our feet is not the first to go when memory runs out.
const OOM: &str = "-900";

/// Runs the member of `--data DIR`: until etcd ends, or SIGTERM. Ends with 0 at once if this node has none.
#[must_use]
pub fn member_main(args: Vec<OsString>) -> ExitCode {
    let mut data = None;
    let mut parent = None;
    let mut words = args.into_iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--data") => data = words.next().map(PathBuf::from),
            Some("--become-etcd-of") => parent = words.next().and_then(|word| word.to_str()?.parse().ok()),
            Some(_) | None => {
                say!("{} is not known; it takes --data DIR", word.display());
                return ExitCode::from(2);
            }
        }
    }
    let Some(data) = data else {
        say!("--data DIR is missing");
        return ExitCode::from(2);
    };
    let done = match parent {
        Some(parent) => become_etcd(&data, parent),
        None => run(&data),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            say!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Dies with its parent, and becomes etcd: in this order, so that no etcd outlives the guardian.
fn become_etcd(data: &Path, parent: i32) -> Result<ExitCode, Trouble> {
    let failed = |error: &dyn std::fmt::Display| Trouble::Failed(format!("etcd: {error}"));
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| failed(&error))?;
    if getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(failed(&"who started it is gone"));
    }
    let file = NodeFile::read_present(data)?;
    let Some(member) = &file.member else { return Ok(ExitCode::SUCCESS) };
    Err(failed(&etcd::command(&file, member, data).exec()))
}

fn run(data: &Path) -> Result<ExitCode, Trouble> {
    let Some(file) = NodeFile::read(data)? else { return Ok(ExitCode::SUCCESS) };
    let Some(member) = &file.member else { return Ok(ExitCode::SUCCESS) };
    secret::folder(&data.join(&member.data))?;
    // Only root may; without it the member is as good as any process.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM);
    let admin = Admin::new(file.options(data, &writer(&file.node))?)?;
    let failed = |what: &str, error: std::io::Error| Trouble::Failed(format!("{what}: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("threads", error))?;
    let data = data.to_owned();
    runtime.block_on(async move {
        let mut told = signal(SignalKind::terminate()).map_err(|error| failed("signals", error))?;
        let mut etcd = tokio::process::Command::new("/proc/self/exe")
            .arg0("stead")
            .arg("member")
            .arg("--data")
            .arg(&data)
            .args(["--become-etcd-of", &std::process::id().to_string()])
            .spawn()
            .map_err(|error| failed("etcd", error))?;
        let child = etcd.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        // On a thread of its own: it waits for etcd. It ends with the process.
        std::thread::Builder::new()
            .name("members".to_owned())
            .spawn(move || look_after(&admin, &data, &file))
            .map_err(|error| failed("thread", error))?;
        loop {
            tokio::select! {
                ended = etcd.wait() => {
                    let status = ended.map_err(|error| failed("etcd", error))?;
                    say!("etcd ended ({status})");
                    return Ok(ExitCode::from(u8::from(!status.success())));
                }
                _ = told.recv() => {
                    if let Some(child) = child {
                        let _ = kill_process(child, Signal::TERM);
                    }
                }
            }
        }
    })
}

/// Looks at the members for ever: asks for the vote of ours, writes down where the others are, and renews the certificate
/// of this node before it ends.
fn look_after(admin: &Admin, data: &Path, file: &NodeFile) {
    let Some(own) = &file.member else { return };
    let mut told = None;
    let mut written = Vec::new();
    let mut waiting = false;
    // Nobody ever sends: the time between two looks is all there is to wait for.
    let (_never, pause) = std::sync::mpsc::channel::<()>();
    loop {
        let mut next = LOOK.0;
        let said = match renew_in_time(data, file) {
            Ok(None) => None,
            Ok(Some(renewed)) => Some(renewed.told()),
            Err(error) => Some(format!("the certificate of this node ends soon and is not renewed: {error}")),
        };
        if let Some(said) = said.filter(|said| told.as_ref() != Some(said)) {
            say!("{said}");
            told = Some(said);
        }
        if let Ok((_, members)) = admin.list() {
            let ours = members.iter().find(|member| member.peer_urls.contains(&own.peer_url));
            match ours {
                Some(ours) if ours.learner => {
                    if !waiting {
                        say!("catching up; it votes as soon as it has");
                        waiting = true;
                    }
                    // Until it has caught up, etcd refuses.
                    if admin.promote(ours.id).is_ok() {
                        say!("it has caught up and votes");
                    }
                }
                Some(_) => next = LOOK.1,
                None => {}
            }
            let urls: Vec<String> = members
                .iter()
                .filter(|member| !member.learner)
                .flat_map(|member| member.client_urls.iter().cloned())
                .collect();
            if !urls.is_empty() && urls != written {
                let lines: String = urls.iter().map(|url| format!("{url}\n")).collect();
                if secret::write(&data.join(LEARNED), lines.as_bytes()).is_ok() {
                    written = urls;
                }
            }
        }
        let _ = pause.recv_timeout(next);
    }
}
