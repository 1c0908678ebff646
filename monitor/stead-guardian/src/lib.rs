//! The guardian, root of every stead process on a node, and the warden, pid 1 of a Resource Monitor's namespace.
//!
//! ```text
//! guardian ─┬─ node
//!           ├─ member (the managed member of etcd, where this machine is a node of a cluster that has one)
//!           └─ (guard) ─── warden (one a Resource Monitor, pid 1 of a pid namespace) ─── monitor ─── what resources start
//! ```
//!
//! The guardian starts the node and starts it again when it dies; groups run on meanwhile, since it holds the links to
//! their monitors. When a warden dies, for whatever reason, the kernel kills everything in its namespace; when the
//! guardian dies, the kernel kills the node and every warden. Neither process loads a plugin or opens the cluster
//! database.
//!
//! On one machine of several a node works under a lease, and each warden has a guard: a process that a timer of the kernel
//! kills when the lease runs out, whether or not anything of ours is able to run then.
//!
//! Each monitor has its own warden and namespace, also a second monitor of a group: so a monitor that dies takes
//! exactly its own processes with it. Mounts of the host are seen inside, mounts made inside are not seen outside and
//! go with the namespace. What a monitor's processes may use together is limited by control groups where they can be had,
//! what each of them may use by itself everywhere; the guardian's log says what is in force.
#![warn(clippy::print_stdout, clippy::print_stderr, reason = "on a full disk they panic")]

/// Writes a line to the log, with its time.
macro_rules! note {
    ($($text:tt)*) => { crate::stamp::say(format_args!($($text)*)) };
}

mod cgroup;
mod contain;
mod guard;
mod guardian;
mod hosted;
mod lease;
mod limits;
mod member;
mod node;
mod output;
mod stamp;
mod storage;
mod sys;
mod undo;
mod warden;
mod watchdog;

use rustix::time::{ClockId, clock_gettime};
use stead_types::Time;

/// The clock of every deadline.
fn now() -> Time {
    let now = clock_gettime(ClockId::Boottime);
    Time::from_nanos(
        now.tv_sec.unsigned_abs().wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec.unsigned_abs()),
    )
}

pub use contain::probe;
pub use guardian::guardian_main;
pub use stead_monitor_protocol::Containment;
pub use warden::warden_main;
