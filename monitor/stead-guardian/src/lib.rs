//! The guardian, root of every stead process on a node, and the warden, pid 1 of a Resource Monitor's namespace.
//!
//! ```text
//! guardian ─┬─ node
//!           └─ warden (one a Resource Monitor, pid 1 of a pid namespace) ─── monitor ─── what resources start
//! ```
//!
//! The guardian starts the node and starts it again when it dies; groups run on meanwhile, since it holds the links to
//! their monitors. When a warden dies, for whatever reason, the kernel kills everything in its namespace; when the
//! guardian dies, the kernel kills the node and every warden. Neither process loads a plugin or opens the cluster
//! database.
//!
//! Each monitor has its own warden and namespace, also a second monitor of a group: so a monitor that dies takes
//! exactly its own processes with it. Mounts of the host are seen inside, mounts made inside are not seen outside and
//! go with the namespace. What a monitor's processes may use together is limited by control groups where they can be had,
//! what each of them may use by itself everywhere; the guardian's log says what is in force.

mod cgroup;
mod contain;
mod guardian;
mod limits;
mod node;
mod output;
mod sys;
mod warden;

pub use contain::probe;
pub use guardian::guardian_main;
pub use stead_monitor_protocol::Containment;
pub use warden::warden_main;
