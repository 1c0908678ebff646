//! Resource DLLs: loading, negotiating and calling them, and the callbacks they are given. All that is unsafe about
//! hosting foreign code is here, in `crash.rs`, `names.rs` and `verify/foreign.rs`; functions that resource DLLs call by
//! name are in other crates.
#![allow(unsafe_code, reason = "this is the boundary to foreign code")]

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::{Mutex, OnceLock};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use stead_resapi as abi;
use stead_resapi::{
    BOOL, CLRES_CALLBACK_FUNCTION_TABLE, CLRES_FUNCTION_TABLE, CLRES_V1_FUNCTIONS, CLRES_V2_FUNCTIONS,
    CLRES_V3_FUNCTIONS, CLRES_V4_FUNCTIONS, DWORD, HANDLE, HKEY, RESID, RESOURCE_HANDLE, WCHAR, to_wide,
};
use stead_types::{Code, StatusFlags};

use crate::dll_main;
use crate::guarded::Guarded;
use crate::hosting::Status;
use crate::load::{LoadError, inspect};
use crate::names;

/// A resource type linked into the executable.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name.
    pub type_name: &'static str,
    /// Its start-up routine.
    pub startup_ex: abi::STARTUP_EX,
}

/// A failure type of `SignalFailure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    General,
    Embedded,
    NetworkLoss,
    Unknown(i32),
}

/// Who takes the callbacks of every DLL in this process.
pub(crate) trait Callbacks: Send + Sync {
    fn status(&'static self, handle: u64, status: Option<Status>, ex: bool) -> u32;
    fn log(&'static self, handle: u64, level: i32, text: &[u16]);
    fn locked(&'static self, handle: u64, locked: bool, reason: u32, flags: Option<u32>) -> u32;
    fn signal(&'static self, handle: u64, failure: Failure, code: u32) -> u32;
    fn in_memory_properties(&'static self, handle: u64, list: Option<&[u8]>) -> u32;
    fn end_control(&'static self, name: &'static str, context: i64, status: u32) -> u32;
    fn extend_control(&'static self, name: &'static str, context: i64, limit_ms: u32) -> u32;
    fn internal_state(&'static self, handle: u64, kind: i32, active: bool) -> u32;
    /// A callback without effect here; answered with success.
    fn noted(&'static self, name: &'static str, handle: u64) -> u32;
}

static HOST: OnceLock<&'static dyn Callbacks> = OnceLock::new();

/// Says who takes callbacks. The first call in a process decides.
pub(crate) fn set_callbacks(host: &'static dyn Callbacks) -> bool {
    abi::set_log_sink(|handle, level, text| {
        if let Some(host) = HOST.get() {
            host.log(handle as u64, level, text);
        }
    });
    HOST.set(host).is_ok()
}

fn with(call: impl FnOnce(&'static dyn Callbacks) -> u32) -> u32 {
    HOST.get().map_or(abi::ERROR_CALL_NOT_IMPLEMENTED, |host| call(*host))
}

pub(crate) unsafe extern "system" fn set_resource_status(
    handle: RESOURCE_HANDLE,
    status: *mut abi::RESOURCE_STATUS,
) -> DWORD {
    // SAFETY: null or the DLL's structure, as PSET_RESOURCE_STATUS_ROUTINE demands; read unaligned and only once.
    let status = (!status.is_null()).then(|| unsafe { status.read_unaligned() }).map(|status| Status {
        state: status.ResourceState,
        checkpoint: status.CheckPoint,
        event: status.EventHandle as i64,
        code: 0,
        flags: StatusFlags::NONE,
        last_error: clusapi::last_error(),
    });
    with(|host| host.status(handle as u64, status, false))
}

/// The structure as it was in 2012: without `WaitHint`, which is never read.
#[repr(C)]
#[derive(Clone, Copy)]
struct StatusWithoutHint {
    state: i32,
    checkpoint: u32,
    event: HANDLE,
    code: u32,
    flags: u32,
}

unsafe extern "system" fn set_resource_status_ex(
    handle: RESOURCE_HANDLE,
    status: *mut abi::RESOURCE_STATUS_EX,
) -> DWORD {
    let status = status.cast::<StatusWithoutHint>();
    // SAFETY: null or the DLL's structure, of which the first 24 bytes exist in every version.
    let status = (!status.is_null()).then(|| unsafe { status.read_unaligned() }).map(|status| Status {
        state: status.state,
        checkpoint: status.checkpoint,
        event: status.event as i64,
        code: status.code,
        flags: StatusFlags::from_bits(status.flags),
        last_error: clusapi::last_error(),
    });
    with(|host| host.status(handle as u64, status, true))
}

unsafe extern "system" fn set_locked_mode(handle: RESOURCE_HANDLE, enabled: BOOL, reason: DWORD) -> DWORD {
    with(|host| host.locked(handle as u64, enabled != 0, reason, None))
}

unsafe extern "system" fn set_locked_mode_ex(
    h: RESOURCE_HANDLE,
    on: BOOL,
    reason: DWORD,
    flags: DWORD,
) -> DWORD {
    with(|host| host.locked(h as u64, on != 0, reason, Some(flags)))
}

unsafe extern "system" fn signal_failure(handle: RESOURCE_HANDLE, kind: i32, code: DWORD) -> DWORD {
    let failure = match kind {
        abi::FAILURE_TYPE_GENERAL => Failure::General,
        abi::FAILURE_TYPE_EMBEDDED => Failure::Embedded,
        abi::FAILURE_TYPE_NETWORK_LOSS => Failure::NetworkLoss,
        other => Failure::Unknown(other),
    };
    with(|host| host.signal(handle as u64, failure, code))
}

unsafe extern "system" fn set_in_memory(handle: RESOURCE_HANDLE, list: *mut u8, size: DWORD) -> DWORD {
    // SAFETY: null or `size` readable bytes, as the callback demands.
    let list = (!list.is_null()).then(|| unsafe { std::slice::from_raw_parts(list, size as usize) });
    with(|host| host.in_memory_properties(handle as u64, list))
}

unsafe extern "system" fn end_control(context: i64, status: DWORD) -> DWORD {
    with(|host| host.end_control("EndControlCall", context, status))
}

unsafe extern "system" fn end_type_control(context: i64, status: DWORD) -> DWORD {
    with(|host| host.end_control("EndTypeControlCall", context, status))
}

unsafe extern "system" fn extend_control(context: i64, limit_ms: DWORD) -> DWORD {
    with(|host| host.extend_control("ExtendControlCall", context, limit_ms))
}

unsafe extern "system" fn extend_type_control(context: i64, limit_ms: DWORD) -> DWORD {
    with(|host| host.extend_control("ExtendTypeControlCall", context, limit_ms))
}

unsafe extern "system" fn raise_notification(_: *const WCHAR, _: *const u8, _: DWORD) -> DWORD {
    with(|host| host.noted("RaiseResTypeNotification", 0))
}

unsafe extern "system" fn resource_process(
    handle: RESOURCE_HANDLE,
    _: *const WCHAR,
    _: DWORD,
    _: BOOL,
) -> DWORD {
    with(|host| host.noted("ChangeResourceProcessForDumps", handle as u64))
}

unsafe extern "system" fn type_process(_: *const WCHAR, _: *const WCHAR, _: DWORD, _: BOOL) -> DWORD {
    with(|host| host.noted("ChangeResTypeProcessForDumps", 0))
}

unsafe extern "system" fn internal_state(handle: RESOURCE_HANDLE, kind: i32, active: BOOL) -> DWORD {
    with(|host| host.internal_state(handle as u64, kind, active != 0))
}

unsafe extern "system" fn request_dump(handle: RESOURCE_HANDLE, _: BOOL, _: DWORD) -> DWORD {
    with(|host| host.noted("RequestDump", handle as u64))
}

unsafe extern "system" fn wpr_policy(handle: RESOURCE_HANDLE, _: DWORD) -> DWORD {
    with(|host| host.noted("SetResourceWprPolicy", handle as u64))
}

unsafe extern "system" fn wpr_watchdog(handle: RESOURCE_HANDLE, _: u64) -> DWORD {
    with(|host| host.noted("ArmWprWatchdogForCurrentResourceCall", handle as u64))
}

pub(crate) fn callback_table() -> *mut CLRES_CALLBACK_FUNCTION_TABLE {
    struct Table(UnsafeCell<CLRES_CALLBACK_FUNCTION_TABLE>);
    // SAFETY: the monitor never reads or writes the table after it is made; a DLL that writes to it hurts itself.
    unsafe impl Send for Table {}
    // SAFETY: as above.
    unsafe impl Sync for Table {}
    static TABLE: OnceLock<Table> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        Table(UnsafeCell::new(CLRES_CALLBACK_FUNCTION_TABLE {
            LogEvent: Some(abi::log_event()),
            SetResourceStatusEx: Some(set_resource_status_ex),
            SetResourceLockedMode: Some(set_locked_mode),
            SignalFailure: Some(signal_failure),
            SetResourceInMemoryNodeLocalProperties: Some(set_in_memory),
            EndControlCall: Some(end_control),
            EndTypeControlCall: Some(end_type_control),
            ExtendControlCall: Some(extend_control),
            ExtendTypeControlCall: Some(extend_type_control),
            RaiseResTypeNotification: Some(raise_notification),
            ChangeResourceProcessForDumps: Some(resource_process),
            ChangeResTypeProcessForDumps: Some(type_process),
            SetInternalState: Some(internal_state),
            SetResourceLockedModeEx: Some(set_locked_mode_ex),
            RequestDump: Some(request_dump),
            SetResourceWprPolicy: Some(wpr_policy),
            ArmWprWatchdogForCurrentResourceCall: Some(wpr_watchdog),
        }))
    });
    table.0.get()
}

/// One call of a start-up routine, for those who watch.
#[derive(Clone, Debug)]
pub(crate) struct StartupCall {
    pub(crate) entry: &'static str,
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) returned: u32,
    pub(crate) version: Option<u32>,
}

/// Entry points of either form.
enum Table {
    V1(CLRES_V1_FUNCTIONS),
    V2(CLRES_V2_FUNCTIONS),
}

/// The start-up routines of a resource DLL; at least one is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exports {
    pub(crate) startup_ex: Option<abi::STARTUP_EX>,
    pub(crate) startup: Option<abi::STARTUP>,
}

/// How control codes reach the DLL.
enum Control {
    None,
    Direct(abi::RESOURCE_CONTROL),
    Begin(abi::BEGIN_RESCALL),
}

enum TypeControl {
    None,
    Direct(abi::RESOURCE_TYPE_CONTROL),
    Begin(abi::BEGIN_RESTYPECALL),
}

/// A resource type of a loaded resource DLL. Never unloaded: threads of it may live on.
pub(crate) struct Dll {
    pub(crate) type_name: String,
    /// `Version` of its table.
    pub(crate) version: u32,
    /// `Open` and `Close` are exclusive.
    pub(crate) exclusive: Mutex<()>,
    /// Of its private properties, once it has been asked.
    pub(crate) formats: OnceLock<crate::control::Formats>,
    table: Table,
    control: Control,
    type_control: TypeControl,
}

/// A value chosen by the DLL for an instance. Passed back, never looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resid(usize);

impl Resid {
    pub(crate) fn as_ptr(self) -> RESID {
        self.0 as RESID
    }
}

/// Buffers of one control call. They stay where they are until the call has ended, also on another thread.
pub(crate) struct ControlBuffers(UnsafeCell<ControlBytes>);

struct ControlBytes {
    input: Vec<u8>,
    output: Guarded,
    returned: u32,
}

// SAFETY: the DLL alone touches the contents until the call has ended; `take` is called once, after that.
unsafe impl Send for ControlBuffers {}
// SAFETY: as above.
unsafe impl Sync for ControlBuffers {}

impl ControlBuffers {
    pub(crate) fn new(input: Vec<u8>, out_size: u32) -> Self {
        let output = Guarded::new(out_size as usize);
        ControlBuffers(UnsafeCell::new(ControlBytes { input, output, returned: 0 }))
    }

    /// The output and the number of bytes the DLL said. Only after the call has ended.
    pub(crate) fn take(&self) -> (Vec<u8>, u32) {
        // SAFETY: the call has ended, so the DLL may no longer write; one that does hurts itself.
        let bytes = unsafe { &*self.0.get() };
        (bytes.output.copy(usize::MAX), bytes.returned)
    }
}

/// The buffers of one control call by address, size of each in bytes.
pub(crate) struct RawBuffers {
    pub(crate) input: (*mut c_void, u32),
    pub(crate) output: (*mut c_void, u32),
    pub(crate) returned: *mut u32,
}

fn pointer(bytes: &mut [u8]) -> *mut c_void {
    if bytes.is_empty() { null_mut() } else { bytes.as_mut_ptr().cast() }
}

impl Dll {
    /// Loads a file and negotiates for one type. Each start-up call is told to `watch`.
    ///
    /// # Errors
    /// Why it cannot be used, with Windows' code.
    pub(crate) fn load(
        path: &Path,
        type_name: &str,
        watch: &mut dyn FnMut(StartupCall),
    ) -> Result<Dll, LoadError> {
        let (exports, library) = Dll::exports(path)?;
        // Unloading code whose threads may live would crash them.
        std::mem::forget(library);
        Dll::start(exports, type_name, &path.display().to_string(), watch)
    }

    /// Loads a file and finds its start-up routines. They are valid until the library is dropped.
    ///
    /// # Errors
    /// Why it is no resource DLL.
    pub(crate) fn exports(path: &Path) -> Result<(Exports, Library), LoadError> {
        inspect(path)?;
        names::make_known().map_err(|text| LoadError::new(Code::ERROR_MOD_NOT_FOUND, text))?;
        // SAFETY: loading runs the file's constructors: that is what a resource DLL is for, and why this process is
        // not the node's.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| {
            // The loader's own words are the source; they name the file already.
            let text = std::error::Error::source(&error)
                .map_or_else(|| format!("{}: {error}", path.display()), ToString::to_string);
            LoadError::new(Code::ERROR_MOD_NOT_FOUND, text)
        })?;
        let (attached, library) = dll_main::attach(library);
        if !attached {
            return Err(LoadError::new(
                Code::ERROR_DLL_INIT_FAILED,
                format!("{}: its DllMain refused DLL_PROCESS_ATTACH", path.display()),
            ));
        }
        // SAFETY: the symbol is called with the documented signature, as an exporter of that name promises.
        let startup_ex = unsafe { library.get::<abi::STARTUP_EX>(b"StartupEx\0") }.ok().map(|symbol| *symbol);
        // SAFETY: as above.
        let startup = unsafe { library.get::<abi::STARTUP>(b"Startup\0") }.ok().map(|symbol| *symbol);
        if startup_ex.is_none() && startup.is_none() {
            return Err(LoadError::new(
                Code::ERROR_PROC_NOT_FOUND,
                format!(
                    "{}: it exports neither StartupEx nor Startup, so it is no resource DLL",
                    path.display()
                ),
            ));
        }
        Ok((Exports { startup_ex, startup }, library))
    }

    /// Negotiates with a type linked into the executable.
    ///
    /// # Errors
    /// As [`Dll::load`].
    pub(crate) fn builtin(
        builtin: &Builtin,
        type_name: &str,
        watch: &mut dyn FnMut(StartupCall),
    ) -> Result<Dll, LoadError> {
        let exports = Exports { startup_ex: Some(builtin.startup_ex), startup: None };
        Dll::start(exports, type_name, "(shipped with stead)", watch)
    }

    /// Negotiates for one type. The code of the routines must stay loaded as long as what is returned is used.
    ///
    /// # Errors
    /// As [`Dll::load`].
    pub(crate) fn start(
        Exports { startup_ex, startup }: Exports,
        type_name: &str,
        source: &str,
        watch: &mut dyn FnMut(StartupCall),
    ) -> Result<Dll, LoadError> {
        let name = to_wide(type_name);
        let (min, v1, v4) = (abi::CLRES_VERSION_V1_00, abi::CLRES_VERSION_V1_00, abi::CLRES_VERSION_V4_00);
        if let Some(startup_ex) = startup_ex {
            let mut table: *mut CLRES_FUNCTION_TABLE = null_mut();
            clusapi::set_last_error(0);
            // SAFETY: a start-up routine with its documented arguments; name and tables outlive the call.
            let returned = unsafe { startup_ex(name.as_ptr(), min, v4, callback_table(), &raw mut table) };
            let call = |version| StartupCall { entry: "StartupEx", min, max: v4, returned, version };
            if returned == 0 {
                let dll = Dll::accept(table, v4, type_name, source);
                watch(call(dll.as_ref().ok().map(|dll| dll.version)));
                return dll;
            }
            watch(call(None));
            if returned != abi::ERROR_REVISION_MISMATCH || startup.is_none() {
                return Err(LoadError::startup("StartupEx", returned, type_name, source));
            }
        }
        let Some(startup) = startup else {
            return Err(LoadError::startup("StartupEx", abi::ERROR_REVISION_MISMATCH, type_name, source));
        };
        let mut table: *mut CLRES_FUNCTION_TABLE = null_mut();
        clusapi::set_last_error(0);
        // SAFETY: as above.
        let returned = unsafe {
            startup(name.as_ptr(), min, v1, Some(set_resource_status), Some(abi::log_event()), &raw mut table)
        };
        let call = |version| StartupCall { entry: "Startup", min, max: v1, returned, version };
        if returned != 0 {
            watch(call(None));
            return Err(LoadError::startup("Startup", returned, type_name, source));
        }
        let dll = Dll::accept(table, v1, type_name, source);
        watch(call(dll.as_ref().ok().map(|dll| dll.version)));
        dll
    }

    /// Checks a function table: version, size, and the entry points that must be there.
    fn accept(
        table: *mut CLRES_FUNCTION_TABLE,
        max: u32,
        type_name: &str,
        source: &str,
    ) -> Result<Dll, LoadError> {
        let refuse =
            |text: String| Err(LoadError::new(Code::ERROR_REVISION_MISMATCH, format!("{source}: {text}")));
        if table.is_null() {
            return refuse("start-up succeeded without a function table".to_owned());
        }
        // SAFETY: start-up succeeded with a table, of which the 8-byte header exists in every version.
        let (size, version) =
            unsafe { ((&raw const (*table).TableSize).read(), (&raw const (*table).Version).read()) };
        let needed = match version {
            abi::CLRES_VERSION_V1_00 => size_of::<CLRES_V1_FUNCTIONS>(),
            abi::CLRES_VERSION_V2_00 => size_of::<CLRES_V2_FUNCTIONS>(),
            abi::CLRES_VERSION_V3_00 => size_of::<CLRES_V3_FUNCTIONS>(),
            abi::CLRES_VERSION_V4_00 => size_of::<CLRES_V4_FUNCTIONS>(),
            other => return refuse(format!("version {other:#x} of the function table is not known")),
        };
        if version > max {
            return refuse(format!(
                "version {version:#x} of the function table was not asked for (at most {max:#x})"
            ));
        }
        if (size as usize) < needed {
            return refuse(format!("TableSize is {size}, less than the {needed} of version {version:#x}"));
        }
        // SAFETY: the version says which member is there, and TableSize that it is there whole.
        let (table, control, type_control) = unsafe {
            let functions = &raw const (*table).F;
            match version {
                abi::CLRES_VERSION_V1_00 => {
                    let table = functions.cast::<CLRES_V1_FUNCTIONS>().read_unaligned();
                    let control = table.ResourceControl.map_or(Control::None, Control::Direct);
                    let types = table.ResourceTypeControl.map_or(TypeControl::None, TypeControl::Direct);
                    (Table::V1(table), control, types)
                }
                abi::CLRES_VERSION_V2_00 => {
                    let table = functions.cast::<CLRES_V2_FUNCTIONS>().read_unaligned();
                    let control = table.ResourceControl.map_or(Control::None, Control::Direct);
                    let types = table.ResourceTypeControl.map_or(TypeControl::None, TypeControl::Direct);
                    (Table::V2(table), control, types)
                }
                _ => {
                    // Version 3 is the beginning of version 4, and version 2 but for the types of two members.
                    let begin = functions.cast::<CLRES_V3_FUNCTIONS>().read_unaligned();
                    let control = begin.BeginResourceControl.map_or(Control::None, Control::Begin);
                    let types = begin.BeginResourceTypeControl.map_or(TypeControl::None, TypeControl::Begin);
                    let table = CLRES_V2_FUNCTIONS {
                        Open: begin.Open,
                        Close: begin.Close,
                        Online: begin.Online,
                        Offline: begin.Offline,
                        Terminate: begin.Terminate,
                        LooksAlive: begin.LooksAlive,
                        IsAlive: begin.IsAlive,
                        Arbitrate: begin.Arbitrate,
                        Release: begin.Release,
                        ResourceControl: None,
                        ResourceTypeControl: None,
                        Cancel: begin.Cancel,
                    };
                    (Table::V2(table), control, types)
                }
            }
        };
        let present = match &table {
            Table::V1(t) => [
                t.Open.is_some(),
                t.Close.is_some(),
                t.Online.is_some(),
                t.Offline.is_some(),
                t.Terminate.is_some(),
                t.LooksAlive.is_some(),
                t.IsAlive.is_some(),
            ],
            Table::V2(t) => [
                t.Open.is_some(),
                t.Close.is_some(),
                t.Online.is_some(),
                t.Offline.is_some(),
                t.Terminate.is_some(),
                t.LooksAlive.is_some(),
                t.IsAlive.is_some(),
            ],
        };
        let names = ["Open", "Close", "Online", "Offline", "Terminate", "LooksAlive", "IsAlive"];
        if let Some((name, _)) = names.iter().zip(present).find(|(_, present)| !present) {
            return refuse(format!("the function table has no {name}, which every resource type must have"));
        }
        Ok(Dll {
            type_name: type_name.to_owned(),
            version,
            exclusive: Mutex::new(()),
            formats: OnceLock::new(),
            table,
            control,
            type_control,
        })
    }

    /// True if the table has the forms with flags.
    pub(crate) const fn v2(&self) -> bool {
        matches!(self.table, Table::V2(_))
    }

    /// True if the DLL can take ownership as a quorum resource.
    pub(crate) fn can_arbitrate(&self) -> bool {
        match &self.table {
            Table::V1(table) => table.Arbitrate.is_some() && table.Release.is_some(),
            Table::V2(table) => table.Arbitrate.is_some() && table.Release.is_some(),
        }
    }

    /// True if the DLL can be asked to give up an operation.
    pub(crate) fn can_cancel(&self) -> bool {
        match &self.table {
            Table::V1(_) => false,
            Table::V2(table) => table.Cancel.is_some(),
        }
    }

    /// True if the DLL takes control codes.
    pub(crate) const fn has_control(&self) -> bool {
        !matches!(self.control, Control::None)
    }

    /// `Open` or `OpenV2`. The code is the last error where there is no instance.
    pub(crate) fn open(&self, name: &str, key: u64, handle: u64, flags: u32) -> Result<Resid, Code> {
        let name = to_wide(name);
        let (key, handle) = (key as HKEY, handle as RESOURCE_HANDLE);
        clusapi::set_last_error(0);
        // SAFETY: `accept` saw the entry point; the name outlives the call, key and handle are opaque.
        let resid = unsafe {
            match &self.table {
                Table::V1(table) => table.Open.map(|open| open(name.as_ptr(), key, handle)),
                Table::V2(table) => table.Open.map(|open| open(name.as_ptr(), key, handle, flags)),
            }
        };
        match resid {
            Some(resid) if !resid.is_null() => Ok(Resid(resid as usize)),
            Some(_) | None => match clusapi::last_error() {
                0 => Err(Code::ERROR_RESMON_CREATE_FAILED),
                code => Err(Code(code)),
            },
        }
    }

    /// `Close`.
    pub(crate) fn close(&self, resid: Resid) {
        let close = match &self.table {
            Table::V1(table) => table.Close,
            Table::V2(table) => table.Close,
        };
        if let Some(close) = close {
            // SAFETY: the instance came from this DLL's `Open` and is closed once.
            unsafe { close(resid.as_ptr()) };
        }
    }

    /// `Online` or `OnlineV2`: what it returned, and the event handle.
    pub(crate) fn online(&self, resid: Resid, flags: u32, in_buffer: Option<&mut Vec<u8>>) -> (u32, i64) {
        let mut event: HANDLE = null_mut();
        let (buffer, size) = buffer_of(in_buffer);
        clusapi::set_last_error(0);
        // SAFETY: the instance came from this DLL's `Open`; event handle and buffer outlive the call.
        let returned = unsafe {
            match &self.table {
                Table::V1(table) => table.Online.map(|online| online(resid.as_ptr(), &raw mut event)),
                Table::V2(table) => table
                    .Online
                    .map(|online| online(resid.as_ptr(), &raw mut event, flags, buffer.cast(), size, 0)),
            }
        };
        (returned.unwrap_or(abi::ERROR_CALL_NOT_IMPLEMENTED), event as i64)
    }

    /// `Offline` or `OfflineV2`.
    pub(crate) fn offline(
        &self,
        resid: Resid,
        destination: Option<&str>,
        flags: u32,
        in_buffer: Option<&mut Vec<u8>>,
        reason: u32,
    ) -> u32 {
        let destination = destination.map(to_wide);
        let destination = destination.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
        let (buffer, size) = buffer_of(in_buffer);
        clusapi::set_last_error(0);
        // SAFETY: the instance came from this DLL's `Open`; name and buffer outlive the call.
        let returned = unsafe {
            match &self.table {
                Table::V1(table) => table.Offline.map(|offline| offline(resid.as_ptr())),
                Table::V2(table) => table
                    .Offline
                    .map(|offline| offline(resid.as_ptr(), destination, flags, buffer.cast(), size, reason)),
            }
        };
        returned.unwrap_or(abi::ERROR_CALL_NOT_IMPLEMENTED)
    }

    /// `Terminate`.
    pub(crate) fn terminate(&self, resid: Resid) {
        let terminate = match &self.table {
            Table::V1(table) => table.Terminate,
            Table::V2(table) => table.Terminate,
        };
        if let Some(terminate) = terminate {
            // SAFETY: the instance came from this DLL's `Open`.
            unsafe { terminate(resid.as_ptr()) };
        }
    }

    /// `LooksAlive`: what it returned.
    pub(crate) fn looks_alive(&self, resid: Resid) -> i32 {
        let alive = match &self.table {
            Table::V1(table) => table.LooksAlive,
            Table::V2(table) => table.LooksAlive,
        };
        // SAFETY: the instance came from this DLL's `Open`.
        alive.map_or(0, |alive| unsafe { alive(resid.as_ptr()) })
    }

    /// `IsAlive`: what it returned.
    pub(crate) fn is_alive(&self, resid: Resid) -> i32 {
        let alive = match &self.table {
            Table::V1(table) => table.IsAlive,
            Table::V2(table) => table.IsAlive,
        };
        // SAFETY: the instance came from this DLL's `Open`.
        alive.map_or(0, |alive| unsafe { alive(resid.as_ptr()) })
    }

    /// `Cancel`.
    pub(crate) fn cancel(&self, resid: Resid) -> u32 {
        let cancel = match &self.table {
            Table::V1(_) => None,
            Table::V2(table) => table.Cancel,
        };
        // SAFETY: the instance came from this DLL's `Open`.
        cancel.map_or(abi::ERROR_CALL_NOT_IMPLEMENTED, |cancel| unsafe { cancel(resid.as_ptr(), 0) })
    }

    /// `ResourceControl` or `BeginResourceControl`: what it returned, and whether it goes on asynchronously.
    pub(crate) fn control(
        &self,
        resid: Resid,
        code: u32,
        buffers: &ControlBuffers,
        context: i64,
    ) -> (u32, bool) {
        // SAFETY: nobody else touches the buffers until the call has ended.
        let bytes = unsafe { &mut *buffers.0.get() };
        let raw = RawBuffers {
            input: (pointer(&mut bytes.input), bytes.input.len() as u32),
            output: (bytes.output.start().cast::<c_void>(), bytes.output.size() as u32),
            returned: &raw mut bytes.returned,
        };
        // SAFETY: the buffers live until the call has ended.
        unsafe { self.control_with(resid, code, &raw, context) }
    }

    /// As [`Dll::control`], with buffers that are laid out elsewhere.
    ///
    /// # Safety
    /// The buffers must be valid until the call has ended, also where it goes on asynchronously.
    pub(crate) unsafe fn control_with(
        &self,
        resid: Resid,
        code: u32,
        buffers: &RawBuffers,
        context: i64,
    ) -> (u32, bool) {
        let RawBuffers { input: (input, in_size), output: (output, out_size), returned } = *buffers;
        let mut later: BOOL = 0;
        clusapi::set_last_error(0);
        // SAFETY: the instance came from this DLL's `Open`; the buffers are valid, as the caller guarantees.
        let code = unsafe {
            match self.control {
                Control::None => abi::ERROR_INVALID_FUNCTION,
                Control::Direct(control) => {
                    control(resid.as_ptr(), code, input, in_size, output, out_size, returned)
                }
                Control::Begin(begin) => begin(
                    resid.as_ptr(),
                    code,
                    input,
                    in_size,
                    output,
                    out_size,
                    returned,
                    context,
                    &raw mut later,
                ),
            }
        };
        (code, later != 0 && code == 0)
    }

    /// `ResourceTypeControl` or its asynchronous form, of which only a synchronous answer is taken.
    pub(crate) fn type_control(&self, code: u32, input: Vec<u8>, out_size: u32) -> (u32, Vec<u8>, u32) {
        let buffers = std::sync::Arc::new(ControlBuffers::new(input, out_size));
        // SAFETY: nobody else touches the buffers until the call has ended.
        let bytes = unsafe { &mut *buffers.0.get() };
        let name = to_wide(&self.type_name);
        let (input, in_size) = (pointer(&mut bytes.input), bytes.input.len() as u32);
        let (output, size) = (bytes.output.start().cast::<c_void>(), bytes.output.size() as u32);
        let returned = &raw mut bytes.returned;
        let mut later: BOOL = 0;
        // SAFETY: name and buffers outlive the call; where it goes on asynchronously they are left alone for ever.
        let code = unsafe {
            match self.type_control {
                TypeControl::None => abi::ERROR_INVALID_FUNCTION,
                TypeControl::Direct(control) => {
                    control(name.as_ptr(), code, input, in_size, output, size, returned)
                }
                TypeControl::Begin(begin) => {
                    begin(name.as_ptr(), code, input, in_size, output, size, returned, 0, &raw mut later)
                }
            }
        };
        if later != 0 && code == 0 {
            std::mem::forget(buffers);
            return (abi::ERROR_INVALID_FUNCTION, Vec::new(), 0);
        }
        let (output, count) = buffers.take();
        (code, output, count)
    }
}

fn buffer_of(in_buffer: Option<&mut Vec<u8>>) -> (*mut c_void, u32) {
    in_buffer.map_or((null_mut(), 0), |bytes| (bytes.as_mut_ptr().cast(), bytes.len() as u32))
}
