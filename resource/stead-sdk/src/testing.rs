//! A harness that drives a resource type without any cluster, through its function table, as a monitor would.
//!
//! It does what the documentation asks of a monitor and no more: no polls, no time-outs, no restarts.
#![allow(unsafe_code, reason = "calls through a function table")]

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use stead_resapi as abi;
use stead_resapi::{
    CLRES_CALLBACK_FUNCTION_TABLE, CLRES_FUNCTION_TABLE, CLRES_V2_FUNCTIONS, HANDLE, PropertyList, RESID,
    RESOURCE_HANDLE, encode_multi_sz, to_wide,
};

/// A value of a property list.
pub use stead_resapi::Value;

use crate::property::Stored;
use crate::{PropertyValue, Resource, ffi};

/// A wait longer than this is a hang.
const HUNG: Duration = Duration::from_secs(60);

/// What a monitor would show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not serving.
    Offline,
    /// On the way to Online.
    OnlinePending,
    /// Serving.
    Online,
    /// On the way to Offline.
    OfflinePending,
    /// The last operation failed.
    Failed,
}

/// A status report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// `ResourceState`.
    pub state: i32,
    /// `CheckPoint`.
    pub checkpoint: u32,
    /// The file descriptor in `EventHandle`; 0 is none.
    pub event: i32,
    /// `ApplicationSpecificErrorCode`.
    pub code: u32,
    /// `Flags`.
    pub flags: u32,
}

#[derive(Default)]
struct Record {
    state: Option<State>,
    reports: Vec<Report>,
    lines: Vec<(i32, String)>,
    values: Vec<(String, Stored)>,
    event: i32,
    stop: bool,
}

static RECORDS: Mutex<BTreeMap<u64, Record>> = Mutex::new(BTreeMap::new());
static CHANGED: Condvar = Condvar::new();

fn records() -> MutexGuard<'static, BTreeMap<u64, Record>> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "system" fn status_ex(handle: RESOURCE_HANDLE, status: *mut abi::RESOURCE_STATUS_EX) -> u32 {
    // SAFETY: the SDK passes a structure of its own.
    let status = unsafe { status.read() };
    let report = Report {
        state: status.ResourceState,
        checkpoint: status.CheckPoint,
        event: status.EventHandle as usize as i32,
        code: status.ApplicationSpecificErrorCode,
        flags: status.Flags,
    };
    let mut records = records();
    let Some(record) = records.get_mut(&(handle as u64)) else { return 1 };
    record.reports.push(report);
    match report.state {
        abi::ClusterResourceOnlinePending | abi::ClusterResourceOfflinePending => {}
        abi::ClusterResourceOnline => {
            record.event = report.event.max(record.event);
            record.state = Some(State::Online);
        }
        abi::ClusterResourceOffline => record.state = Some(State::Offline),
        _ => record.state = Some(State::Failed),
    }
    CHANGED.notify_all();
    u32::from(record.stop)
}

fn log(handle: RESOURCE_HANDLE, level: i32, text: &[u16]) {
    if let Some(record) = records().get_mut(&(handle as u64)) {
        record.lines.push((level, String::from_utf16_lossy(text)));
    }
}

fn stored(value: &PropertyValue) -> Stored {
    let wide = |units: Vec<u16>| units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    match value {
        PropertyValue::Text(text) => Stored { kind: 1, data: wide(to_wide(text)) },
        PropertyValue::Number(number) => match u32::try_from(*number) {
            Ok(number) => Stored { kind: 4, data: number.to_le_bytes().to_vec() },
            Err(_) => Stored { kind: 11, data: number.to_le_bytes().to_vec() },
        },
        PropertyValue::List(list) => Stored { kind: 7, data: wide(encode_multi_sz(list)) },
        PropertyValue::Bytes(bytes) => Stored { kind: 3, data: bytes.clone() },
    }
}

/// An instance that is not open yet.
pub struct Harness<T> {
    name: String,
    values: Vec<(String, Stored)>,
    resource: PhantomData<fn() -> T>,
}

/// An open instance. Dropping it closes it.
pub struct Opened<T> {
    resid: RESID,
    handle: u64,
    functions: CLRES_V2_FUNCTIONS,
    resource: PhantomData<fn() -> T>,
}

// SAFETY: the pointer is an opaque number that is passed back; entry points may be called on any thread.
unsafe impl<T> Send for Opened<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Opened<T> {}

impl<T: Resource> Harness<T> {
    /// An instance with this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Harness { name: name.to_owned(), values: Vec::new(), resource: PhantomData }
    }

    /// Sets a private property.
    #[must_use]
    pub fn property(mut self, name: &str, value: PropertyValue) -> Self {
        self.values.push((name.to_owned(), stored(&value)));
        self
    }

    /// Sets a text property.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Self {
        self.property(name, PropertyValue::Text(text.to_owned()))
    }

    /// Sets a number property.
    #[must_use]
    pub fn number(self, name: &str, number: u64) -> Self {
        self.property(name, PropertyValue::Number(number))
    }

    /// Sets a property that is a list of texts.
    #[must_use]
    pub fn list(self, name: &str, list: &[&str]) -> Self {
        self.property(name, PropertyValue::List(list.iter().map(|&text| text.to_owned()).collect()))
    }

    /// Loads the type and calls `Open`.
    ///
    /// # Errors
    /// The log lines, where `Open` refuses.
    ///
    /// # Panics
    /// If the type refuses to start up.
    pub fn open(self) -> Result<Opened<T>, Vec<String>> {
        static PREPARE: Once = Once::new();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        PREPARE.call_once(|| {
            abi::set_log_sink(log);
            ffi::replace_keys(|key| records().get(&key).map(|record| record.values.clone()));
        });
        let handle = NEXT.fetch_add(1, Ordering::Relaxed);
        records()
            .insert(handle, Record { values: self.values, state: Some(State::Offline), ..Record::default() });
        let functions = functions::<T>();
        let name = to_wide(&self.name);
        let Some(open) = functions.Open else { return Err(vec!["no Open".to_owned()]) };
        // SAFETY: the SDK's own entry point; key and handle are opaque to it.
        let resid = unsafe { open(name.as_ptr(), handle as abi::HKEY, handle as RESOURCE_HANDLE, 0) };
        if resid.is_null() {
            let record = records().remove(&handle).unwrap_or_default();
            return Err(record.lines.into_iter().map(|(_, line)| line).collect());
        }
        Ok(Opened { resid, handle, functions, resource: PhantomData })
    }
}

/// The function table of a type, got as a monitor gets it.
fn functions<T: Resource>() -> CLRES_V2_FUNCTIONS {
    let mut callbacks = CLRES_CALLBACK_FUNCTION_TABLE {
        LogEvent: Some(abi::log_event()),
        SetResourceStatusEx: Some(status_ex),
        SetResourceLockedMode: None,
        SignalFailure: None,
        SetResourceInMemoryNodeLocalProperties: None,
        EndControlCall: None,
        EndTypeControlCall: None,
        ExtendControlCall: None,
        ExtendTypeControlCall: None,
        RaiseResTypeNotification: None,
        ChangeResourceProcessForDumps: None,
        ChangeResTypeProcessForDumps: None,
        SetInternalState: None,
        SetResourceLockedModeEx: None,
        RequestDump: None,
        SetResourceWprPolicy: None,
        ArmWprWatchdogForCurrentResourceCall: None,
    };
    let mut table: *mut CLRES_FUNCTION_TABLE = null_mut();
    let name = to_wide(T::TYPE_NAME);
    let (_, startup_ex) = crate::builtin::<T>();
    let (min, max) = (abi::CLRES_VERSION_V1_00, abi::CLRES_VERSION_V4_00);
    // SAFETY: documented arguments that outlive the call.
    let code = unsafe { startup_ex(name.as_ptr(), min, max, &raw mut callbacks, &raw mut table) };
    assert_eq!(code, 0, "StartupEx");
    // SAFETY: start-up succeeded; this crate hands out tables of version 2.
    unsafe { (*table).F.V2 }
}

impl<T: Resource> Opened<T> {
    fn begin(&self, state: State) {
        if let Some(record) = records().get_mut(&self.handle) {
            record.state = Some(state);
            record.reports.clear();
        }
    }

    fn end(&self, state: State, event: i32) {
        if let Some(record) = records().get_mut(&self.handle) {
            record.state = Some(state);
            if event != 0 {
                record.event = event;
            }
        }
        CHANGED.notify_all();
    }

    /// Calls `OnlineV2`; what it returned. Follow with [`Opened::wait_settled`].
    pub fn online(&self) -> u32 {
        self.online_with(0, &[])
    }

    /// As [`Opened::online`], with flags and data.
    pub fn online_with(&self, flags: u32, in_buffer: &[u8]) -> u32 {
        self.begin(State::OnlinePending);
        let mut event: HANDLE = null_mut();
        let mut buffer = in_buffer.to_vec();
        let pointer = if buffer.is_empty() { null_mut() } else { buffer.as_mut_ptr() };
        let Some(online) = self.functions.Online else { return abi::ERROR_CALL_NOT_IMPLEMENTED };
        // SAFETY: the SDK's own entry point with its own instance.
        let code = unsafe { online(self.resid, &raw mut event, flags, pointer, buffer.len() as u32, 0) };
        match code {
            abi::ERROR_SUCCESS => self.end(State::Online, event as usize as i32),
            abi::ERROR_IO_PENDING => {}
            _ => self.end(State::Failed, 0),
        }
        code
    }

    /// Calls `OfflineV2`; what it returned. Follow with [`Opened::wait_settled`].
    pub fn offline(&self) -> u32 {
        self.offline_with(0, None)
    }

    /// As [`Opened::offline`], with flags and a destination.
    pub fn offline_with(&self, flags: u32, destination: Option<&str>) -> u32 {
        self.begin(State::OfflinePending);
        let destination = destination.map(to_wide);
        let name = destination.as_ref().map_or(null(), |name| name.as_ptr());
        let Some(offline) = self.functions.Offline else { return abi::ERROR_CALL_NOT_IMPLEMENTED };
        // SAFETY: the SDK's own entry point with its own instance.
        let code = unsafe { offline(self.resid, name, flags, null_mut(), 0, 0) };
        match code {
            abi::ERROR_SUCCESS => self.end(State::Offline, 0),
            abi::ERROR_IO_PENDING => {}
            _ => self.end(State::Failed, 0),
        }
        code
    }

    /// Waits until no operation is pending.
    ///
    /// # Panics
    /// After a minute: it hangs.
    pub fn wait_settled(&self) -> State {
        let until = Instant::now() + HUNG;
        let mut records = records();
        loop {
            let state = records.get(&self.handle).and_then(|record| record.state);
            match state {
                Some(State::OnlinePending | State::OfflinePending) | None => {}
                Some(settled) => return settled,
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the operation is still pending after {HUNG:?}");
            records = CHANGED.wait_timeout(records, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until a status report fits.
    ///
    /// # Panics
    /// After a minute: it hangs.
    pub fn wait_report(&self, fits: impl Fn(&Report) -> bool) -> Report {
        let until = Instant::now() + HUNG;
        let mut records = records();
        loop {
            let found =
                records.get(&self.handle).and_then(|record| record.reports.iter().copied().find(&fits));
            if let Some(report) = found {
                return report;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no such report after {HUNG:?}");
            records = CHANGED.wait_timeout(records, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Calls `Terminate`. The state afterwards is Offline.
    pub fn terminate(&self) {
        if let Some(terminate) = self.functions.Terminate {
            // SAFETY: the SDK's own entry point with its own instance.
            unsafe { terminate(self.resid) };
        }
        self.end(State::Offline, 0);
    }

    /// Calls `IsAlive`.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        // SAFETY: the SDK's own entry point with its own instance.
        self.functions.IsAlive.is_some_and(|alive| unsafe { alive(self.resid) } != 0)
    }

    /// Calls `LooksAlive`.
    #[must_use]
    pub fn looks_alive(&self) -> bool {
        // SAFETY: the SDK's own entry point with its own instance.
        self.functions.LooksAlive.is_some_and(|alive| unsafe { alive(self.resid) } != 0)
    }

    /// Calls `Cancel`.
    pub fn cancel(&self) -> u32 {
        // SAFETY: the SDK's own entry point with its own instance.
        self.functions
            .Cancel
            .map_or(abi::ERROR_CALL_NOT_IMPLEMENTED, |cancel| unsafe { cancel(self.resid, 0) })
    }

    /// Calls `ResourceControl` with a buffer of `room` bytes: the code, and the output or the size needed.
    pub fn control(&self, code: u32, input: &[u8], room: usize) -> (u32, Vec<u8>, u32) {
        let (mut input, mut output, mut returned) = (input.to_vec(), vec![0u8; room], 0);
        let Some(control) = self.functions.ResourceControl else {
            return (abi::ERROR_INVALID_FUNCTION, Vec::new(), 0);
        };
        // SAFETY: the SDK's own entry point with its own instance; buffers have the sizes given along.
        let result = unsafe {
            control(
                self.resid,
                code,
                input.as_mut_ptr().cast(),
                input.len() as u32,
                output.as_mut_ptr().cast(),
                output.len() as u32,
                &raw mut returned,
            )
        };
        output.truncate(if result == 0 { returned as usize } else { 0 });
        (result, output, returned)
    }

    /// Asks whether these private properties are allowed: the code, and what is said of them.
    pub fn validate(&self, properties: &[(&str, Value)]) -> (u32, Vec<String>) {
        let list = properties.iter().map(|(name, value)| abi::Property::new(name, value.clone())).collect();
        let before = self.lines().len();
        let input = PropertyList(list).encode();
        let (code, ..) = self.control(abi::CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES, &input, 0);
        (code, self.lines().split_off(before))
    }

    /// Makes status callbacks answer "terminate" from now on.
    pub fn stop_reports(&self) {
        if let Some(record) = records().get_mut(&self.handle) {
            record.stop = true;
        }
    }

    /// The status reports of the current or last operation.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        records().get(&self.handle).map(|record| record.reports.clone()).unwrap_or_default()
    }

    /// The file descriptor of the event handle; 0 is none.
    #[must_use]
    pub fn event(&self) -> i32 {
        records().get(&self.handle).map_or(0, |record| record.event)
    }

    /// Everything logged so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let records = records();
        let lines = records.get(&self.handle).map(|record| record.lines.iter());
        lines.into_iter().flatten().map(|(_, line)| line.clone()).collect()
    }
}

impl<T> Drop for Opened<T> {
    fn drop(&mut self) {
        if let Some(close) = self.functions.Close {
            // SAFETY: the SDK's own entry point; the instance is closed once.
            unsafe { close(self.resid) };
        }
        records().remove(&self.handle);
    }
}
