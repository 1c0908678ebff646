//! One run of an agent.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::report::Ended;

/// So much of what it prints is kept.
const LONGEST: usize = 64 << 10;

fn take(from: &mut impl Read, into: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4_096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                let room = LONGEST.saturating_sub(into.len());
                into.extend_from_slice(&buffer[..count.min(room)]);
            }
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

/// Runs a program with this on its standard input, for at most `limit`: how it ended, and what it printed. Its process group is
/// killed in the end, whatever it left there.
pub(crate) fn run(program: &Path, input: &str, limit: Duration) -> io::Result<(Ended, String)> {
    let until = Instant::now() + limit;
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
    command.current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    let mut said = Vec::new();
    let ended = (|| {
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        if let Some(mut stdin) = child.stdin.take() {
            // It fits into the pipe. An agent that does not read has ended, or will be judged by what it does.
            match stdin.write_all(input.as_bytes()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("its output is not connected"));
        };
        rustix::io::ioctl_fionbio(&out, true)?;
        rustix::io::ioctl_fionbio(&err, true)?;
        let (mut out_open, mut err_open) = (true, true);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let patience = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN)];
            if out_open {
                fds.push(PollFd::from_borrowed_fd(out.as_fd(), PollFlags::IN));
            }
            if err_open {
                fds.push(PollFd::from_borrowed_fd(err.as_fd(), PollFlags::IN));
            }
            match poll(&mut fds, Some(&patience)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let over = !fds[0].revents().is_empty();
            out_open = out_open && take(&mut out, &mut said);
            err_open = err_open && take(&mut err, &mut said);
            if over {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
        }
    })();
    // Before it is reaped its number, which is the group's, can be nobody else's.
    let _ = kill_process_group(pid, Signal::KILL);
    let status = child.wait()?;
    let ended = match (ended?, status.code(), status.signal()) {
        (false, _, _) => Ended::TooLong,
        (true, Some(code), _) => Ended::Exited(code),
        (true, None, signal) => Ended::Killed(signal.unwrap_or_default()),
    };
    Ok((ended, String::from_utf8_lossy(&said).into_owned()))
}
