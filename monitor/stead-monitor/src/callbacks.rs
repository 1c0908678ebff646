//! What resource DLLs call: validated, passed on, answered.

use stead_resapi as abi;
use stead_resapi::PropertyList;

use crate::dll::{Callbacks, Failure};
use crate::engine::{CalledBack, Engine, Field, Instance, now, report};
use crate::hosting::{Event, Hosting, State, Status};

impl Callbacks for Engine {
    fn status(&'static self, handle: u64, status: Option<Status>, ex: bool) -> u32 {
        let engine = self;
        let instance = engine.find(handle);
        let observer = engine.observer();
        let at = observer.begins();
        let (exit, accepted) = match (&instance, status) {
            (Some(instance), Some(status)) => {
                let answer = report(engine, instance, status);
                (answer.exit, answer.accepted)
            }
            (Some(instance), None) => {
                let text = format!("{}: status callback with a null status", instance.name);
                observer.violation(Some(instance), "null status", text);
                (1, false)
            }
            (None, _) => {
                let text = format!("status callback with handle {handle:#x}, which no open resource has");
                observer.violation(None, "unknown resource handle", text);
                (1, false)
            }
        };
        if observer.wants_calls() {
            let status = status.unwrap_or_default();
            let mut args = vec![
                ("ResourceHandle", Field::Handle(handle)),
                ("ResourceState", Field::Number(status.state.into())),
                ("CheckPoint", Field::Number(status.checkpoint.into())),
                ("EventHandle", Field::Number(status.event)),
            ];
            if ex {
                args.push(("ApplicationSpecificErrorCode", Field::Number(status.code.into())));
                args.push(("Flags", Field::Number(status.flags.bits().into())));
            }
            let name = if ex { "SetResourceStatusEx" } else { "SetResourceStatus" };
            let call = CalledBack { name, args, returned: exit, accepted, at };
            observer.called_back(instance.as_deref(), call);
        }
        exit
    }

    fn log(&'static self, handle: u64, level: i32, text: &[u16]) {
        let engine = self;
        let instance = engine.find(handle);
        // Sources written for Windows end lines themselves.
        let text = String::from_utf16_lossy(text).trim_end().to_owned();
        engine.observer().log(instance.as_deref(), level, text);
    }

    fn locked(&'static self, handle: u64, locked: bool, reason: u32, flags: Option<u32>) -> u32 {
        let engine = self;
        let (at, instance) = (now(), engine.find(handle));
        let code = instance.as_ref().map_or(abi::ERROR_INVALID_HANDLE, |instance| {
            let code = engine.set_locked(instance, locked).0;
            if code == 0 {
                engine.observer().locked(instance, locked, reason, flags.unwrap_or(0));
            }
            code
        });
        let mut args = vec![
            ("ResourceHandle", Field::Handle(handle)),
            ("LockedModeEnabled", Field::Number(locked.into())),
            ("LockedModeReason", Field::Number(reason.into())),
        ];
        args.extend(flags.map(|flags| ("LockedModeFlags", Field::Number(flags.into()))));
        let name = if flags.is_some() { "SetResourceLockedModeEx" } else { "SetResourceLockedMode" };
        answer(
            engine,
            instance.as_deref(),
            CalledBack { name, args, returned: code, accepted: code == 0, at },
        )
    }

    fn signal(&'static self, handle: u64, failure: Failure, code: u32) -> u32 {
        let engine = self;
        let (at, instance) = (now(), engine.find(handle));
        let refused = instance.as_ref().map_or(0, |instance| instance.with_hosting(Hosting::may_signal).0);
        let returned = match (&instance, failure) {
            (None, _) => abi::ERROR_INVALID_HANDLE,
            (Some(_), _) if refused != abi::ERROR_SUCCESS => refused,
            (Some(instance), Failure::General) => {
                engine.step(instance, Event::FailureSignalled(code));
                abi::ERROR_SUCCESS
            }
            (Some(instance), Failure::Embedded) => {
                engine.observer().signalled(instance, true, code);
                abi::ERROR_SUCCESS
            }
            (Some(instance), Failure::NetworkLoss) => {
                engine.observer().signalled(instance, false, code);
                abi::ERROR_SUCCESS
            }
            (Some(_), Failure::Unknown(_)) => abi::ERROR_INVALID_PARAMETER,
        };
        let kind = match failure {
            Failure::General => 0,
            Failure::Embedded => 1,
            Failure::NetworkLoss => 2,
            Failure::Unknown(kind) => i64::from(kind),
        };
        let args = vec![
            ("ResourceHandle", Field::Handle(handle)),
            ("FailureType", Field::Number(kind)),
            ("ApplicationSpecificErrorCode", Field::Number(code.into())),
        ];
        let accepted = returned == 0;
        answer(
            engine,
            instance.as_deref(),
            CalledBack { name: "SignalFailure", args, returned, accepted, at },
        )
    }

    fn in_memory_properties(&'static self, handle: u64, list: Option<&[u8]>) -> u32 {
        let engine = self;
        let (at, instance) = (now(), engine.find(handle));
        let returned = match (&instance, list) {
            (None, _) => abi::ERROR_INVALID_HANDLE,
            (Some(_), None) => abi::ERROR_INVALID_PARAMETER,
            (Some(instance), Some(list)) => match PropertyList::decode(list) {
                Ok(list) => instance.remark(&list).map_or_else(|code| code.0, |()| abi::ERROR_SUCCESS),
                Err(_) => abi::ERROR_INVALID_DATA,
            },
        };
        let name = "SetResourceInMemoryNodeLocalProperties";
        let args = vec![
            ("ResourceHandle", Field::Handle(handle)),
            ("propertyListBuffer", Field::Hex(list.map(<[u8]>::to_vec))),
        ];
        answer(engine, instance.as_deref(), CalledBack { name, args, returned, accepted: returned == 0, at })
    }

    fn end_control(&'static self, name: &'static str, context: i64, status: u32) -> u32 {
        let engine = self;
        let at = now();
        let ended = engine.control_ended(context, status);
        let returned = if ended { abi::ERROR_SUCCESS } else { abi::ERROR_INVALID_PARAMETER };
        let args = vec![("context", Field::Number(context)), ("status", Field::Number(status.into()))];
        answer(engine, None, CalledBack { name, args, returned, accepted: ended, at })
    }

    fn extend_control(&'static self, name: &'static str, context: i64, limit_ms: u32) -> u32 {
        let engine = self;
        let at = now();
        let extended = engine.control_extended(context, limit_ms);
        let returned = if extended { abi::ERROR_SUCCESS } else { abi::ERROR_INVALID_PARAMETER };
        let args =
            vec![("context", Field::Number(context)), ("newTimeoutInMs", Field::Number(limit_ms.into()))];
        answer(engine, None, CalledBack { name, args, returned, accepted: extended, at })
    }

    fn internal_state(&'static self, handle: u64, kind: i32, active: bool) -> u32 {
        let engine = self;
        let (at, instance) = (now(), engine.find(handle));
        let returned = match &instance {
            None => abi::ERROR_INVALID_HANDLE,
            Some(instance) if instance.with_hosting(|hosting| hosting.state()) == State::Online => {
                abi::ERROR_SUCCESS
            }
            Some(_) => abi::ERROR_RESOURCE_NOT_ONLINE,
        };
        let args = vec![
            ("ResourceHandle", Field::Handle(handle)),
            ("stateType", Field::Number(kind.into())),
            ("active", Field::Number(active.into())),
        ];
        let accepted = returned == 0;
        answer(
            engine,
            instance.as_deref(),
            CalledBack { name: "SetInternalState", args, returned, accepted, at },
        )
    }

    fn noted(&'static self, name: &'static str, handle: u64) -> u32 {
        let engine = self;
        let (at, instance) = (now(), engine.find(handle));
        let args = vec![("ResourceHandle", Field::Handle(handle))];
        answer(engine, instance.as_deref(), CalledBack { name, args, returned: 0, accepted: true, at })
    }
}

fn answer(engine: &'static Engine, instance: Option<&Instance>, call: CalledBack) -> u32 {
    let returned = call.returned;
    if engine.observer().wants_calls() {
        engine.observer().called_back(instance, call);
    }
    returned
}
