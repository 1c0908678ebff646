//! Each rule on records made by hand: kept, broken, not reached.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;

use stead_resapi as abi;
use stead_resapi::{Property, PropertyList, Value, encode_multi_sz};

use super::super::judge::{Evidence, Observed, Verdict, judge};
use super::super::plan::Trial;
use super::super::trace::{Ended, Phase, Purpose, Record, Surroundings, TableSeen, Usage, What};
use super::{all, leaks};

fn observed(trial: Trial, steps: Vec<What>) -> Observed {
    let records = (0..).zip(steps).map(|(at, what)| Record { at: at * 1000, thread: 1, what }).collect();
    Observed { trial, records, ended: Ended::Done, errors: String::new() }
}

fn evidence(trials: Vec<Observed>) -> Evidence {
    Evidence { trials, missing: "not tried".to_owned() }
}

fn verdict(id: &str, trials: &[Observed]) -> Verdict {
    judge(&evidence(trials.to_vec()), Some(id)).remove(0).verdict
}

fn call(number: u32, entry: &str) -> What {
    What::Call { call: number, entry: entry.to_owned(), instance: 0, args: String::new() }
}

fn back(number: u32, value: i64) -> What {
    What::Return { call: number, value, last_error: 0, took_us: 100, event: 0 }
}

fn took(number: u32, took_us: u64) -> What {
    What::Return { call: number, value: 1, last_error: 0, took_us, event: 0 }
}

fn status(state: i32, checkpoint: u32, before: Phase, answer: u32) -> What {
    What::Status {
        instance: Some(0),
        handle: 1,
        ex: true,
        null: false,
        state,
        checkpoint,
        event: 0,
        code: 0,
        flags: 0,
        before: Some(before),
        answer,
    }
}

fn for_instance(instance: Option<u32>, what: What) -> What {
    match what {
        What::Status { ex, null, state, checkpoint, event, code, flags, before, answer, .. } => {
            What::Status {
                instance,
                handle: instance.map_or(99, |instance| u64::from(instance) + 1),
                ex,
                null,
                state,
                checkpoint,
                event,
                code,
                flags,
                before: instance.and(before),
                answer,
            }
        }
        other => other,
    }
}

fn settled(state: i32, code: u32, flags: u32) -> What {
    What::Settled { instance: 0, state, code, flags, took_us: 1000 }
}

fn online() -> Vec<What> {
    vec![call(1, "Online"), back(1, 0), settled(abi::ClusterResourceOnline, 0, 0)]
}

fn offline(state: i32, flags: u32) -> Vec<What> {
    vec![call(2, "Offline"), back(2, 0), settled(state, 0, flags)]
}

fn startup(returned: u32, max: u32, table: Option<TableSeen>) -> What {
    let (entry, type_name) = ("StartupEx".to_owned(), "Type".to_owned());
    What::Startup { entry, type_name, min: 0x100, max, returned, table }
}

fn table(size: u32, version: u32, without: Option<usize>) -> TableSeen {
    let present = (0..12).map(|index| Some(index) != without && index != 7 && index != 8).collect();
    TableSeen { size, version, present }
}

fn workload(point: &str, pids: &[u32]) -> What {
    What::Workload { point: point.to_owned(), pids: pids.to_vec() }
}

fn event(point: &str, look: &str) -> What {
    What::Event { instance: 0, point: point.to_owned(), look: look.to_owned() }
}

fn control(code: u32, purpose: Purpose, out_size: u32, returned: u32, output: &[u8]) -> What {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    What::Control {
        call: 1,
        code,
        purpose,
        in_size: 0,
        out_size,
        returned,
        bytes: output.len() as u32,
        overrun: 0,
        later: false,
        ended: None,
        input: String::new(),
        output: hex(output),
    }
}

fn properties(name: &str, value: Value) -> Vec<u8> {
    PropertyList(vec![Property::new(name, value)]).encode()
}

/// Usage that grows by `step` a cycle, in what `change` says.
fn cycles(step: u64, change: fn(&mut Usage, u64)) -> Observed {
    let steps = (1..=40).map(|cycle| {
        let mut usage = Usage {
            descriptors: 5,
            threads: 1,
            children: 0,
            heap: 90_000,
            resident: 1 << 22,
            mapped: 1 << 26,
        };
        change(&mut usage, step * u64::from(cycle));
        What::Usage { point: "cycles".to_owned(), cycle, usage }
    });
    observed(Trial::Cycles, steps.collect())
}

fn ended(trial: Trial, mut steps: Vec<What>, ended: Ended, errors: &str) -> Observed {
    steps.insert(0, call(9, "Online"));
    Observed { ended, errors: errors.to_owned(), ..observed(trial, steps) }
}

/// A rule, a run that keeps it, and one that breaks it.
type Case = (&'static str, Vec<Observed>, Vec<Observed>);

fn start_cases() -> Vec<Case> {
    use Trial::{Bare, Lifecycle, NoKey, UnknownType, Versions};
    let one = |trial, what: What| vec![observed(trial, vec![what])];
    let opened = |trial, value, last_error| {
        vec![observed(
            trial,
            vec![call(1, "Open"), What::Return { call: 1, value, last_error, took_us: 9, event: 0 }],
        )]
    };
    let mut half = table(96, 0x200, None);
    half.present[7] = true;
    vec![
        (
            "unknown-type-refused",
            one(UnknownType, startup(5080, 0x400, None)),
            one(UnknownType, startup(0, 0x400, None)),
        ),
        (
            "version-negotiated",
            one(Versions, startup(1306, 0x7fff, None)),
            one(Versions, startup(0, 0x7fff, None)),
        ),
        (
            "version-negotiated",
            one(Trial::OldestVersion, startup(0, 0x100, Some(table(88, 0x100, None)))),
            one(Trial::OldestVersion, startup(0, 0x100, Some(table(96, 0x200, None)))),
        ),
        (
            "function-table",
            one(Lifecycle, startup(0, 0x400, Some(table(96, 0x200, None)))),
            one(Lifecycle, startup(0, 0x400, Some(table(88, 0x200, None)))),
        ),
        (
            "function-table",
            one(Lifecycle, startup(0, 0x400, Some(table(96, 0x200, None)))),
            one(Lifecycle, startup(0, 0x400, Some(table(96, 0x200, Some(6))))),
        ),
        (
            "arbitrate-with-release",
            one(Lifecycle, startup(0, 0x400, Some(table(96, 0x200, None)))),
            one(Lifecycle, startup(0, 0x400, Some(half))),
        ),
        ("open-without-properties", opened(Bare, 1, 0), opened(Bare, 0, 2)),
        ("open-error-told", opened(NoKey, 0, 2), opened(NoKey, 0, 0)),
    ]
}

fn report_cases() -> Vec<Case> {
    use Phase::{Idle, OnlinePending, Terminated};
    use Trial::{Lifecycle, Told, TwoInstances};
    const PENDING: i32 = abi::ClusterResourceOnlinePending;
    const ONLINE: i32 = abi::ClusterResourceOnline;
    let run = |trial, steps: Vec<What>| {
        vec![observed(trial, [vec![call(1, "Online"), back(1, 997)], steps].concat())]
    };
    let both = |first: Observed, second: Vec<What>, trial| {
        vec![first, observed(trial, [vec![call(8, "Terminate"), back(8, 0)], second].concat())]
    };
    let able = || observed(Lifecycle, online());
    let failed = || vec![call(1, "Online"), back(1, 5038), settled(abi::ClusterResourceFailed, 5038, 0)];
    let log = |level, instance, handle| {
        let (text, before) = ("x".to_owned(), Some(Idle));
        vec![observed(Lifecycle, vec![What::Log { instance, handle, level, text, before }])]
    };
    let pending = |workers| vec![What::StillPending { instance: 0, waited_ms: 9, workers }];
    vec![
        ("final-report", run(Lifecycle, vec![settled(ONLINE, 0, 0)]), run(Lifecycle, pending(0))),
        (
            "checkpoint-rises",
            run(Lifecycle, vec![status(PENDING, 1, OnlinePending, 0), status(PENDING, 2, OnlinePending, 0)]),
            run(Lifecycle, vec![status(PENDING, 2, OnlinePending, 0), status(PENDING, 2, OnlinePending, 0)]),
        ),
        (
            "report-only-while-pending",
            run(Lifecycle, vec![status(ONLINE, 1, OnlinePending, 0)]),
            run(Lifecycle, vec![settled(ONLINE, 0, 0), status(ONLINE, 2, Idle, 1)]),
        ),
        (
            "report-valid",
            run(Lifecycle, vec![status(PENDING, 1, OnlinePending, 0)]),
            run(Lifecycle, vec![status(abi::ClusterResourceOfflinePending, 1, OnlinePending, 0)]),
        ),
        (
            "report-valid",
            run(Lifecycle, vec![status(ONLINE, 1, OnlinePending, 0)]),
            run(Lifecycle, vec![status(77, 1, OnlinePending, 1)]),
        ),
        (
            "report-own-handle",
            run(TwoInstances, vec![status(ONLINE, 1, OnlinePending, 0)]),
            run(TwoInstances, vec![for_instance(Some(1), status(ONLINE, 1, Idle, 1))]),
        ),
        (
            "report-own-handle",
            run(TwoInstances, vec![status(ONLINE, 1, OnlinePending, 0)]),
            run(TwoInstances, vec![for_instance(None, status(ONLINE, 1, Idle, 1))]),
        ),
        (
            "stop-when-told",
            run(Told, vec![status(PENDING, 1, OnlinePending, 1)]),
            run(Told, vec![status(PENDING, 1, OnlinePending, 1), status(ONLINE, 2, OnlinePending, 1)]),
        ),
        (
            "quiet-after-terminate",
            run(Lifecycle, vec![call(2, "Terminate"), back(2, 0)]),
            run(Lifecycle, vec![call(2, "Terminate"), back(2, 0), status(ONLINE, 1, Terminated, 1)]),
        ),
        (
            "quiet-after-close",
            run(Lifecycle, vec![call(2, "Close"), back(2, 0)]),
            run(Lifecycle, vec![call(2, "Close"), back(2, 0), status(ONLINE, 1, Phase::Closed, 1)]),
        ),
        (
            "online-again",
            // Once may be bad luck.
            both(able(), [failed(), online()].concat(), Trial::TerminateTwice),
            both(able(), [failed(), failed()].concat(), Trial::TerminateTwice),
        ),
        (
            "online-flags",
            both(able(), online(), Trial::OnlineFlags),
            both(able(), failed(), Trial::OnlineFlags),
        ),
        ("log-event", log(abi::LOG_WARNING, Some(0), 1), log(9, Some(0), 1)),
        (
            "report-own-handle",
            run(TwoInstances, vec![status(ONLINE, 1, OnlinePending, 0)]),
            log(abi::LOG_WARNING, None, 7),
        ),
        (
            "report-own-handle",
            run(TwoInstances, vec![status(ONLINE, 1, OnlinePending, 0)]),
            vec![observed(
                Lifecycle,
                vec![What::Callback {
                    name: "SignalFailure".to_owned(),
                    instance: None,
                    handle: 7,
                    detail: 0,
                    answer: 6,
                    before: None,
                }],
            )],
        ),
    ]
}

fn health_cases() -> Vec<Case> {
    use Trial::{Kill, Lifecycle};
    let polls =
        |entry: &str, value| (1..=5).flat_map(|n| [call(n, entry), back(n, value)]).collect::<Vec<_>>();
    let alive =
        |value| vec![observed(Lifecycle, [vec![workload("online", &[7])], polls("IsAlive", value)].concat())];
    let killed = |looks, is, new: &[u32]| {
        let steps = [
            vec![What::Killed { pids: vec![7] }],
            polls("LooksAlive", looks),
            polls("IsAlive", is),
            vec![workload("after-kill", new)],
        ];
        vec![observed(Kill, steps.concat())]
    };
    let slow = |entry: &str, us| {
        vec![observed(Lifecycle, (1..=8).flat_map(|n| [call(n, entry), took(n, us)]).collect())]
    };
    let look =
        |trial, point, look| vec![observed(trial, vec![What::Killed { pids: vec![7] }, event(point, look)])];
    vec![
        ("alive-when-online", alive(1), alive(0)),
        ("is-alive-notices", killed(0, 0, &[]), killed(1, 1, &[])),
        ("looks-alive-notices", killed(0, 0, &[]), killed(1, 0, &[])),
        ("event-handle", look(Lifecycle, "online", "quiet"), look(Lifecycle, "online", "invalid")),
        ("event-handle", look(Lifecycle, "online", "quiet"), look(Lifecycle, "online", "signalled")),
        ("event-handle-signals", look(Kill, "after-kill", "signalled"), look(Kill, "after-kill", "quiet")),
        ("looks-alive-quick", slow("LooksAlive", 9_000), slow("LooksAlive", 60_000)),
        ("quick-calls", slow("Offline", 290_000), slow("Offline", 310_000)),
    ]
}

fn stop_cases() -> Vec<Case> {
    use Trial::{CloseRunning, Lifecycle, OfflineFlags, TerminateTwice};
    const OFFLINE: i32 = abi::ClusterResourceOffline;
    let stopped = |pids: &[u32]| {
        vec![observed(Lifecycle, [offline(OFFLINE, 0), vec![workload("after-offline", pids)]].concat())]
    };
    let after = |trial, entry: &str, point: &str, pids: &[u32]| {
        vec![observed(trial, vec![call(1, entry), back(1, 0), workload(point, pids)])]
    };
    let flags = |state, flags| {
        vec![observed(Lifecycle, offline(OFFLINE, 0)), observed(OfflineFlags, offline(state, flags))]
    };
    vec![
        ("offline-stops", stopped(&[]), stopped(&[7])),
        (
            "terminate-stops",
            after(TerminateTwice, "Terminate", "after-terminate", &[]),
            after(TerminateTwice, "Terminate", "after-terminate", &[7]),
        ),
        (
            "close-stops",
            after(CloseRunning, "Close", "after-close", &[]),
            after(CloseRunning, "Close", "after-close", &[7]),
        ),
        ("offline-flags", flags(OFFLINE, 0), flags(abi::ClusterResourceFailed, 0)),
        // To delay is allowed, and is said by a flag.
        (
            "offline-flags",
            flags(abi::ClusterResourceOnline, abi::CLUSRESDLL_STATUS_OFFLINE_BUSY),
            flags(abi::ClusterResourceOnline, 0),
        ),
    ]
}

fn control_cases() -> Vec<Case> {
    const GET: u32 = abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES;
    const SET: u32 = abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES;
    const FORMATS: u32 = abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTY_FMTS;
    let run = |steps: Vec<What>| vec![observed(Trial::Controls, steps)];
    let number = |value| properties("Number", Value::Dword(value));
    let names = |list: &[&str]| {
        let list: Vec<String> = list.iter().map(|name| (*name).to_owned()).collect();
        encode_multi_sz(&list).iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>()
    };
    let short = |returned, bytes: &[u8]| {
        run(vec![
            control(GET, Purpose::Full, 4096, 0, &[0; 8]),
            control(GET, Purpose::Short, 7, returned, bytes),
        ])
    };
    let overrun = |count| match control(GET, Purpose::Short, 4, 234, &[]) {
        What::Control {
            call,
            code,
            purpose,
            in_size,
            out_size,
            returned,
            bytes,
            later,
            ended,
            input,
            output,
            ..
        } => {
            let overrun = count;
            run(vec![What::Control {
                call,
                code,
                purpose,
                in_size,
                out_size,
                returned,
                bytes,
                overrun,
                later,
                ended,
                input,
                output,
            }])
        }
        other => run(vec![other]),
    };
    let later = |status| match control(GET, Purpose::Full, 4, 0, &[]) {
        What::Control {
            call,
            code,
            purpose,
            in_size,
            out_size,
            returned,
            bytes,
            overrun,
            input,
            output,
            ..
        } => {
            let (later, ended) = (true, status);
            run(vec![What::Control {
                call,
                code,
                purpose,
                in_size,
                out_size,
                returned,
                bytes,
                overrun,
                later,
                ended,
                input,
                output,
            }])
        }
        other => run(vec![other]),
    };
    let one = |code, purpose, returned| run(vec![control(code, purpose, 0, returned, &[])]);
    let listed = |list: &[&str]| {
        let code = abi::CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES;
        run(vec![
            control(code, Purpose::Full, 99, 0, &names(list)),
            control(GET, Purpose::Full, 99, 0, &number(1)),
        ])
    };
    let formatted = |format| {
        run(vec![
            control(GET, Purpose::Full, 99, 0, &number(1)),
            control(FORMATS, Purpose::Full, 99, 0, &number(format)),
        ])
    };
    let set = |read| {
        let purpose = Purpose::Set("Number".to_owned());
        let mut set = control(SET, purpose, 0, 0, &[]);
        if let What::Control { input, .. } = &mut set {
            *input = number(6).iter().map(|byte| format!("{byte:02x}")).collect();
        }
        run(vec![set, control(GET, Purpose::ReadBack, 99, 0, &number(read))])
    };
    let word = |text: &str| text.to_owned();
    vec![
        ("unknown-control", one(7, Purpose::Unknown, 1), one(7, Purpose::Unknown, 0)),
        ("short-buffer", short(234, &[0; 8]), short(122, &[0; 8])),
        ("short-buffer", short(234, &[0; 8]), short(234, &[0; 4])),
        ("buffer-overrun", overrun(0), overrun(3)),
        (
            "late-write",
            run(vec![What::Buffers { late: Vec::new() }]),
            run(vec![control(GET, Purpose::Full, 4, 0, &[0; 4]), What::Buffers { late: vec![(1, 2)] }]),
        ),
        (
            "malformed-list",
            one(SET, Purpose::Malformed(word("x")), 13),
            one(SET, Purpose::Malformed(word("x")), 0),
        ),
        (
            "wrong-type",
            one(SET, Purpose::WrongType(word("x")), 87),
            one(SET, Purpose::WrongType(word("x")), 0),
        ),
        (
            "read-only-property",
            one(SET, Purpose::ReadOnly(word("x")), 87),
            one(SET, Purpose::ReadOnly(word("x")), 5024),
        ),
        ("properties-agree", listed(&["number"]), listed(&["Other"])),
        ("properties-agree", formatted(abi::CLUSPROP_FORMAT_DWORD), formatted(abi::CLUSPROP_FORMAT_SZ)),
        ("set-then-get", set(6), set(5)),
        ("control-ends", later(Some(0)), later(None)),
    ]
}

fn question_cases() -> Vec<Case> {
    const ASKED: u32 = abi::CLUSCTL_RESOURCE_QUERY_DELETE;
    let run = |steps: Vec<What>| vec![observed(Trial::Questions, steps)];
    let twice = |first, second| {
        run([first, second].map(|code| control(ASKED, Purpose::Question, 0, code, &[])).to_vec())
    };
    let after = |online, alive: bool, before: &[u32], now: &[u32], changed: &[&str]| {
        let workload = (before.to_vec(), now.to_vec());
        let changed = changed.iter().map(|name| (*name).to_owned()).collect();
        let asked = control(ASKED, Purpose::Question, 0, 1, &[]);
        run(vec![asked, What::Questioned { code: ASKED, online, alive: (online, alive), workload, changed }])
    };
    vec![
        ("question-answered", twice(1, 0), twice(1, 5)),
        ("question-answered", twice(5, 170), twice(997, 997)),
        ("question-answered", twice(0, 0), twice(234, 234)),
        ("question-harmless", after(true, true, &[7], &[8], &[]), after(true, false, &[7], &[7], &[])),
        ("question-harmless", after(true, true, &[7], &[7], &[]), after(true, true, &[7], &[], &[])),
        ("question-harmless", after(false, false, &[], &[], &[]), after(false, false, &[], &[7], &[])),
        ("question-harmless", after(false, false, &[], &[], &[]), after(false, false, &[], &[], &["Path"])),
    ]
}

fn process_cases() -> Vec<Case> {
    use Trial::{Kill, Parallel, Unload};
    let leak = |step, change| vec![cycles(step, change)];
    let fine = || vec![observed(Kill, online())];
    let second = || What::Call { call: 5, entry: "Online".to_owned(), instance: 1, args: String::new() };
    let unloading = |end| Observed { ended: end, ..observed(Unload, vec![call(5, "dlclose")]) };
    let around = |change: fn(&mut Surroundings)| {
        let before = Surroundings {
            folder: "/".to_owned(),
            mask: "0022".to_owned(),
            limits: vec![("open files".to_owned(), 1024)],
            ignored: vec![1],
        };
        let mut after = before.clone();
        change(&mut after);
        vec![observed(Kill, vec![What::Surroundings(before), call(1, "Open"), What::Surroundings(after)])]
    };
    let kept = || around(|_| {});
    vec![
        ("process-unchanged", kept(), around(|after| "/tmp".clone_into(&mut after.folder))),
        ("process-unchanged", kept(), around(|after| "0777".clone_into(&mut after.mask))),
        (
            "process-unchanged",
            around(|after| after.limits[0].1 = 4096),
            around(|after| after.limits[0].1 = 0),
        ),
        ("process-unchanged", around(|after| after.ignored.push(13)), around(|after| after.ignored.push(15))),
        (
            "key-handles",
            kept(),
            vec![observed(Kill, vec![call(1, "Open"), What::BadHandle { handle: 0x1_0000_0002 }])],
        ),
        (
            "leak-descriptors",
            leak(0, |usage, by| usage.descriptors += by),
            leak(1, |usage, by| usage.descriptors += by),
        ),
        ("leak-threads", leak(0, |usage, by| usage.threads += by), leak(1, |usage, by| usage.threads += by)),
        (
            "leak-threads",
            leak(9_999, |usage, by| usage.mapped += by),
            leak(8 << 20, |usage, by| usage.mapped += by),
        ),
        (
            "leak-processes",
            leak(0, |usage, by| usage.children += by),
            leak(1, |usage, by| usage.children += by),
        ),
        ("leak-memory", leak(1, |usage, by| usage.heap += by), leak(100, |usage, by| usage.heap += by)),
        ("process-survives", fine(), vec![ended(Kill, Vec::new(), Ended::Signal(11), "")]),
        ("process-survives", fine(), vec![ended(Kill, Vec::new(), Ended::Exit(3), "assertion failed")]),
        ("calls-return", fine(), vec![ended(Kill, Vec::new(), Ended::Hung(15_000), "")]),
        (
            "parallel-instances",
            vec![observed(Parallel, vec![second()])],
            vec![ended(Parallel, vec![second()], Ended::Signal(6), "")],
        ),
        (
            "unload",
            vec![observed(Unload, vec![call(5, "dlclose"), back(5, 0)])],
            vec![unloading(Ended::Signal(11))],
        ),
    ]
}

fn cases() -> Vec<Case> {
    [
        start_cases(),
        report_cases(),
        health_cases(),
        stop_cases(),
        control_cases(),
        question_cases(),
        process_cases(),
    ]
    .concat()
}

#[test]
fn every_rule_is_kept_by_one_run_and_broken_by_another() {
    let mut covered = BTreeSet::new();
    for (id, good, bad) in cases() {
        let kept = verdict(id, &good);
        assert!(matches!(kept, Verdict::Kept(_)), "{id}: {kept:?}");
        let broken = verdict(id, &bad);
        assert!(matches!(broken, Verdict::Broken(_)), "{id}: {broken:?}");
        covered.insert(id);
    }
    let ids: BTreeSet<&str> = all().map(|rule| rule.id).collect();
    assert_eq!(covered, ids);
}

#[test]
fn what_was_not_tried_is_neither_kept_nor_broken() {
    for judged in judge(&evidence(Vec::new()), None) {
        assert_eq!(judged.verdict, Verdict::NotReached("not tried".to_owned()), "{}", judged.rule.id);
    }
}

#[test]
fn rules_are_told_apart_and_explained() {
    let ids: Vec<&str> = all().map(|rule| rule.id).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len());
    for rule in all() {
        assert!(rule.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", rule.id);
        assert!(
            rule.page.contains('/') && rule.explanation.ends_with('.') && rule.remedy.ends_with('.'),
            "{}",
            rule.id
        );
    }
}

#[test]
fn a_death_says_where_and_what_was_printed() {
    let Verdict::Broken(breaches) =
        verdict("process-survives", &[ended(Trial::Kill, Vec::new(), Ended::Exit(3), "assertion failed")])
    else {
        panic!("it must be broken");
    };
    assert!(
        breaches[0].text.contains("status 3, inside Online; it had printed: assertion failed"),
        "{breaches:?}"
    );
}

#[test]
fn warming_up_is_no_leak_and_a_slow_leak_is_one() {
    let settling: Vec<u64> = (0..200).map(|cycle: u64| 1000 + cycle.min(60) * 50).collect();
    assert_eq!(leaks::growth(&settling), Some(0.0));
    let doubling: Vec<u64> = (1..200).map(|cycle: u64| cycle.next_power_of_two() * 64).collect();
    assert!(leaks::growth(&doubling).unwrap() < 1e-9, "{:?}", leaks::growth(&doubling));
    let noisy: Vec<u64> = (0..200).map(|cycle: u64| 1000 + cycle * 7 % 13).collect();
    assert!(leaks::growth(&noisy).unwrap() < 0.05);
    let slow: Vec<u64> = (0..1000).map(|cycle: u64| 10 + cycle / 50).collect();
    let growth = leaks::growth(&slow).unwrap();
    assert!((0.015..0.025).contains(&growth), "{growth}");
    assert_eq!(leaks::growth(&[1, 2, 3]), None);
}

#[test]
fn a_resource_that_restarts_its_workload_itself_is_not_blamed() {
    let steps =
        vec![What::Killed { pids: vec![7] }, call(1, "IsAlive"), back(1, 1), workload("after-kill", &[8])];
    let seen = verdict("is-alive-notices", &[observed(Trial::Kill, steps)]);
    assert_eq!(seen, Verdict::NotReached("it has started its workload again by itself".to_owned()));
}

#[test]
fn a_slow_operation_is_not_taken_for_one_without_an_end() {
    let steps = vec![
        call(1, "Online"),
        back(1, 997),
        What::StillPending { instance: 0, waited_ms: 10_000, workers: 1 },
    ];
    let seen = verdict("final-report", &[observed(Trial::Lifecycle, steps)]);
    assert!(matches!(&seen, Verdict::NotReached(why) if why.contains("--seconds")), "{seen:?}");
}
