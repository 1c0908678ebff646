//! The commands of `stead host`, read from text.

use std::time::Duration;

use stead_monitor_protocol::Hex;
use stead_resapi as abi;
use stead_types::{OfflineFlags, OnlineFlags, ResourceState};

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Open,
    Online { flags: OnlineFlags, in_buffer: Option<Vec<u8>> },
    Offline { to: Option<String>, flags: OfflineFlags, in_buffer: Option<Vec<u8>> },
    LooksAlive,
    IsAlive,
    Terminate,
    Cancel,
    Control { code: u32, input: Vec<u8> },
    Close,
    Wait { state: ResourceState, limit: Duration },
    Sleep(Duration),
    Quit,
}

/// The words that begin a command.
pub(super) const WORDS: &[&str] = &[
    "open",
    "online",
    "offline",
    "looks-alive",
    "is-alive",
    "terminate",
    "cancel",
    "control",
    "close",
    "wait",
    "sleep",
    "quit",
];

fn hex(word: Option<&str>) -> Result<Vec<u8>, String> {
    let word = word.ok_or("hexadecimal digits are missing")?;
    word.parse::<Hex>().map(|bytes| bytes.0).map_err(|error| format!("{word:?}: {error}"))
}

fn unknown(kind: &str, word: &str, known: impl Iterator<Item = &'static str>) -> String {
    format!("unknown {kind} {word:?}; allowed: {}", known.collect::<Vec<_>>().join(", "))
}

/// Reads a line. `None` for an empty one or a comment.
///
/// # Errors
/// The command's word, what is wrong, and what is allowed.
pub(super) fn parse(line: &str) -> Result<Option<Command>, (String, String)> {
    let mut words = line.split_whitespace().take_while(|word| !word.starts_with('#'));
    let Some(first) = words.next() else { return Ok(None) };
    let fail = |text: String| (first.to_owned(), text);
    let command = match first {
        "open" => Command::Open,
        "online" => {
            let (mut flags, mut in_buffer) = (OnlineFlags::NONE, None);
            while let Some(word) = words.next() {
                if word == "--in-buffer" {
                    in_buffer = Some(hex(words.next()).map_err(fail)?);
                    continue;
                }
                let known = || OnlineFlags::WORDS.iter().map(|(word, _)| *word);
                let flag =
                    OnlineFlags::from_word(word).ok_or_else(|| fail(unknown("flag", word, known())))?;
                flags = flags.with(flag);
            }
            Command::Online { flags, in_buffer }
        }
        "offline" => {
            let (mut to, mut flags, mut in_buffer) = (None, OfflineFlags::NONE, None);
            while let Some(word) = words.next() {
                match word {
                    "--in-buffer" => in_buffer = Some(hex(words.next()).map_err(fail)?),
                    "--to" => {
                        let node = words.next().ok_or_else(|| fail("the node is missing".to_owned()))?;
                        to = Some(node.to_owned());
                    }
                    word => {
                        let known = || OfflineFlags::WORDS.iter().map(|(word, _)| *word);
                        let flag = OfflineFlags::from_word(word)
                            .ok_or_else(|| fail(unknown("flag", word, known())))?;
                        flags = flags.with(flag);
                    }
                }
            }
            Command::Offline { to, flags, in_buffer }
        }
        "looks-alive" => Command::LooksAlive,
        "is-alive" => Command::IsAlive,
        "terminate" => Command::Terminate,
        "cancel" => Command::Cancel,
        "close" => Command::Close,
        "quit" => Command::Quit,
        "control" => {
            let word = words.next().unwrap_or_default();
            let code = abi::control_code(word, abi::CodesOf::Resources).map_err(fail)?;
            let input = words.next().map_or(Ok(Vec::new()), |word| hex(Some(word))).map_err(fail)?;
            Command::Control { code, input }
        }
        "wait" => {
            let known = || ResourceState::ALL.iter().map(|state| state.as_str());
            let word = words.next().unwrap_or_default();
            let state = word.parse().map_err(|_| fail(unknown("state", word, known())))?;
            let seconds = words.next().map_or(Some(60.0), |word| word.parse::<f64>().ok());
            let limit = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let limit = limit.ok_or_else(|| fail("SECONDS must be a number, 0 or more".to_owned()))?;
            Command::Wait { state, limit }
        }
        "sleep" => {
            let ms = words.next().and_then(|word| word.parse().ok());
            let ms = ms.ok_or_else(|| fail("milliseconds must follow".to_owned()))?;
            Command::Sleep(Duration::from_millis(ms))
        }
        other => return Err(fail(unknown("command", other, WORDS.iter().copied()))),
    };
    match words.next() {
        None => Ok(Some(command)),
        Some(word) => Err(fail(format!("nothing may follow where {word:?} stands"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("  # remark"), Ok(None));
        assert_eq!(parse("open # now"), Ok(Some(Command::Open)));
        assert_eq!(
            parse("offline --to n2 --in-buffer 00ff queue-enabled ignore-resource-status"),
            Ok(Some(Command::Offline {
                to: Some("n2".to_owned()),
                flags: OfflineFlags::from_bits(5),
                in_buffer: Some(vec![0, 255])
            }))
        );
        assert_eq!(
            parse("control 0x01000029"),
            Ok(Some(Command::Control { code: 0x0100_0029, input: Vec::new() }))
        );
        let code = |code| Ok(Some(Command::Control { code, input: Vec::new() }));
        assert_eq!(
            parse("control get-private-properties"),
            code(abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES)
        );
        assert_eq!(parse("control CLUSCTL_RESOURCE_UNKNOWN"), code(abi::CLUSCTL_RESOURCE_UNKNOWN));
        assert_eq!(
            parse("wait online-pending 1.5"),
            Ok(Some(Command::Wait {
                state: ResourceState::OnlinePending,
                limit: Duration::from_millis(1500)
            }))
        );
    }

    #[test]
    fn mistakes_name_what_is_allowed() {
        let text = |line: &str| parse(line).unwrap_err().1;
        assert!(text("onlin").contains("allowed: open, online"));
        assert!(text("online queue-enabled").contains("ignore-network-connectivity"));
        assert!(text("offline --in-buffer 0g").contains("hexadecimal"));
        assert!(text("wait up").contains("OnlinePending"));
        assert!(text("open it").contains("nothing may follow"));
        assert!(text("sleep").contains("milliseconds"));
        assert!(text("control get-privat-properties").contains("did you mean GET_PRIVATE_PROPERTIES?"));
    }
}
