//! Windows: resutils/nf-resapi-resutilstartresourceservice, resutils/nf-resapi-resutilsetresourceservicestartparametersex
//!
//! Against a `systemctl` of the test's own, which keeps the state of one unit in a file.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(non_snake_case, reason = "the imitation has the documented names")]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the exported functions are called as C does"
)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::{cluster, wide};
use resutils::*;

const SYSTEMCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 9
echo "$*" >>said
for unit; do :; done
case "$1" in
show)
    case "$unit" in
    masked.service) echo LoadState=masked ;;
    web.service | broken.service | slow.service)
        echo LoadState=loaded; echo "ActiveState=$(cat "$unit" || echo inactive)"; echo UnitFileState=enabled ;;
    *) echo LoadState=not-found; echo ActiveState=inactive ;;
    esac ;;
start)
    case "$unit" in
    slow.service) exec sleep 600 ;;
    broken.service) echo failed >"$unit"; exit 1 ;;
    *) echo active >"$unit" ;;
    esac ;;
stop) echo inactive >"$unit" ;;
disable | daemon-reload) ;;
*) exit 8 ;;
esac
"#;

/// Tests share the process's one manager.
static TURN: Mutex<()> = Mutex::new(());

struct Machine {
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    fn new() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("systemctl");
        std::fs::write(&program, SYSTEMCTL).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let runtime = folder.path().join("run");
        std::fs::create_dir(&runtime).unwrap();
        use_manager(Manager { program: program.into(), runtime, patience: Duration::from_secs(60) });
        Machine { folder, _turn: turn }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.path("said")).unwrap_or_default()
    }
}

fn call(function: unsafe extern "C" fn(*const u16) -> u32, name: &str) -> u32 {
    unsafe { function(wide(name).as_ptr()) }
}

#[test]
fn a_service_is_started_verified_and_stopped() {
    let machine = Machine::new();
    let mut handle = null_mut();
    assert_eq!(call(ResUtilVerifyResourceService, "web"), 1062);
    unsafe {
        assert_eq!(ResUtilStartResourceService(wide("web").as_ptr(), &raw mut handle), 0);
        assert!(handle as usize > u32::MAX as usize, "no address, no descriptor");
        assert_eq!(call(ResUtilVerifyResourceService, "web.service"), 0);
        assert_eq!(ResUtilVerifyService(handle), 0);
        assert_eq!(ResUtilStopService(handle), 0);
        assert_eq!((ResUtilStopService(handle), ResUtilVerifyService(handle)), (6, 6), "closed");
        assert_eq!(ResUtilStartResourceService(wide("web").as_ptr(), &raw mut handle), 0);
        assert_eq!((CloseServiceHandle(handle), CloseServiceHandle(handle)), (1, 0));
    }
    assert_eq!(
        (call(ResUtilStopResourceService, "web"), call(ResUtilVerifyResourceService, "web")),
        (0, 1062)
    );
    assert!(machine.said().contains("start -- web.service\n"), "{}", machine.said());
}

#[test]
fn what_cannot_be_started_gets_its_code() {
    let machine = Machine::new();
    let start = |name: &str| unsafe { ResUtilStartResourceService(wide(name).as_ptr(), null_mut()) };
    assert_eq!((start("none"), start("masked"), start("broken")), (1060, 1058, 1067));
    let before = machine.said();
    for name in ["", "-H evil", "a b", "../x", "a;b", "a\nb", "ä"] {
        assert_eq!(start(name), 87, "{name:?}");
    }
    assert_eq!(machine.said(), before, "nothing was run for a bad name");
    let program = machine.path("systemctl").into();
    use_manager(Manager { program, runtime: machine.path("run"), patience: Duration::from_millis(300) });
    assert_eq!(start("slow"), 1053);
}

#[test]
fn without_systemd_there_are_no_services() {
    let machine = Machine::new();
    let patience = Duration::from_secs(60);
    let program = machine.path("systemctl").into();
    use_manager(Manager { program, runtime: machine.path("missing"), patience });
    assert_eq!(call(ResUtilVerifyResourceService, "web"), 1060);
    assert_eq!(call(ResUtilStopResourceService, "web"), 1060);
    assert_eq!(machine.said(), "", "systemctl is not run");
}

fn drop_in(machine: &Machine, name: &str) -> Option<String> {
    std::fs::read_to_string(Path::new(&machine.path("run")).join("web.service.d").join(name)).ok()
}

#[test]
fn starting_is_left_to_the_cluster_and_the_environment_is_set_and_removed() {
    let machine = Machine::new();
    let (web, app) = (wide("web"), cluster::resource("app"));
    let web = web.as_ptr();
    let mut handle = null_mut();
    unsafe {
        let none = null_mut();
        assert_eq!(ResUtilSetResourceServiceStartParameters(web, none, &raw mut handle, None, none), 0);
        assert!(machine.said().contains("disable -- web.service"));
        assert_eq!(drop_in(&machine, "stead-restart.conf").as_deref(), Some("[Service]\nRestart=no\n"));
        assert_eq!(CloseServiceHandle(handle), 1);
        assert_eq!(ResUtilSetResourceServiceEnvironment(web, app, None, none), 0);
        let expected = "[Service]\nEnvironment=\"COMPUTERNAME=server\"\n";
        assert_eq!(drop_in(&machine, "stead-environment.conf").as_deref(), Some(expected));
        assert_eq!(ResUtilRemoveResourceServiceEnvironment(web, None, none), 0);
        assert_eq!(drop_in(&machine, "stead-environment.conf"), None);
        assert_eq!(ResUtilRemoveResourceServiceEnvironment(web, None, none), 0);
        let none_there = wide("none");
        let missing = none_there.as_ptr();
        assert_eq!(
            ResUtilSetResourceServiceStartParametersEx(missing, none, none.cast(), 0, None, none),
            1060
        );
    }
}

#[test]
fn a_service_process_is_killed_and_gone() {
    let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
    let (pid, mut state) = (child.id(), 0);
    unsafe {
        let none = null_mut();
        assert_eq!(ResUtilTerminateServiceProcessFromResDll(pid, 0, &raw mut state, None, none), 0);
        assert_eq!(state, 4);
        assert!(!child.wait().unwrap().success());
        assert_eq!(ResUtilTerminateServiceProcessFromResDll(pid, 1, &raw mut state, None, none), 0, "gone");
        assert_eq!(state, 3);
        for wrong in [0, 1, std::process::id(), u32::MAX] {
            assert_eq!(ResUtilTerminateServiceProcessFromResDll(wrong, 1, null_mut(), None, none), 87);
        }
    }
}
