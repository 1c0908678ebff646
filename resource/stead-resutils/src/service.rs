//! Services of resources. A service is a unit of systemd of that name; where systemd does not run there are none:
//! 1060, and one line says so, through `LogEvent` where one is given, else on standard error.

use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use stead_resapi::{
    ClusterResourceFailed, ClusterResourceOffline, ERROR_ACCESS_DENIED, ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER, ERROR_SERVICE_REQUEST_TIMEOUT, HANDLE, LOG_EVENT, RESOURCE_HANDLE, to_wide,
};

use crate::clusapi::HRESOURCE;
use crate::control::network_name;
use crate::handle::{Handles, Kind};
use crate::raw;
use crate::system::{self, Waited};
use crate::systemd::{Trouble, manager, unit_name};

/// `LOG_ERROR`.
const ERROR_LEVEL: i32 = 2;
/// How long a killed process may take to be gone, in milliseconds.
const DEATH: u32 = 30_000;

/// Services by handle: the unit of each.
static SERVICES: Mutex<Handles<String>> = Mutex::new(Handles::new(Kind::Service));

fn services() -> MutexGuard<'static, Handles<String>> {
    SERVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unit_of(handle: HANDLE) -> Result<String, u32> {
    services().get(handle).cloned().ok_or(ERROR_INVALID_HANDLE)
}

/// Where a line goes.
struct Log(Option<LOG_EVENT>, RESOURCE_HANDLE);

const NO_LOG: Log = Log(None, std::ptr::null_mut());

impl Log {
    /// Tells what went wrong, and keeps the code.
    fn told<T>(&self, result: Result<T, Trouble>) -> Result<T, u32> {
        result.map_err(|Trouble { code, message }| {
            match self.0 {
                Some(log) => {
                    let (format, text) = (to_wide("%1!ws!"), to_wide(&message));
                    // SAFETY: the monitor's own function, with a format that asks for the one string it gets.
                    unsafe { log(self.1, ERROR_LEVEL, format.as_ptr(), text.as_ptr()) };
                }
                None => drop(writeln!(std::io::stderr(), "libresutils: {message}")),
            }
            code
        })
    }

    /// The unit of a service's name.
    ///
    /// # Safety
    /// `name` must be null or a string.
    unsafe fn unit(&self, name: *const u16) -> Result<String, u32> {
        // SAFETY: as the caller guarantees.
        let name = unsafe { raw::required_text(name) }?;
        self.told(unit_name(&raw::to_string(&name)))
    }
}

exports! {
    /// Starts a service and waits until it runs. `phServiceHandle`, if given, receives a handle for
    /// `ResUtilVerifyService`, `ResUtilStopService` and `CloseServiceHandle`. A service that runs already is no error.
    /// 1060 where there is no such unit, 1058 for a masked one, 1053 after 150 seconds, 1067 where it failed, 87 for a
    /// name no unit can have.
    ///
    /// Windows: resutils/nf-resapi-resutilstartresourceservice
    fn ResUtilStartResourceService(pszServiceName: *const u16, phServiceHandle: *mut HANDLE) -> u32 {
        raw::put(phServiceHandle, std::ptr::null_mut());
        let unit = NO_LOG.unit(pszServiceName)?;
        NO_LOG.told(manager().start(&unit))?;
        if !phServiceHandle.is_null() {
            raw::put(phServiceHandle, services().add(unit));
        }
        Ok(())
    }

    /// 0 if the service runs, 1062 if not; 1060 and 1058 as for `ResUtilStartResourceService`.
    ///
    /// Windows: resutils/nf-resapi-resutilverifyresourceservice
    fn ResUtilVerifyResourceService(pszServiceName: *const u16) -> u32 {
        let unit = NO_LOG.unit(pszServiceName)?;
        NO_LOG.told(manager().verify(&unit))
    }

    /// Stops a service and waits until it rests. One that rests is no error; 1053 after 150 seconds.
    ///
    /// Windows: resutils/nf-resapi-resutilstopresourceservice
    fn ResUtilStopResourceService(pszServiceName: *const u16) -> u32 {
        let unit = NO_LOG.unit(pszServiceName)?;
        NO_LOG.told(manager().stop(&unit))
    }

    /// As `ResUtilVerifyResourceService`, by handle; 6 for what is no handle of a service.
    ///
    /// Windows: resutils/nf-resapi-resutilverifyservice
    fn ResUtilVerifyService(hServiceHandle: HANDLE) -> u32 {
        NO_LOG.told(manager().verify(&unit_of(hServiceHandle)?))
    }

    /// As `ResUtilStopResourceService`, by handle, which is closed whatever comes of it.
    ///
    /// Windows: resutils/nf-resapi-resutilstopservice
    fn ResUtilStopService(hServiceHandle: HANDLE) -> u32 {
        let unit = services().remove(hServiceHandle).ok_or(ERROR_INVALID_HANDLE)?;
        NO_LOG.told(manager().stop(&unit))
    }

    /// Closes a service's handle. False with last error 6 for anything else.
    ///
    /// Windows: winsvc/nf-winsvc-closeservicehandle
    fn CloseServiceHandle(hSCObject: HANDLE) -> i32 {
        services().remove(hSCObject).map(|_| 1).ok_or(ERROR_INVALID_HANDLE)
    }

    /// Gives a service the network name that a resource depends on as `COMPUTERNAME`, from its next start on, by a
    /// drop-in that lasts until the machine starts again. 1060 and 1058 as above, 5 where it is not allowed, and what
    /// the cluster says where there is no network name.
    ///
    /// Windows: resutils/nf-resapi-resutilsetresourceserviceenvironment
    fn ResUtilSetResourceServiceEnvironment(
        pszServiceName: *const u16,
        hResource: HRESOURCE,
        pfnLogEvent: Option<LOG_EVENT>,
        hResourceHandle: RESOURCE_HANDLE,
    ) -> u32 {
        let log = Log(pfnLogEvent, hResourceHandle);
        let unit = log.unit(pszServiceName)?;
        log.told(manager().look(&unit))?;
        let computer = network_name(hResource)?;
        log.told(manager().name_computer(&unit, &raw::to_string(&computer)))
    }

    /// Takes away what `ResUtilSetResourceServiceEnvironment` gave.
    ///
    /// Windows: resutils/nf-resapi-resutilremoveresourceserviceenvironment
    fn ResUtilRemoveResourceServiceEnvironment(
        pszServiceName: *const u16,
        pfnLogEvent: Option<LOG_EVENT>,
        hResourceHandle: RESOURCE_HANDLE,
    ) -> u32 {
        let log = Log(pfnLogEvent, hResourceHandle);
        let unit = log.unit(pszServiceName)?;
        log.told(manager().forget_computer(&unit))
    }

    /// As `ResUtilSetResourceServiceStartParametersEx`.
    ///
    /// Windows: resutils/nf-resapi-resutilsetresourceservicestartparameters
    fn ResUtilSetResourceServiceStartParameters(
        pszServiceName: *const u16,
        _schSCMHandle: HANDLE,
        phService: *mut HANDLE,
        pfnLogEvent: Option<LOG_EVENT>,
        hResourceHandle: RESOURCE_HANDLE,
    ) -> u32 {
        take_over(pszServiceName, phService, &Log(pfnLogEvent, hResourceHandle))
    }

    /// Leaves starting and restarting of a service to the cluster: a unit that starts with the machine is disabled,
    /// and a drop-in takes `Restart=` away until the machine starts again. `phService`, if given, receives a handle.
    /// 1058 for a masked unit, 1060 where there is none, 5 where it is not allowed.
    ///
    /// Windows: resutils/nf-resapi-resutilsetresourceservicestartparametersex
    /// Note: neither the manager's handle nor the access asked for means anything to systemd.
    fn ResUtilSetResourceServiceStartParametersEx(
        pszServiceName: *const u16,
        _schSCMHandle: HANDLE,
        phService: *mut HANDLE,
        _dwDesiredAccess: u32,
        pfnLogEvent: Option<LOG_EVENT>,
        hResourceHandle: RESOURCE_HANDLE,
    ) -> u32 {
        take_over(pszServiceName, phService, &Log(pfnLogEvent, hResourceHandle))
    }

    /// Kills the process of a service and waits until it is gone. `pdwResourceState`, if given, receives Offline with
    /// `bOffline`, else Failed. A process that is gone already is no error; 87 for 0, 1, this process and what can be
    /// no process, 5 where it is not allowed, 1053 where it is still there after 30 seconds.
    ///
    /// Windows: resutils/nf-resapi-resutilterminateserviceprocessfromresdll
    fn ResUtilTerminateServiceProcessFromResDll(
        dwServicePid: u32,
        bOffline: i32,
        pdwResourceState: *mut u32,
        pfnLogEvent: Option<LOG_EVENT>,
        hResourceHandle: RESOURCE_HANDLE,
    ) -> u32 {
        if dwServicePid < 2 || dwServicePid > i32::MAX as u32 || dwServicePid == std::process::id() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        Log(pfnLogEvent, hResourceHandle).told(kill(dwServicePid))?;
        let state = if bOffline != 0 { ClusterResourceOffline } else { ClusterResourceFailed };
        raw::put(pdwResourceState, state as u32);
        Ok(())
    }
}

/// # Safety
/// `name` must be null or a string, `out` null or writable.
unsafe fn take_over(name: *const u16, out: *mut HANDLE, log: &Log) -> Result<(), u32> {
    // SAFETY: as the caller guarantees; here and below.
    unsafe { raw::put(out, std::ptr::null_mut()) };
    let unit = unsafe { log.unit(name) }?;
    log.told(manager().take_over(&unit))?;
    if !out.is_null() {
        unsafe { raw::put(out, services().add(unit)) };
    }
    Ok(())
}

fn kill(pid: u32) -> Result<(), Trouble> {
    /// `ESRCH`.
    const GONE: i32 = 3;
    let refused = |error: std::io::Error| Trouble {
        code: ERROR_ACCESS_DENIED,
        message: format!("process {pid} could not be killed: {error}"),
    };
    let fd = match system::process(pid) {
        Ok(fd) => fd,
        Err(error) if error.raw_os_error() == Some(GONE) => return Ok(()),
        Err(error) => return Err(refused(error)),
    };
    // SAFETY: a new descriptor that nobody else has; it is closed when this returns.
    let _open = unsafe { OwnedFd::from_raw_fd(fd) };
    match system::kill(fd) {
        Err(error) if error.raw_os_error() != Some(GONE) => return Err(refused(error)),
        Ok(()) | Err(_) => {}
    }
    match system::wait(fd, system::deadline(DEATH)) {
        Waited::Readable => Ok(()),
        Waited::TimedOut | Waited::Invalid => Err(Trouble {
            code: ERROR_SERVICE_REQUEST_TIMEOUT,
            message: format!("process {pid} was killed and is still there after {DEATH} ms"),
        }),
    }
}
