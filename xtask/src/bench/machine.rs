//! What /proc tells.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::errno::Errno;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The machine, in a line.
pub(super) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores,{}; Linux {}", model.trim_start_matches(['\t', ':']), kernel.trim())
}

/// Kills a process at once.
pub(super) fn kill(process: u32) -> Result<(), String> {
    // The system call costs less than a program, but a dependency more than it is worth here.
    let status = Command::new("kill").args(["-9", &process.to_string()]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("kill: {status}")),
        Err(error) => Err(format!("kill: {error}")),
    }
}

/// Kills processes, the first one first; such as have ended with it are no error.
pub(super) fn kill_all(processes: &[u32]) -> Result<(), String> {
    let processes = processes.iter().map(ToString::to_string);
    let output = Command::new("kill").arg("-9").args(processes).output();
    output.map(drop).map_err(|error| format!("kill: {error}"))
}

/// Processor time of processes so far, exact to the nanosecond: what /proc/PID/stat shows is cut to hundredths of
/// a second, which for two hundred idle processes hides most of it.
pub(super) fn cpu_time(processes: &[u32]) -> Result<Duration, String> {
    let of = |process: &u32| {
        let pid = i32::try_from(*process).map_err(|_| Errno::ESRCH)?;
        Ok(Duration::from(clock_gettime(clock_getcpuclockid(Pid::from_raw(pid))?)?))
    };
    processes
        .iter()
        .map(|process| of(process).map_err(|error: Errno| format!("process {process}: {error}")))
        .sum()
}

/// Memory that only these processes have.
pub(super) fn private_kib(processes: &[u32]) -> Result<u64, String> {
    let mut sum = 0;
    for process in processes {
        let path = format!("/proc/{process}/smaps_rollup");
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let private = text.lines().filter(|line| line.starts_with("Private_"));
        sum += private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(sum)
}

/// The time of day of a log line, in seconds.
pub(super) fn seconds_of_day(line: &str) -> Option<f64> {
    let time = line.split_once('T')?.1.split_once('Z')?.0;
    let mut parts = time.split(':');
    let mut next = || parts.next()?.parse::<f64>().ok();
    Some(next()? * 3_600.0 + next()? * 60.0 + next()?)
}
