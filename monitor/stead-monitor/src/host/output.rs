//! What `stead host` prints: JSON lines in the order in which things happened, or text for people.
//!
//! A call is written when it has returned and carries the instant it began. Lines of later instants are held back
//! meanwhile, so that the output is in order; but not for longer than a second, so that a hanging call does not hide
//! what else goes on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stead_monitor_protocol::Hex;
use stead_types::{Code, Time};

use crate::engine::{Called, CalledBack, Changed, Field, lock, now};

const HELD_AT_MOST: Duration = Duration::from_secs(1);

/// What is later than this behind the last line is no race but a call that hung.
const RACE: Duration = Duration::from_millis(5);

/// One line: when, and what.
#[derive(Debug)]
pub(super) struct Line {
    at: Time,
    event: &'static str,
    fields: Map<String, Value>,
}

fn field(value: Field) -> Value {
    match value {
        Field::Number(number) => json!(number),
        Field::Text(text) => json!(text),
        Field::Hex(bytes) => json!(bytes.map(|bytes| Hex(bytes).to_string())),
        Field::Handle(handle) => json!(format!("{handle:#x}")),
    }
}

fn fields(args: Vec<(&'static str, Field)>) -> Value {
    Value::Object(args.into_iter().map(|(name, value)| (name.to_owned(), field(value))).collect())
}

impl Line {
    fn new(at: Time, event: &'static str, value: Value) -> Line {
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Map::new()
            }
        };
        Line { at, event, fields }
    }

    pub(super) fn call(call: Called) -> Line {
        let took = u64::try_from(call.took.as_micros()).unwrap_or(u64::MAX);
        let value = json!({
            "entry": call.entry,
            "args": fields(call.args),
            "returned": call.returned.map(field),
            "took_us": took,
        });
        Line::new(call.at, "call", value)
    }

    pub(super) fn callback(call: CalledBack) -> Line {
        let value = json!({
            "name": call.name,
            "args": fields(call.args),
            "returned": call.returned,
            "accepted": call.accepted,
        });
        Line::new(call.at, "callback", value)
    }

    pub(super) fn state(change: &Changed) -> Line {
        let mut line = Line::new(
            change.at,
            "state",
            json!({ "from": change.from.shown().as_str(), "to": change.to.shown().as_str() }),
        );
        if !change.code.is_success() {
            line.fields.insert("code".to_owned(), json!(change.code.0));
            line.fields.insert("name".to_owned(), json!(change.code.name()));
        }
        line
    }

    pub(super) fn log(at: Time, level: i32, text: &str) -> Line {
        let level = match level {
            0 => "information",
            1 => "warning",
            2 => "error",
            _ => "severe",
        };
        Line::new(at, "log", json!({ "level": level, "text": text }))
    }

    pub(super) fn ended(
        at: Time,
        event: &'static str,
        command: &str,
        code: Code,
        text: Option<String>,
    ) -> Line {
        let mut value = json!({ "command": command, "code": code.0, "name": code.name() });
        if let Some(text) = text {
            value["text"] = json!(text);
        }
        Line::new(at, event, value)
    }

    pub(super) fn control(at: Time, code: u32, returned: Code, output: Vec<u8>) -> Line {
        let value = json!({
            "code": format!("{code:#010x}"),
            "returned": returned.0,
            "name": returned.name(),
            "output": Hex(output).to_string(),
        });
        Line::new(at, "control", value)
    }

    pub(super) fn violation(at: Time, rule: &str, text: &str, code: Option<Code>) -> Line {
        let mut value = json!({ "rule": rule, "text": text });
        if let Some(code) = code {
            value["code"] = json!(code.0);
            value["name"] = json!(code.name());
        }
        Line::new(at, "violation", value)
    }

    fn json(&self, at: Time, start: Time) -> String {
        let mut object = Map::new();
        let micros = u64::try_from(at.since(start).as_micros()).unwrap_or(u64::MAX);
        object.insert("at_us".to_owned(), json!(micros));
        object.insert("event".to_owned(), json!(self.event));
        object.extend(self.fields.clone());
        Value::Object(object).to_string()
    }

    fn text(&self, at: Time, start: Time) -> String {
        let seconds = at.since(start).as_secs_f64();
        let get = |name: &str| match self.fields.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "NULL".to_owned(),
            Some(other) => other.to_string(),
        };
        let what = match self.event {
            "call" => {
                let took = self.fields.get("took_us").and_then(Value::as_u64).unwrap_or(0);
                let entry = get("entry");
                let returned = match entry.as_str() {
                    "Terminate" | "Close" => String::new(),
                    _ => format!(" = {}", get("returned")),
                };
                format!("{entry}({}){returned}   [{took} us]", list(self.fields.get("args")))
            }
            "callback" => {
                let taken =
                    if self.fields.get("accepted") == Some(&Value::Bool(true)) { "" } else { "   ignored" };
                format!(
                    "  <- {}({}) = {}{taken}",
                    get("name"),
                    list(self.fields.get("args")),
                    get("returned")
                )
            }
            "state" => format!("== {} -> {}", get("from"), get("to")),
            "log" => format!("   {}: {}", get("level"), get("text").trim_end()),
            "control" => {
                format!("   {} = {} ({}): {}", get("code"), get("returned"), get("name"), get("output"))
            }
            "violation" => format!("!! {}: {}", get("rule"), get("text")),
            event => {
                let text = self.fields.get("text").and_then(Value::as_str);
                let text = text.map(|text| format!(": {text}")).unwrap_or_default();
                format!("!! {} {event}: {} ({}){text}", get("command"), get("name"), get("code"))
            }
        };
        format!("{seconds:10.6}  {what}")
    }
}

fn list(args: Option<&Value>) -> String {
    let Some(Value::Object(args)) = args else { return String::new() };
    args.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

#[derive(Default)]
struct Held {
    lines: BinaryHeap<Reverse<(Time, u64, String)>>,
    calls: Vec<Time>,
    count: u64,
    printed: Time,
    finished: bool,
    /// Standard output as it was when the printer was made.
    out: Option<File>,
}

/// Writes lines to standard output, through a descriptor of its own: what the resource DLL prints may go elsewhere.
pub(super) struct Printer {
    json: bool,
    start: Time,
    held: Arc<(Mutex<Held>, Condvar)>,
}

impl Printer {
    pub(super) fn new(json: bool, start: Time) -> Printer {
        let out = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3).ok().map(File::from);
        let held = Arc::new((Mutex::new(Held { out, ..Held::default() }), Condvar::new()));
        let shared = Arc::clone(&held);
        // Without this thread a line held back by a hanging call would wait for ever; so would nothing else.
        let _ = thread::Builder::new().name("printer".to_owned()).spawn(move || release_late(&shared));
        Printer { json, start, held }
    }

    /// A call or callback began: what happens later is held back until it has returned.
    pub(super) fn begins(&self) -> Time {
        let mut held = lock(&self.held.0);
        // Taken under the lock: nothing later has been printed yet.
        let at = now();
        held.calls.push(at);
        at
    }

    /// Prints the line of a call or callback that has returned.
    pub(super) fn ended(&self, began: Time, line: &Line) {
        let mut held = lock(&self.held.0);
        if let Some(at) = held.calls.iter().position(|at| *at == began) {
            held.calls.swap_remove(at);
        }
        self.push(&mut held, line);
    }

    /// Prints a line, in its turn.
    pub(super) fn print(&self, line: Line) {
        self.push(&mut lock(&self.held.0), &line);
    }

    fn push(&self, held: &mut Held, line: &Line) {
        // Two threads may print in another order than they looked at the clock.
        let behind = held.printed.since(line.at);
        let at = if behind < RACE { line.at.max(held.printed) } else { line.at };
        let text = if self.json { line.json(at, self.start) } else { line.text(at, self.start) };
        held.count += 1;
        let count = held.count;
        held.lines.push(Reverse((at, count, text)));
        release(held, Time::ZERO);
        self.held.1.notify_all();
    }

    /// Prints everything that is held back. A call or callback that is about to return is waited for, one that hangs
    /// is not.
    pub(super) fn finish(&self) {
        let mut held = lock(&self.held.0);
        let until = now().after(HELD_AT_MOST);
        while !held.calls.is_empty() && now() < until {
            let left = until.since(now());
            held = self.held.1.wait_timeout(held, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        held.calls.clear();
        held.finished = true;
        release(&mut held, Time::NEVER);
        self.held.1.notify_all();
    }
}

/// Prints what no call in progress holds back, and what is older than `late`.
fn release(held: &mut Held, late: Time) {
    let first = held.calls.iter().min().copied().unwrap_or(Time::NEVER);
    let mut lines = String::new();
    while let Some(Reverse((at, _, _))) = held.lines.peek()
        && (*at <= first || *at <= late)
    {
        if let Some(Reverse((at, _, text))) = held.lines.pop() {
            held.printed = held.printed.max(at);
            lines.push_str(&text);
            lines.push('\n');
        }
    }
    if let Some(out) = &mut held.out {
        // Nobody reads any more: nobody misses it.
        let _ = out.write_all(lines.as_bytes());
    }
}

fn release_late(shared: &(Mutex<Held>, Condvar)) {
    let mut held = lock(&shared.0);
    while !held.finished {
        let oldest = held.lines.peek().map(|Reverse((at, _, _))| *at);
        held = match oldest {
            None => shared.1.wait(held).unwrap_or_else(PoisonError::into_inner),
            Some(at) => {
                let wait = at.after(HELD_AT_MOST).since(now());
                let woken = shared.1.wait_timeout(held, wait).unwrap_or_else(PoisonError::into_inner);
                woken.0
            }
        };
        let late = Time::from_nanos(now().as_nanos().saturating_sub(HELD_AT_MOST.as_nanos() as u64));
        release(&mut held, late);
    }
}
