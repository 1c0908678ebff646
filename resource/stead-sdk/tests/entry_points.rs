//! What the SDK's entry points do for a type, whatever the type does.
//!
//! Windows: mscs/resource-dll-entry-point-functions
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use stead_resapi as abi;
use stead_sdk::testing::{Harness, State, Value};
use stead_sdk::{
    Context, Control, Failure, Level, Online, Operation, Problem, Properties, Property, Resource,
};

/// Does what its property `Do` says.
struct Lab {
    context: Context,
    on: AtomicBool,
    terminated: AtomicU32,
}

impl Lab {
    fn told(&self) -> String {
        self.context.properties().text("Do")
    }
}

impl Resource for Lab {
    const TYPE_NAME: &'static str = "Lab";
    const PROPERTIES: &'static [Property] = &[
        Property::text("Do").required(),
        Property::number("Size").default_number(5).range(1, 10),
        Property::list("Names"),
    ];

    fn open(context: &Context) -> Result<Self, Failure> {
        if context.name() == "closed" {
            return Err(Failure::new(abi::ERROR_ACCESS_DENIED, "never"));
        }
        assert!(context.name() != "panic", "open was told to");
        Ok(Lab { context: context.clone(), on: false.into(), terminated: 0.into() })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        match self.told().as_str() {
            "panic" => panic!("online was told to"),
            "fail" => return Err(Failure::new(abi::ERROR_FILE_NOT_FOUND, "nothing there")),
            "elsewhere" => return Err(Failure::on_this_node("not here")),
            "wait" => {
                while operation.progress() && operation.wait(Duration::from_millis(20)) {}
                return Err(Failure::new(abi::ERROR_OPERATION_ABORTED, "told to stop"));
            }
            _ => {}
        }
        self.on.store(true, Ordering::SeqCst);
        Ok(Online::polled())
    }

    fn offline(&self, operation: &Operation) -> Result<(), Failure> {
        match self.told().as_str() {
            "busy" if operation.destination().is_none() => return Err(Failure::busy()),
            "panic late" => panic!("offline was told to"),
            _ => {}
        }
        let said = format!(
            "offline to {:?}, flags {:#x}, buffer {:?}",
            operation.destination(),
            operation.flags(),
            operation.in_buffer()
        );
        self.context.log(Level::Information, &said);
        self.on.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn terminate(&self) {
        let count = self.terminated.fetch_add(1, Ordering::SeqCst) + 1;
        self.context.log(Level::Information, &format!("terminate {count}"));
        self.on.store(false, Ordering::SeqCst);
        assert!(self.told() != "panic late", "terminate was told to");
    }

    fn is_alive(&self) -> bool {
        assert!(self.told() != "panic late", "is_alive was told to");
        self.on.load(Ordering::SeqCst)
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        match properties.text("Do").as_str() {
            "nonsense" => vec![Problem::new("Do", "nonsense is not done here")],
            "panic" => panic!("validate was told to"),
            _ => Vec::new(),
        }
    }

    fn control(&self, code: u32, input: &[u8]) -> Control {
        match code {
            0x0140_0001 => Control::Done(input.iter().rev().copied().collect()),
            0x0140_0002 => Control::Refused(abi::ERROR_ACCESS_DENIED),
            0x0140_0003 => panic!("control was told to"),
            _ => Control::NotHandled,
        }
    }
}

fn lab(told: &str) -> stead_sdk::testing::Opened<Lab> {
    Harness::<Lab>::new("lab").text("Do", told).open().unwrap()
}

#[test]
fn a_panic_in_any_entry_point_is_a_failure_of_that_call() {
    assert!(Harness::<Lab>::new("panic").open().is_err());
    let told = lab("panic");
    told.online();
    assert_eq!(told.wait_settled(), State::Failed);
    assert!(told.lines().iter().any(|line| line.contains("online was told to")), "{:?}", told.lines());
    let (code, said) = told.validate(&[("Do", Value::Sz("panic".to_owned()))]);
    assert_ne!(code, 0);
    assert!(said.iter().any(|line| line.contains("validate was told to")), "{said:?}");
    assert_ne!(told.control(0x0140_0003, &[], 16).0, 0);
    let late = lab("panic late");
    late.online();
    assert_eq!(late.wait_settled(), State::Online);
    assert!(!late.is_alive() && !late.looks_alive());
    late.offline();
    assert_eq!(late.wait_settled(), State::Failed);
    late.terminate();
    // It lives on.
    late.online();
    assert_eq!(late.wait_settled(), State::Online);
}

#[test]
fn open_that_refuses_says_why() {
    let lines = Harness::<Lab>::new("closed").open().err().expect("refused");
    assert_eq!(lines, ["never"]);
}

#[test]
fn a_failed_online_carries_code_and_state() {
    let failed = lab("fail");
    failed.online();
    assert_eq!(failed.wait_settled(), State::Failed);
    let last = *failed.reports().last().unwrap();
    assert_eq!((last.state, last.code), (abi::ClusterResourceFailed, abi::ERROR_FILE_NOT_FOUND));
    let elsewhere = lab("elsewhere");
    elsewhere.online();
    assert_eq!(elsewhere.wait_settled(), State::Failed);
    let last = *elsewhere.reports().last().unwrap();
    assert_eq!(last.state, abi::ClusterResourceCannotComeOnlineOnThisNode);
}

#[test]
fn a_missing_or_wrong_property_keeps_it_offline() {
    let missing = Harness::<Lab>::new("lab").open().unwrap();
    assert_ne!(missing.online(), 0);
    assert_eq!(missing.wait_settled(), State::Failed);
    assert!(missing.lines().iter().any(|line| line.contains("\"Do\" is required")), "{:?}", missing.lines());
    let wrong = Harness::<Lab>::new("lab").text("Do", "x").number("Size", 11).open().unwrap();
    assert_ne!(wrong.online(), 0);
    assert_eq!(wrong.wait_settled(), State::Failed);
}

#[test]
fn progress_raises_the_checkpoint_and_cancel_and_terminate_end_the_wait() {
    let waiting = lab("wait");
    assert_eq!(waiting.online(), abi::ERROR_IO_PENDING);
    let third = waiting.wait_report(|report| report.checkpoint >= 3);
    assert_eq!(third.state, abi::ClusterResourceOnlinePending);
    let reports = waiting.reports();
    assert!(reports.windows(2).all(|pair| pair[0].checkpoint < pair[1].checkpoint), "{reports:?}");
    assert_eq!(waiting.cancel(), 0);
    assert_eq!(waiting.wait_settled(), State::Failed);
    assert_eq!(waiting.online(), abi::ERROR_IO_PENDING);
    waiting.wait_report(|report| report.checkpoint >= 1);
    // Returns when the worker is gone; what it may have started after the first call is ended by a second.
    waiting.terminate();
    let mut lines = waiting.lines();
    lines.retain(|line| line.starts_with("terminate"));
    assert_eq!(lines, ["terminate 1", "terminate 2"]);
}

#[test]
fn terminate_is_called_once_when_nothing_was_in_progress() {
    let idle = lab("x");
    idle.terminate();
    idle.online();
    assert_eq!(idle.wait_settled(), State::Online);
    idle.terminate();
    let lines = idle.lines();
    assert!(lines.ends_with(&["terminate 2".to_owned()]), "{lines:?}");
}

#[test]
fn a_worker_told_to_stop_by_a_report_stops() {
    let waiting = lab("wait");
    assert_eq!(waiting.online(), abi::ERROR_IO_PENDING);
    waiting.wait_report(|report| report.checkpoint >= 1);
    waiting.stop_reports();
    while !waiting.lines().iter().any(|line| line == "told to stop") {
        std::thread::yield_now();
    }
    // Whoever said "terminate" wants no further reports.
    waiting.terminate();
    assert!(waiting.lines().iter().any(|line| line == "told to stop"), "{:?}", waiting.lines());
    assert!(waiting.reports().iter().all(|report| report.state == abi::ClusterResourceOnlinePending));
}

#[test]
fn a_busy_offline_stays_online_with_the_flag() {
    let busy = lab("busy");
    busy.online();
    assert_eq!(busy.wait_settled(), State::Online);
    busy.offline();
    assert_eq!(busy.wait_settled(), State::Online);
    assert_eq!(busy.reports().last().unwrap().flags, abi::CLUSRESDLL_STATUS_OFFLINE_BUSY);
    busy.offline_with(abi::CLUSRESDLL_STATUS_OFFLINE_BUSY, Some("n2"));
    assert_eq!(busy.wait_settled(), State::Offline);
    assert!(busy.lines().iter().any(|line| line.contains("offline to Some(\"n2\"), flags 0x1")));
}

#[test]
fn control_codes_obey_the_rules_of_short_buffers() {
    let lab = lab("x");
    for code in [
        abi::CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES,
        abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTY_FMTS,
        abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES,
    ] {
        let (answer, output, needed) = lab.control(code, &[], 4096);
        assert_eq!((answer, output.len()), (0, needed as usize));
        assert!(needed > 0);
        for room in [0, 1, output.len() - 1] {
            assert_eq!(lab.control(code, &[], room), (abi::ERROR_MORE_DATA, Vec::new(), needed), "{code:#x}");
        }
        assert_eq!(lab.control(code, &[], output.len()), (0, output, needed));
    }
    assert_eq!(lab.control(0x0140_0001, b"abc", 3), (0, b"cba".to_vec(), 3));
    assert_eq!(lab.control(0x0140_0001, b"abc", 2).0, abi::ERROR_MORE_DATA);
    assert_eq!(lab.control(0x0140_0002, &[], 9).0, abi::ERROR_ACCESS_DENIED);
    assert_eq!(lab.control(0x0140_0004, &[], 9).0, abi::ERROR_INVALID_FUNCTION);
}

#[test]
fn private_properties_are_told_with_their_defaults() {
    let lab = lab("x");
    let (_, output, _) = lab.control(abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES, &[], 4096);
    let list = abi::PropertyList::decode(&output).unwrap();
    let of = |name: &str| list.0.iter().find(|property| property.name == name).unwrap().values[0].clone();
    assert_eq!(of("Do"), Value::Sz("x".to_owned()));
    assert_eq!(of("Size"), Value::Dword(5));
    assert_eq!(of("Names"), Value::MultiSz(Vec::new()));
}

#[test]
fn lists_that_are_wrong_are_refused() {
    let lab = lab("x");
    let validate = abi::CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES;
    for input in [&[][..], &[1], &[255; 8], &[1, 0, 0, 0, 3, 0, 4, 0]] {
        assert_ne!(lab.control(validate, input, 0).0, 0, "{input:?}");
    }
    let text = |text: &str| Value::Sz(text.to_owned());
    assert_eq!(lab.validate(&[("do", text("x"))]).0, 0, "names have no case");
    for (list, word) in [
        (vec![("Do", text("nonsense"))], "not done here"),
        (vec![("Do", Value::Dword(1))], "must be text"),
        (vec![("Do", text("x")), ("Size", text("big"))], "a number"),
        (vec![("Do", text("x")), ("Size", Value::Dword(0))], "from 1 to 10"),
        (vec![("Do", text("x")), ("Sise", Value::Dword(1))], "allowed here: Do, Size, Names"),
        (vec![("Size", Value::Dword(1))], "\"Do\" is required"),
    ] {
        let (code, said) = lab.validate(&list);
        assert_eq!(code, abi::ERROR_INVALID_PARAMETER, "{list:?}");
        assert!(said.iter().any(|line| line.contains(word)), "{list:?}: {said:?}");
    }
}

#[test]
fn a_part_of_the_properties_may_be_set() {
    let lab = lab("x");
    let set = |value: u32| {
        let list = abi::PropertyList(vec![abi::Property::new("Size", Value::Dword(value))]).encode();
        lab.control(abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES, &list, 0).0
    };
    // The host stores it: it is told so by the code.
    assert_eq!(set(7), abi::ERROR_INVALID_FUNCTION);
    assert_eq!(set(11), abi::ERROR_INVALID_PARAMETER);
    lab.online();
    assert_eq!(lab.wait_settled(), State::Online);
    assert_eq!(set(7), abi::ERROR_RESOURCE_PROPERTIES_STORED);
}
