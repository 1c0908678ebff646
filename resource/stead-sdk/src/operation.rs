//! What a resource type is given: its context, and the operation it is asked for.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stead_resapi as abi;

use crate::ffi;
use crate::property::{Properties, Property};

/// Level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Information,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

impl Level {
    const fn number(self) -> i32 {
        match self {
            Level::Information => abi::LOG_INFORMATION,
            Level::Warning => abi::LOG_WARNING,
            Level::Error => abi::LOG_ERROR,
        }
    }
}

/// An instance as its host knows it. Clones are the same instance.
#[derive(Clone, Debug)]
pub struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: Mutex<String>,
    handle: u64,
    key: u64,
    declared: &'static [Property],
}

impl Context {
    pub(crate) fn new(name: String, handle: u64, key: u64, declared: &'static [Property]) -> Self {
        Context(Arc::new(Inner { name: Mutex::new(name), handle, key, declared }))
    }

    pub(crate) fn handle(&self) -> u64 {
        self.0.handle
    }

    pub(crate) fn rename(&self, name: String) {
        *self.0.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// The name of the resource.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The private properties as they are set now.
    #[must_use]
    pub fn properties(&self) -> Properties {
        Properties::from_stored(self.0.declared, ffi::parameters(self.0.key))
    }

    /// Writes a line to the cluster log; what is over 500 characters is cut.
    pub fn log(&self, level: Level, text: &str) {
        ffi::log(self.0.handle, level.number(), text);
    }

    /// Begins or ends locked mode: while it lasts nobody takes the resource offline or moves it. The documented
    /// code: 5004 if the resource is not online.
    pub fn set_locked(&self, locked: bool, reason: u32) -> u32 {
        ffi::set_locked(self.0.handle, locked, reason)
    }

    /// Fails the resource now, without waiting for a health check.
    pub fn signal_failure(&self, code: u32) -> u32 {
        ffi::signal(self.0.handle, abi::FAILURE_TYPE_GENERAL, code)
    }

    /// Reports a failure inside a healthy resource.
    pub fn signal_embedded_failure(&self, code: u32) -> u32 {
        ffi::signal(self.0.handle, abi::FAILURE_TYPE_EMBEDDED, code)
    }
}

/// Why a call failed, or why it must wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub(crate) code: u32,
    pub(crate) state: i32,
    pub(crate) flags: u32,
    pub(crate) text: String,
}

impl Failure {
    /// A failure with one of the system's codes and a sentence for the log.
    pub fn new(code: u32, text: impl Into<String>) -> Self {
        // Success and pending would be taken for what they say.
        let code = if code == 0 || code == abi::ERROR_IO_PENDING { abi::ERROR_RESOURCE_FAILED } else { code };
        Failure { code, state: abi::ClusterResourceFailed, flags: 0, text: text.into() }
    }

    /// It cannot come online on any node: its configuration is wrong.
    pub fn on_any_node(text: impl Into<String>) -> Self {
        let state = abi::ClusterResourceCannotComeOnlineOnAnyNode;
        Failure { state, ..Failure::new(abi::ERROR_CLUSTER_RESOURCE_CONFIGURATION_ERROR, text) }
    }

    /// It cannot come online on this node: something is missing here.
    pub fn on_this_node(text: impl Into<String>) -> Self {
        let state = abi::ClusterResourceCannotComeOnlineOnThisNode;
        Failure { state, ..Failure::new(abi::ERROR_NODE_CANT_HOST_RESOURCE, text) }
    }

    fn delay(flags: u32, text: &str) -> Self {
        Failure { flags, state: abi::ClusterResourceOnline, ..Failure::new(abi::ERROR_BUSY, text) }
    }

    /// Not offline now: busy. It stays online.
    #[must_use]
    pub fn busy() -> Self {
        Failure::delay(abi::CLUSRESDLL_STATUS_OFFLINE_BUSY, "busy")
    }

    /// Not offline now: this node is at its limit. It stays online.
    #[must_use]
    pub fn source_throttled() -> Self {
        Failure::delay(abi::CLUSRESDLL_STATUS_OFFLINE_SOURCE_THROTTLED, "this node is at its limit")
    }

    /// Not offline now: the destination is at its limit. It stays online.
    #[must_use]
    pub fn destination_throttled() -> Self {
        Failure::delay(
            abi::CLUSRESDLL_STATUS_OFFLINE_DESTINATION_THROTTLED,
            "the destination is at its limit",
        )
    }

    /// Not offline for this destination, which refused. It stays online.
    #[must_use]
    pub fn destination_rejected() -> Self {
        Failure::delay(abi::CLUSRESDLL_STATUS_OFFLINE_DESTINATION_REJECTED, "the destination refused")
    }

    /// The system's code.
    #[must_use]
    pub const fn code(&self) -> u32 {
        self.code
    }

    /// The sentence for the log.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        #[allow(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow")]
        let code = match error.kind() {
            Kind::NotFound => abi::ERROR_FILE_NOT_FOUND,
            Kind::PermissionDenied => abi::ERROR_ACCESS_DENIED,
            Kind::OutOfMemory => abi::ERROR_NOT_ENOUGH_MEMORY,
            Kind::TimedOut => abi::ERROR_TIMEOUT,
            _ => abi::ERROR_RESOURCE_FAILED,
        };
        Failure::new(code, error.to_string())
    }
}

/// How a resource that came online is watched.
#[derive(Debug)]
pub struct Online(pub(crate) Option<OwnedFd>);

impl Online {
    /// By polling.
    #[must_use]
    pub const fn polled() -> Self {
        Online(None)
    }

    /// By a descriptor that becomes readable when something happened: a pidfd, an eventfd, the end of a pipe.
    /// `is_alive` then says whether it was bad.
    #[must_use]
    pub const fn watched(event: OwnedFd) -> Self {
        Online(Some(event))
    }

    pub(crate) fn event(&self) -> i32 {
        self.0.as_ref().map_or(0, AsRawFd::as_raw_fd)
    }
}

#[derive(Debug, Default)]
struct Wish {
    stop: bool,
    cancel: bool,
    finished: bool,
}

/// Lets other threads tell an operation to end.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    wish: Mutex<Wish>,
    told: Condvar,
}

impl Stop {
    fn wish(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stop(&self) {
        self.wish().stop = true;
        self.told.notify_all();
    }

    pub(crate) fn cancel(&self) {
        self.wish().cancel = true;
        self.told.notify_all();
    }

    pub(crate) fn stopped(&self) -> bool {
        self.wish().stop
    }

    /// The work is done; only its report may still be on the way.
    pub(crate) fn finish(&self) {
        self.wish().finished = true;
    }

    pub(crate) fn finished(&self) -> bool {
        self.wish().finished
    }
}

/// An online or offline that is in progress.
#[derive(Debug)]
pub struct Operation {
    pub(crate) context: Context,
    pub(crate) flags: u32,
    pub(crate) in_buffer: Vec<u8>,
    pub(crate) destination: Option<String>,
    pub(crate) reason: u32,
    pub(crate) pending: Option<i32>,
    pub(crate) checkpoint: AtomicU32,
    pub(crate) stop: Arc<Stop>,
}

impl Operation {
    /// The instance.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// `CLUS_RESDLL_ONLINE_…` or `CLUS_RESDLL_OFFLINE_…` flags.
    #[must_use]
    pub const fn flags(&self) -> u32 {
        self.flags
    }

    /// The data that came with the request; empty where none did.
    #[must_use]
    pub fn in_buffer(&self) -> &[u8] {
        &self.in_buffer
    }

    /// The node that will hold the resource after a move.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        self.destination.as_deref()
    }

    /// `CLUSAPI_RESOURCE_OFFLINE_REASON_…`.
    #[must_use]
    pub const fn reason(&self) -> u32 {
        self.reason
    }

    /// Shows progress: the host's patience begins anew. False if the operation is to end now.
    pub fn progress(&self) -> bool {
        let Some(state) = self.pending else { return true };
        let checkpoint = self.checkpoint.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.stop.stopped() && ffi::report(self.context.handle(), state, checkpoint, 0, 0, 0) {
            self.stop.stop();
        }
        !self.ending()
    }

    /// True if the operation is to end now: terminated or cancelled.
    #[must_use]
    pub fn ending(&self) -> bool {
        let wish = self.stop.wish();
        wish.stop || wish.cancel
    }

    /// Waits. False as soon as the operation is to end.
    #[must_use]
    pub fn wait(&self, duration: Duration) -> bool {
        let until = Instant::now() + duration;
        let mut wish = self.stop.wish();
        loop {
            if wish.stop || wish.cancel {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            wish = self.stop.told.wait_timeout(wish, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
