//! Control codes and private properties.

use std::collections::BTreeMap;

use stead_resapi as abi;
use stead_resapi::{PropertyList, Value, decode_multi_sz};

use super::super::judge::{Evidence, Observed, Tally, Verdict};
use super::super::plan::Trial;
use super::super::trace::{Purpose, What};
use super::{Rule, Severity};

const TRIALS: &[Trial] = &[Trial::Controls];
const PAGE: &str = "resapi/nc-resapi-presource_control_routine";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "unknown-control",
        title: "A control code nobody knows is answered with ERROR_INVALID_FUNCTION",
        page: PAGE,
        severity: Severity::Error,
        explanation: "The 1 is what lets the monitor do its own work for a code.",
        remedy: "Return ERROR_INVALID_FUNCTION in the default case.",
        trials: TRIALS,
        judge: unknown,
    },
    Rule {
        id: "short-buffer",
        title: "A short output buffer is answered with ERROR_MORE_DATA and the size that is needed",
        page: PAGE,
        severity: Severity::Error,
        explanation: "Callers ask with a small buffer first, and again with one of the size they are told.",
        remedy: "Set *BytesReturned to the size of the whole output, and return ERROR_MORE_DATA where it does not fit.",
        trials: TRIALS,
        judge: short,
    },
    Rule {
        id: "buffer-overrun",
        title: "Nothing is written outside the output buffer",
        page: PAGE,
        severity: Severity::Error,
        explanation: "It destroys memory of the monitor.",
        remedy: "Compare with OutBufferSize before copying.",
        trials: TRIALS,
        judge: overrun,
    },
    Rule {
        id: "late-write",
        title: "Nothing is written into a buffer when the call has ended",
        page: PAGE,
        severity: Severity::Error,
        explanation: "The buffer is lent for the call: afterwards the memory is somebody else's.",
        remedy: "Copy what a thread is to work on; end a call that goes on by EndControlCall only when all is written.",
        trials: TRIALS,
        judge: late,
    },
    Rule {
        id: "malformed-list",
        title: "What is no property list is refused",
        page: "mscs/clusctl-resource-set-private-properties",
        severity: Severity::Error,
        explanation: "Lists come from clients: lengths in them may say anything.",
        remedy: "Check every length against the size of the buffer before using it.",
        trials: TRIALS,
        judge: malformed,
    },
    Rule {
        id: "wrong-type",
        title: "A property in a format it does not have is refused",
        page: "mscs/clusctl-resource-validate-private-properties",
        severity: Severity::Warning,
        explanation: "Else the mistake shows only when the resource fails to come online.",
        remedy: "Compare the syntax of each value with the format of the property.",
        trials: TRIALS,
        judge: wrong_type,
    },
    Rule {
        id: "read-only-property",
        title: "A read-only property cannot be set",
        page: "mscs/clusctl-resource-get-ro-private-properties",
        severity: Severity::Warning,
        explanation: "What is listed as read-only is a finding, not a setting.",
        remedy: "Refuse it with ERROR_INVALID_PARAMETER.",
        trials: TRIALS,
        judge: read_only,
    },
    Rule {
        id: "properties-agree",
        title: "The names and formats of private properties agree with their values",
        page: "mscs/clusctl-resource-enum-private-properties",
        severity: Severity::Warning,
        explanation: "Tools ask for names and formats first, and read the values by them.",
        remedy: "Answer ENUM, GET and FMTS from one property table.",
        trials: TRIALS,
        judge: agree,
    },
    Rule {
        id: "set-then-get",
        title: "Properties that are set are what is read afterwards",
        page: "mscs/clusctl-resource-set-private-properties",
        severity: Severity::Error,
        explanation: "Else an operator cannot know what a resource is configured to do.",
        remedy: "Store in SET what GET reads, or return ERROR_INVALID_FUNCTION from both.",
        trials: TRIALS,
        judge: set_get,
    },
    Rule {
        id: "control-ends",
        title: "An asynchronous control call is ended by EndControlCall, once",
        page: "resapi/nc-resapi-pend_control_call",
        severity: Severity::Error,
        explanation: "The caller waits for it.",
        remedy: "Call EndControlCall on every path, or set *ReturnedAsynchronously only when a worker has been started.",
        trials: TRIALS,
        judge: ends,
    },
];

/// One control call.
pub(super) struct Seen<'a> {
    observed: &'a Observed,
    at: usize,
    pub(super) code: u32,
    pub(super) purpose: &'a Purpose,
    out_size: u32,
    pub(super) returned: u32,
    bytes: u32,
    overrun: u32,
    later: bool,
    ended: Option<u32>,
    input: Vec<u8>,
    output: Vec<u8>,
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    hex.as_bytes().as_chunks::<2>().0.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
}

pub(super) fn seen(evidence: &Evidence) -> impl Iterator<Item = Seen<'_>> {
    evidence.records().filter_map(|(observed, at, what)| match what {
        What::Control {
            code,
            purpose,
            out_size,
            returned,
            bytes,
            overrun,
            later,
            ended,
            input,
            output,
            ..
        } => Some(Seen {
            observed,
            at,
            code: *code,
            purpose,
            out_size: *out_size,
            returned: *returned,
            bytes: *bytes,
            overrun: *overrun,
            later: *later,
            ended: *ended,
            input: bytes_of(input),
            output: bytes_of(output),
        }),
        _ => None,
    })
}

impl Seen<'_> {
    pub(super) fn case(&self, tally: &mut Tally, good: bool, text: impl FnOnce() -> String) {
        tally.case(good, self.observed, (self.at.saturating_sub(2), self.at), text);
    }

    pub(super) fn answer(&self) -> stead_types::Code {
        stead_types::Code(self.returned)
    }
}

pub(super) fn name(code: u32) -> String {
    let known = abi::CTL_U32.iter().find(|(_, value)| *value == i64::from(code));
    known.map_or_else(|| format!("{code:#010x}"), |(name, _)| (*name).to_owned())
}

fn why(evidence: &Evidence, otherwise: &str) -> String {
    evidence.why_not(TRIALS, otherwise)
}

fn unknown(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for call in seen(evidence).filter(|call| *call.purpose == Purpose::Unknown) {
        call.case(&mut tally, call.returned == abi::ERROR_INVALID_FUNCTION, || {
            format!(
                "the code {:#010x}, which nobody has defined, was answered with {}",
                call.code,
                call.answer()
            )
        });
    }
    tally.verdict(|| why(evidence, "no code was sent"))
}

fn short(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    let mut needed: BTreeMap<u32, u32> = BTreeMap::new();
    for call in seen(evidence) {
        match call.purpose {
            Purpose::Full if call.returned == 0 => {
                call.case(&mut tally, call.bytes <= call.out_size, || {
                    let (bytes, size) = (call.bytes, call.out_size);
                    format!("{} succeeded and says that it put {bytes} bytes into {size}", name(call.code))
                });
                needed.insert(call.code, call.bytes);
            }
            Purpose::Short => {
                let Some(needed) = needed.get(&call.code) else { continue };
                let good = call.returned == abi::ERROR_MORE_DATA && call.bytes == *needed;
                call.case(&mut tally, good, || {
                    format!(
                        "{} needs {needed} bytes; with room for {} it answered {} and says that it needs {}",
                        name(call.code),
                        call.out_size,
                        call.answer(),
                        call.bytes
                    )
                });
            }
            Purpose::Full
            | Purpose::Unknown
            | Purpose::Malformed(_)
            | Purpose::WrongType(_)
            | Purpose::ReadOnly(_)
            | Purpose::Set(_)
            | Purpose::ReadBack
            | Purpose::Question => {}
        }
    }
    tally.verdict(|| why(evidence, "no code was answered with output"))
}

fn overrun(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for call in seen(evidence).filter(|call| call.out_size > 0) {
        call.case(&mut tally, call.overrun == 0, || {
            format!(
                "{} with room for {} bytes changed {} bytes outside of it",
                name(call.code),
                call.out_size,
                call.overrun
            )
        });
    }
    tally.verdict(|| why(evidence, "no code was sent with an output buffer"))
}

fn late(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for (observed, at, what) in evidence.records() {
        let What::Buffers { late } = what else { continue };
        if late.is_empty() {
            tally.keep();
        }
        for (call, bytes) in late {
            let of = |what: &What| matches!(what, What::Control { call: other, .. } if other == call);
            let from = observed.records.iter().position(|record| of(&record.what)).unwrap_or(at);
            let code = match observed.records.get(from).map(|record| &record.what) {
                Some(What::Control { code, .. }) => name(*code),
                _ => format!("call {call}"),
            };
            let text = format!("{bytes} bytes were written into the buffer of {code} after it had ended");
            tally.breach(observed, from.saturating_sub(2), from, text);
        }
    }
    tally.verdict(|| why(evidence, "no code was sent with an output buffer"))
}

fn malformed(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for call in seen(evidence) {
        let Purpose::Malformed(how) = call.purpose else { continue };
        // The monitor looks at the list itself where the DLL leaves it to it.
        if call.returned == abi::ERROR_INVALID_FUNCTION {
            continue;
        }
        call.case(
            &mut tally,
            call.returned != 0 && call.returned != abi::ERROR_RESOURCE_PROPERTIES_STORED,
            || format!("{} took a list that is none: {how}", name(call.code)),
        );
    }
    tally.verdict(|| why(evidence, "it leaves setting and validating properties to the monitor"))
}

fn wrong_type(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for call in seen(evidence) {
        let Purpose::WrongType(property) = call.purpose else { continue };
        if call.returned == abi::ERROR_INVALID_FUNCTION {
            continue;
        }
        call.case(&mut tally, call.returned != 0, || {
            format!("{} took the property {property:?} in a format it does not have", name(call.code))
        });
    }
    tally.verdict(|| {
        why(evidence, "it leaves validating to the monitor, or does not tell the formats of its properties")
    })
}

fn read_only(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for call in seen(evidence) {
        let Purpose::ReadOnly(property) = call.purpose else { continue };
        if call.returned == abi::ERROR_INVALID_FUNCTION {
            continue;
        }
        call.case(
            &mut tally,
            call.returned != 0 && call.returned != abi::ERROR_RESOURCE_PROPERTIES_STORED,
            || format!("the property {property:?} is listed as read-only, and it could be set"),
        );
    }
    tally.verdict(|| why(evidence, "it has no read-only properties"))
}

/// The last full answer to a code.
fn full<'a>(calls: &'a [Seen<'a>], code: u32) -> Option<&'a Seen<'a>> {
    calls.iter().rfind(|call| call.code == code && *call.purpose == Purpose::Full && call.returned == 0)
}

fn agree(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    let calls: Vec<Seen> = seen(evidence).filter(|call| call.observed.trial == Trial::Controls).collect();
    let Some(get) = full(&calls, abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES) else {
        return Verdict::NotReached(why(evidence, "it leaves reading properties to the monitor"));
    };
    let values = match PropertyList::decode(&get.output) {
        Ok(list) => list.0,
        Err(error) => {
            get.case(&mut tally, false, || format!("{} answered with no list: {error}", name(get.code)));
            Vec::new()
        }
    };
    if let Some(names) = full(&calls, abi::CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES) {
        let units: Vec<u16> =
            names.output.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let known = decode_multi_sz(&units);
        for property in &values {
            let there = known.iter().any(|name| name.eq_ignore_ascii_case(&property.name));
            names.case(&mut tally, there, || {
                format!(
                    "the property {:?} has a value and is not among the names: {}",
                    property.name,
                    known.join(", ")
                )
            });
        }
    }
    if let Some(formats) = full(&calls, abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTY_FMTS) {
        let formats = PropertyList::decode(&formats.output).unwrap_or_default();
        for property in &values {
            let (Some(Value::Dword(format)), Some(value)) =
                (formats.get(&property.name), property.values.first())
            else {
                continue;
            };
            // Without bytes a value means the default, whatever its format.
            let Some(own) = format_of(value) else { continue };
            get.case(&mut tally, *format == own, || {
                format!("the property {:?} has the format {own}, and is listed with {format}", property.name)
            });
        }
    }
    tally.verdict(|| why(evidence, "it has no properties with names or formats to compare"))
}

fn format_of(value: &Value) -> Option<u32> {
    Some(match value {
        Value::Binary(_) => abi::CLUSPROP_FORMAT_BINARY,
        Value::Dword(_) => abi::CLUSPROP_FORMAT_DWORD,
        Value::Sz(_) => abi::CLUSPROP_FORMAT_SZ,
        Value::ExpandSz(_) => abi::CLUSPROP_FORMAT_EXPAND_SZ,
        Value::MultiSz(_) => abi::CLUSPROP_FORMAT_MULTI_SZ,
        Value::ULargeInteger(_) => abi::CLUSPROP_FORMAT_ULARGE_INTEGER,
        Value::Long(_) => abi::CLUSPROP_FORMAT_LONG,
        Value::LargeInteger(_) => abi::CLUSPROP_FORMAT_LARGE_INTEGER,
        Value::Word(_) => abi::CLUSPROP_FORMAT_WORD,
        Value::Other(..) => return None,
    })
}

fn set_get(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    let mut set: Option<(Seen, &str)> = None;
    for call in seen(evidence).filter(|call| call.observed.trial == Trial::Controls) {
        match call.purpose {
            // What the DLL leaves to the monitor counts too: it reads what the monitor has stored.
            Purpose::Set(name)
                if matches!(call.returned, abi::ERROR_SUCCESS | abi::ERROR_INVALID_FUNCTION) =>
            {
                set = Some((call, name));
            }
            Purpose::ReadBack => {
                let Some((set, name)) = set.take() else { continue };
                let (wanted, read) = (PropertyList::decode(&set.input), PropertyList::decode(&call.output));
                let (Ok(wanted), Ok(read), 0) = (wanted, read, call.returned) else { continue };
                let good = wanted.get(name) == read.get(name);
                tally.case(good, call.observed, (set.at.saturating_sub(2), call.at), || {
                    let shown = |list: &PropertyList| {
                        list.get(name).map_or_else(String::new, |value| format!("{value:?}"))
                    };
                    format!(
                        "the property {name:?} was set to {}, and is read as {}",
                        shown(&wanted),
                        shown(&read)
                    )
                });
            }
            Purpose::Set(_) => set = None,
            Purpose::Full
            | Purpose::Short
            | Purpose::Unknown
            | Purpose::Malformed(_)
            | Purpose::WrongType(_)
            | Purpose::ReadOnly(_)
            | Purpose::Question => {}
        }
    }
    tally
        .verdict(|| why(evidence, "it leaves reading its properties to the monitor, or refuses other values"))
}

fn ends(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for call in seen(evidence).filter(|call| call.later) {
        call.case(&mut tally, call.ended.is_some(), || {
            format!("{} went on asynchronously and did not end", name(call.code))
        });
    }
    tally.verdict(|| why(evidence, "no control call went on asynchronously"))
}
