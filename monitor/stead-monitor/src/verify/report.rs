//! The report: for people, as JSON, as JUnit.

use std::fmt::Write as _;
use std::io::Write as _;

use serde::Serialize;
use serde_json::json;

use super::judge::{Breach, Evidence, Judged, Verdict};
use super::rules::{self, Severity};
use super::trace::{Phase, Purpose, Record, Surroundings, What};

/// More cases of one broken rule than this are only counted.
const SHOWN: usize = 2;
/// More records of one case than this are left out in the middle.
const LINES: usize = 14;

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const BLUE: &str = "\x1b[36m";
const FAINT: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// What the run was about.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Subject {
    pub(crate) file: String,
    #[serde(rename = "type")]
    pub(crate) type_name: String,
    pub(crate) seconds: f64,
    pub(crate) trials: usize,
    pub(crate) cycles: usize,
    pub(crate) came_online: bool,
}

/// How many rules came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) kept: usize,
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) advice: usize,
    pub(crate) not_reached: usize,
}

pub(crate) fn summary(judged: &[Judged]) -> Summary {
    let mut summary = Summary::default();
    for Judged { rule, verdict } in judged {
        let counter = match (verdict, rule.severity) {
            (Verdict::Kept(_), _) => &mut summary.kept,
            (Verdict::NotReached(_), _) => &mut summary.not_reached,
            (Verdict::Broken(_), Severity::Error) => &mut summary.errors,
            (Verdict::Broken(_), Severity::Warning) => &mut summary.warnings,
            (Verdict::Broken(_), Severity::Advice) => &mut summary.advice,
        };
        *counter += 1;
    }
    summary
}

/// The address of a page.
fn address(page: &str) -> String {
    if let Some(page) = page.strip_prefix("mscs/") {
        format!("https://learn.microsoft.com/en-us/previous-versions/windows/desktop/mscs/{page}")
    } else {
        format!("https://learn.microsoft.com/en-us/windows/win32/api/{page}")
    }
}

fn state(number: i32) -> String {
    let known = stead_resapi::STATE_I32
        .iter()
        .find(|(name, value)| *value == i64::from(number) && name.starts_with("ClusterResource"));
    known
        .map_or_else(|| number.to_string(), |(name, _)| name.trim_start_matches("ClusterResource").to_owned())
}

fn on(instance: &Option<u32>, handle: u64) -> String {
    instance.map_or_else(|| format!("handle {handle:#x}"), |instance| format!("instance {instance}"))
}

fn during(before: &Option<Phase>) -> String {
    before.map_or_else(String::new, |before| format!(", {}", before.describe()))
}

fn purpose(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Full => "with room enough".to_owned(),
        Purpose::Short => "with too little room".to_owned(),
        Purpose::Unknown => "a code nobody has defined".to_owned(),
        Purpose::Malformed(how) => format!("a list that is none: {how}"),
        Purpose::WrongType(name) => format!("{name:?} in a wrong format"),
        Purpose::ReadOnly(name) => format!("{name:?}, which is read-only"),
        Purpose::Set(name) => format!("the list that was read, another {name:?}"),
        Purpose::ReadBack => "read again".to_owned(),
        Purpose::Question => "whether something may be".to_owned(),
    }
}

/// A record as a line.
fn line(record: &Record) -> String {
    let code = |code: &u32| stead_types::Code(*code);
    let text = match &record.what {
        What::StartupBegins { entry, type_name, min, max } => {
            format!("{entry}({type_name:?}, {min:#x}, {max:#x}) called")
        }
        What::Startup { entry, returned, table, .. } => {
            let table = table.as_ref().map_or_else(String::new, |table| {
                format!(", a table of version {:#x}, TableSize {}", table.version, table.size)
            });
            format!("{entry} returned {}{table}", code(returned))
        }
        What::Loaded { version } => format!("loaded, version {version:#x}"),
        What::Refused { text, .. } => format!("refused: {text}"),
        What::Call { call, entry, instance, args } => {
            let args = if args.is_empty() { String::new() } else { format!(", {args}") };
            format!("#{call} {entry}(instance {instance}{args}) called")
        }
        What::Return { call, value, last_error, took_us, event } => {
            let error =
                if *last_error == 0 { String::new() } else { format!(", last error {}", code(last_error)) };
            let event = if *event == 0 { String::new() } else { format!(", event handle {event:#x}") };
            let ms = *took_us as f64 / 1000.0;
            format!("#{call} returned {value}{error}{event} after {ms:.1} ms")
        }
        What::Status { instance, handle, null, state: number, checkpoint, before, answer, flags, .. } => {
            let what = if *null { "a null status".to_owned() } else { state(*number) };
            let flags = if *flags == 0 { String::new() } else { format!(", flags {flags:#x}") };
            let (on, during) = (on(instance, *handle), during(before));
            let answer = if *answer == 0 { "Continue" } else { "Terminate" };
            format!("status {what}, CheckPoint {checkpoint}{flags}, for {on}{during}; answered {answer}")
        }
        What::Log { instance, handle, level, text, .. } => {
            format!("log level {level} for {}: {text}", on(instance, *handle))
        }
        What::Callback { name, instance, handle, detail, answer, before } => {
            let (on, during) = (on(instance, *handle), during(before));
            format!("{name}({detail}) for {on}{during}; answered {answer}")
        }
        What::Settled { instance, state: number, code: why, .. } => {
            let why = if *why == 0 { String::new() } else { format!(", {}", code(why)) };
            format!("instance {instance} is {}{why}", state(*number))
        }
        What::StillPending { instance, waited_ms, .. } => {
            format!("instance {instance} is still pending after {waited_ms} ms")
        }
        What::Control { call, purpose: what, returned, bytes, out_size, overrun, .. } => {
            let over =
                if *overrun == 0 { String::new() } else { format!(", {overrun} bytes outside changed") };
            let answer = code(returned);
            format!("#{call} ({}): {answer}, {bytes} bytes, room for {out_size}{over}", purpose(what))
        }
        What::Usage { point, cycle, usage } => format!(
            "{point} {cycle}: {} descriptors, {} threads, {} children, {} bytes allocated",
            usage.descriptors, usage.threads, usage.children, usage.heap
        ),
        What::Workload { point, pids } => format!("{point}: {} processes {pids:?}", pids.len()),
        What::Questioned { alive: (_, alive), workload: (before, after), changed, .. } => {
            let changed = if changed.is_empty() { "none".to_owned() } else { changed.join(", ") };
            format!(
                "after the question: alive {alive}, processes {before:?} -> {after:?}, changed properties: {changed}"
            )
        }
        What::Killed { pids } => format!("killed {pids:?}"),
        What::Event { point, look, .. } => format!("event handle {point}: {look}"),
        What::Buffers { late } if late.is_empty() => "buffers of calls that are over: unchanged".to_owned(),
        What::Buffers { late } => {
            let calls: Vec<String> = late.iter().map(|(call, _)| format!("#{call}")).collect();
            format!("buffers of calls that are over: those of {} were changed", calls.join(", "))
        }
        What::Surroundings(Surroundings { folder, mask, ignored, .. }) => {
            format!("the process: folder {folder}, file mask {mask}, signals ignored {ignored:?}")
        }
        What::BadHandle { handle } => format!("ClusAPI refused the handle {handle:#x}"),
        What::Skipped { text } => format!("the rest was left out: {text}"),
        What::Note { text } => text.clone(),
        What::Done => "done".to_owned(),
    };
    format!("{:>10.3} ms  [{}] {text}", record.at as f64 / 1000.0, record.thread)
}

/// The records that show a breach, as lines.
fn trace(evidence: &Evidence, breach: &Breach) -> Vec<String> {
    let Some(observed) = evidence.of(breach.trial) else { return Vec::new() };
    let end = (breach.to + 1).min(observed.records.len());
    let lines: Vec<String> = observed.records[breach.from.min(end)..end].iter().map(line).collect();
    if lines.len() <= LINES {
        return lines;
    }
    let (first, last) = (&lines[..LINES / 2], &lines[lines.len() - LINES / 2..]);
    let left_out = format!("            … {} more", lines.len() - LINES / 2 * 2);
    [first, &[left_out], last].concat()
}

/// For people.
pub(crate) fn text(subject: &Subject, evidence: &Evidence, judged: &[Judged], verbose: bool) -> String {
    let mut out = String::new();
    let Subject { file, type_name, .. } = subject;
    let _ = writeln!(out, "{BOLD}{type_name}{PLAIN} of {file}\n");
    for Judged { rule, verdict } in judged {
        match verdict {
            Verdict::Kept(times) => {
                if verbose {
                    let _ =
                        writeln!(out, "{GREEN}kept{PLAIN}         {} {FAINT}({times} times){PLAIN}", rule.id);
                }
            }
            Verdict::NotReached(why) => {
                if verbose {
                    let _ = writeln!(out, "{FAINT}not reached  {}: {why}{PLAIN}", rule.id);
                }
            }
            Verdict::Broken(breaches) => {
                let colour = match rule.severity {
                    Severity::Error => RED,
                    Severity::Warning => YELLOW,
                    Severity::Advice => BLUE,
                };
                let word = rule.severity.name();
                let _ = writeln!(out, "{colour}{BOLD}{word}{PLAIN} {BOLD}{}{PLAIN}: {}", rule.id, rule.title);
                for breach in breaches.iter().take(SHOWN) {
                    let _ = writeln!(out, "  {} {FAINT}({}){PLAIN}", breach.text, breach.trial.describe());
                    for line in trace(evidence, breach) {
                        let _ = writeln!(out, "  {FAINT}{line}{PLAIN}");
                    }
                }
                if breaches.len() > SHOWN {
                    let _ = writeln!(out, "  and {} times more", breaches.len() - SHOWN);
                }
                let _ = writeln!(out, "  why:  {}", rule.explanation);
                let _ = writeln!(out, "  fix:  {}", rule.remedy);
                let _ = writeln!(out, "  page: {}\n", address(rule.page));
            }
        }
    }
    let Summary { kept, errors, warnings, advice, not_reached } = summary(judged);
    if verbose {
        out.push('\n');
    }
    let colour = if errors > 0 {
        RED
    } else if warnings > 0 {
        YELLOW
    } else {
        GREEN
    };
    let _ = writeln!(
        out,
        "{colour}{BOLD}{errors} broken{PLAIN}, {warnings} warnings, {advice} advice, {kept} kept, {not_reached} not \
         reached {FAINT}({} trials, {} cycles, {:.1} s){PLAIN}",
        subject.trials, subject.cycles, subject.seconds
    );
    if !verbose && not_reached > 0 {
        let _ = writeln!(
            out,
            "{FAINT}--verbose tells which rules were kept, and why others were not reached{PLAIN}"
        );
    }
    out
}

/// For programs.
pub(crate) fn json(subject: &Subject, evidence: &Evidence, judged: &[Judged]) -> serde_json::Value {
    let rules: Vec<serde_json::Value> = judged
        .iter()
        .map(|Judged { rule, verdict }| {
            let mut value = json!({
                "id": rule.id,
                "title": rule.title,
                "severity": rule.severity,
                "page": address(rule.page),
            });
            match verdict {
                Verdict::Kept(times) => {
                    value["verdict"] = json!("kept");
                    value["times"] = json!(times);
                }
                Verdict::NotReached(why) => {
                    value["verdict"] = json!("not-reached");
                    value["why"] = json!(why);
                }
                Verdict::Broken(breaches) => {
                    value["verdict"] = json!("broken");
                    value["explanation"] = json!(rule.explanation);
                    value["remedy"] = json!(rule.remedy);
                    let breaches = breaches.iter().map(|breach| {
                        json!({ "text": breach.text, "trial": breach.trial, "trace": trace(evidence, breach) })
                    });
                    value["breaches"] = breaches.collect();
                }
            }
            value
        })
        .collect();
    json!({ "version": 1, "subject": subject, "summary": summary(judged), "rules": rules })
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // Other control characters cannot be written in XML at all.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

/// For whoever reads JUnit's XML.
pub(crate) fn junit(subject: &Subject, evidence: &Evidence, judged: &[Judged]) -> String {
    let Summary { errors, warnings, advice, not_reached, .. } = summary(judged);
    let failures = errors + warnings + advice;
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let name = escaped(&format!("stead verify {}", subject.type_name));
    let _ = writeln!(
        out,
        "<testsuites><testsuite name=\"{name}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" \
         skipped=\"{not_reached}\" time=\"{:.3}\">",
        judged.len(),
        subject.seconds
    );
    for Judged { rule, verdict } in judged {
        let _ = write!(
            out,
            "<testcase classname=\"{}\" name=\"{}\" time=\"0\"",
            escaped(&subject.type_name),
            escaped(rule.id)
        );
        match verdict {
            Verdict::Kept(_) => out.push_str("/>\n"),
            Verdict::NotReached(why) => {
                let _ = writeln!(out, "><skipped message=\"{}\"/></testcase>", escaped(why));
            }
            Verdict::Broken(breaches) => {
                let _ = write!(
                    out,
                    "><failure type=\"{}\" message=\"{}\">",
                    rule.severity.name(),
                    escaped(rule.title)
                );
                for breach in breaches.iter().take(SHOWN) {
                    let _ = writeln!(out, "{}", escaped(&breach.text));
                    for line in trace(evidence, breach) {
                        let _ = writeln!(out, "{}", escaped(&line));
                    }
                }
                let _ = writeln!(
                    out,
                    "{}\n{}</failure></testcase>",
                    escaped(rule.remedy),
                    escaped(&address(rule.page))
                );
            }
        }
    }
    out.push_str("</testsuite></testsuites>\n");
    out
}

/// All rules, for people or for the book.
pub(crate) fn rule_list() -> String {
    let mut out = String::new();
    for rule in rules::all() {
        let _ = writeln!(out, "{:<24} {:<8} {}", rule.id, rule.severity.name(), rule.title);
        let _ = writeln!(out, "{:<24} {:<8} {}", "", "", address(rule.page));
    }
    out
}

/// The rules as JSON.
pub(crate) fn rule_json() -> serde_json::Value {
    rules::all()
        .map(|rule| {
            json!({
                "id": rule.id,
                "severity": rule.severity,
                "title": rule.title,
                "explanation": rule.explanation,
                "remedy": rule.remedy,
                "page": address(rule.page),
            })
        })
        .collect()
}

/// Prints to standard output. Whoever does not read it to the end has seen enough.
pub(crate) fn print(text: &str) {
    let mut out = anstream::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
