//! Control codes: with room enough and too little, with lists that are none, with codes nobody knows.

use std::time::{Duration, Instant};

use stead_resapi as abi;
use stead_resapi::{Property, PropertyList, Value};
use stead_types::PropertyFormat;

use crate::control as defaults;

use super::super::around;
use super::super::foreign::{self, Watched};
use super::super::trace::{Purpose, What};
use super::{Carried, Driver, Stop};

/// Room that is enough for nearly everything.
const ROOM: u32 = 4096;

/// How long a thread that writes too late is waited for, at least.
const AFTERWARDS: Duration = Duration::from_millis(400);

/// What is asked with enough room and with too little.
const READ: &[u32] = &[
    abi::CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES,
    abi::CLUSCTL_RESOURCE_GET_RO_PRIVATE_PROPERTIES,
    abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES,
    abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTY_FMTS,
    abi::CLUSCTL_RESOURCE_GET_CLASS_INFO,
    abi::CLUSCTL_RESOURCE_GET_REQUIRED_DEPENDENCIES,
];

/// Codes of the reserved range that nobody has defined, without and with input.
const UNKNOWN: &[(u32, &[u8])] = &[(0x010f_fff1, &[]), (0x012a_bcd4, &[1, 2, 3, 4])];

/// The answer to one control call.
pub(super) struct Answer {
    returned: u32,
    bytes: u32,
    pub(super) output: Vec<u8>,
}

impl Driver {
    pub(super) fn ask(
        &self,
        index: u32,
        code: u32,
        purpose: Purpose,
        input: &[u8],
        out_size: u32,
    ) -> Result<Answer, Stop> {
        let (dll, resid) = (self.dll()?, self.resid(index)?);
        let _turn = around::turn(index);
        let mut watched = Watched::new(input, out_size);
        let args = format!("code={code:#010x}, in={}, out={out_size}", input.len());
        let call = self.called("ResourceControl", index, &args);
        let began = Instant::now();
        let (returned, later) = foreign::control(dll, resid, code, &mut watched, i64::from(call));
        self.returned(call, returned.into(), 0, began, 0);
        let ended = later
            .then(|| self.recorder.ending(i64::from(call), Duration::from_millis(self.spec.patience_ms)))
            .flatten();
        let left = watched.left();
        let lost = later && ended.is_none();
        let answer = Answer { returned: ended.unwrap_or(returned), bytes: left.bytes, output: left.output };
        let hex = |bytes: &[u8]| bytes.iter().take(ROOM as usize).map(|byte| format!("{byte:02x}")).collect();
        self.say(What::Control {
            call,
            code,
            purpose,
            in_size: input.len() as u32,
            out_size,
            returned: answer.returned,
            bytes: answer.bytes,
            overrun: left.overrun,
            later,
            ended,
            input: hex(input),
            output: hex(&answer.output),
        });
        if lost {
            foreign::keep(call, watched);
            return Err(Stop("a control call did not end".to_owned()));
        }
        foreign::lend(call, watched);
        Ok(answer)
    }

    /// Looks whether somebody writes into what was lent for calls that are over.
    fn look_at_buffers(&self) {
        self.recorder.pause(AFTERWARDS.max(Duration::from_millis(self.spec.linger_ms)));
        let late = foreign::written_late();
        self.say(What::Buffers { late });
    }

    /// With enough room, if the DLL answers at all.
    pub(super) fn read(&self, index: u32, code: u32, purpose: &Purpose) -> Result<Option<Answer>, Stop> {
        let mut answer = self.ask(index, code, purpose.clone(), &[], ROOM)?;
        if answer.returned == abi::ERROR_MORE_DATA && answer.bytes > ROOM && answer.bytes <= 1 << 20 {
            answer = self.ask(index, code, purpose.clone(), &[], answer.bytes)?;
        }
        Ok((answer.returned == 0).then_some(answer))
    }

    pub(super) fn read_properties(&self, index: u32) -> Carried {
        if self.dll()?.has_control() {
            self.read(index, abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES, &Purpose::Full)?;
        }
        Ok(())
    }

    pub(super) fn controls(&self, index: u32) -> Carried {
        let dll = self.dll()?;
        if !dll.has_control() {
            return Err(Stop("its table has no control routine".to_owned()));
        }
        for (code, input) in UNKNOWN {
            self.ask(index, *code, Purpose::Unknown, input, 0)?;
            self.ask(index, *code, Purpose::Unknown, input, 64)?;
        }
        let (mut stored, mut fixed) = (PropertyList::default(), PropertyList::default());
        for code in READ {
            let Some(answer) = self.read(index, *code, &Purpose::Full)? else { continue };
            if answer.bytes > 0 {
                self.ask(index, *code, Purpose::Short, &[], 0)?;
                self.ask(index, *code, Purpose::Short, &[], answer.bytes - 1)?;
                self.ask(index, *code, Purpose::Full, &[], answer.bytes)?;
            }
            let list = PropertyList::decode(&answer.output).unwrap_or_default();
            match *code {
                abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES => stored = list,
                abi::CLUSCTL_RESOURCE_GET_RO_PRIVATE_PROPERTIES => fixed = list,
                _ => {}
            }
        }
        let sample = if stored.0.is_empty() { self.given_list() } else { stored.clone() };
        self.lists(index, &sample)?;
        for property in &fixed.0 {
            let list = PropertyList(vec![property.clone()]).encode();
            let purpose = Purpose::ReadOnly(property.name.clone());
            self.ask(index, abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES, purpose, &list, 0)?;
        }
        self.set_and_get(index, &stored)?;
        self.look_at_buffers();
        Ok(())
    }

    /// Sets one property after another to something else, reads it back, and restores it.
    fn set_and_get(&self, index: u32, stored: &PropertyList) -> Carried {
        let other = |value: &Value| match value {
            Value::Dword(number) => Some(Value::Dword(number.wrapping_add(1))),
            Value::Sz(text) => Some(Value::Sz(format!("{text}x"))),
            Value::Word(_)
            | Value::Long(_)
            | Value::ULargeInteger(_)
            | Value::LargeInteger(_)
            | Value::ExpandSz(_)
            | Value::MultiSz(_)
            | Value::Binary(_)
            | Value::Other(..) => None,
        };
        let changes = stored.0.iter().enumerate().filter_map(|(at, property)| {
            let value = other(property.values.first()?)?;
            let mut list = stored.clone();
            list.0[at] = Property::new(&property.name, value);
            Some((property.name.clone(), list))
        });
        for (name, list) in changes.take(6) {
            for list in [&list, stored] {
                let code = abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES;
                let answer = self.ask(index, code, Purpose::Set(name.clone()), &list.encode(), 0)?;
                if answer.returned == abi::ERROR_INVALID_FUNCTION {
                    // The DLL leaves storing it to the monitor.
                    let changes = defaults::changes_of(list);
                    self.with(index, |slot| slot.tree.apply(&changes))?;
                }
                self.read(index, abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES, &Purpose::ReadBack)?;
            }
        }
        Ok(())
    }

    /// Lists that are none, and properties in formats they do not have.
    fn lists(&self, index: u32, sample: &PropertyList) -> Carried {
        let sample = if sample.0.is_empty() {
            PropertyList(vec![Property::new("Name", Value::Sz("value".to_owned()))])
        } else {
            sample.clone()
        };
        for code in
            [abi::CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES, abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES]
        {
            for (how, bytes) in malformed(&sample.encode()) {
                self.ask(index, code, Purpose::Malformed(how.to_owned()), &bytes, 0)?;
            }
        }
        for (name, format) in
            defaults::formats_of(self.dll()?).iter().filter(|(name, _)| name != "*").take(16)
        {
            let wrong = match format {
                PropertyFormat::Dword
                | PropertyFormat::Word
                | PropertyFormat::Long
                | PropertyFormat::ULargeInteger
                | PropertyFormat::LargeInteger => Value::Sz("text".to_owned()),
                // One text may well be taken for a list of one.
                PropertyFormat::Sz
                | PropertyFormat::ExpandSz
                | PropertyFormat::MultiSz
                | PropertyFormat::Binary => Value::Dword(7),
            };
            let mut list = sample.clone();
            list.0.retain(|property| !property.name.eq_ignore_ascii_case(name));
            list.0.push(Property::new(name, wrong));
            let code = abi::CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES;
            self.ask(index, code, Purpose::WrongType(name.clone()), &list.encode(), 0)?;
        }
        Ok(())
    }
}

/// Bytes that look like a list and are none, and what is wrong with them.
fn malformed(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let changed = |at: usize, word: u32| {
        let mut bytes = good.to_vec();
        if let Some(place) = bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    };
    vec![
        ("it is two bytes long", vec![1, 0]),
        ("it counts five properties and has none", 5_u32.to_le_bytes().to_vec()),
        ("it is cut off in the middle", good[..(good.len() / 2) & !3].to_vec()),
        ("it counts more properties than there are", changed(0, 0x00ff_ffff)),
        ("what should be a name is none", changed(4, 0x0001_0002)),
        ("the length of a name goes beyond the end", changed(8, 0x7fff_fff0)),
    ]
}
