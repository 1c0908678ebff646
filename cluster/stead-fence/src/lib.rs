//! Runs `fence_*` agents of ClusterLabs: programs that switch a machine off by its power supply, its management board or
//! its hypervisor.
//!
//! A lease that ran out says that a node's work has ended if its clock and its kernel work. A fence agent needs neither: it
//! is asked where a machine hangs that no clock reaches, and to begin sooner than the lease allows. What it says counts only
//! when it has been checked: [`fence`] confirms a session's end when `off` succeeded **and** `status`, asked afterwards,
//! says that the machine is off. A reboot is [`fence`], and then [`switch_on`].
//!
//! Calls block, for as long as a device's `timeout` for each of two runs: call from a thread of your own.
//!
//! ```no_run
//! use stead_fence::{Device, fence};
//! let device = Device {
//!     name: "rack-3".to_owned(),
//!     agent: "fence_ipmilan".to_owned(),
//!     parameters: [("lanplus".to_owned(), "1".to_owned())].into(),
//!     nodes: [("n2".to_owned(), [("ip".to_owned(), "10.0.9.2".to_owned())].into())].into(),
//!     ..Device::default()
//! };
//! device.check().expect("as configured");
//! let report = fence(&device, "n2", 42);
//! if report.confirmed() {
//!     // Session 42 of n2 is dead: nothing of it runs.
//! }
//! ```
//!
//! Contract of the agents: parameters come as `name=value` lines on standard input, `action` among them; exit status 0 is
//! success; `status` exits with 0 when the machine is on and with 2 when it is off, and prints `Status: ON` or `Status: OFF`.
//! Since 2 is also what some agents exit with when they do not understand their parameters, both are needed to believe "off".

mod agent;
mod device;
mod metadata;
mod report;

pub use device::{Device, Wrong};
pub use metadata::validate;
pub use report::{Ended, Power, Report, Run, fence, power, succeeded, switch_on};
