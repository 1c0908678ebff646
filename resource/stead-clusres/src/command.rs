//! Command lines, users and signals as operators write them.

use std::fs;

use rustix::process::Signal;

/// Splits a command line into program and arguments, by the rules of a shell but without one.
pub(crate) fn split(line: &str) -> Result<Vec<String>, String> {
    let words = shlex::split(line).ok_or_else(|| format!("the quotes in {line:?} do not match"))?;
    if words.first().is_none_or(String::is_empty) {
        return Err("it names no program".to_owned());
    }
    Ok(words)
}

/// A user's number and main group, by name or number.
pub(crate) fn user(name: &str) -> Result<(u32, u32), String> {
    let text = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let entries = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        Some((*fields.first()?, fields.get(2)?.parse::<u32>().ok()?, fields.get(3)?.parse::<u32>().ok()?))
    });
    for (known, user, group) in entries {
        if known == name || name.parse() == Ok(user) {
            return Ok((user, group));
        }
    }
    Err(format!("there is no user {name:?} on this node"))
}

const SIGNALS: &[(&str, Signal)] = &[
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("TERM", Signal::TERM),
    ("WINCH", Signal::WINCH),
];

/// A signal by its name, with or without SIG.
pub(crate) fn signal(name: &str) -> Result<Signal, String> {
    let upper = name.to_ascii_uppercase();
    let plain = upper.strip_prefix("SIG").unwrap_or(&upper);
    SIGNALS.iter().find(|(known, _)| *known == plain).map(|(_, signal)| *signal).ok_or_else(|| {
        let names: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
        format!("{name:?} is no signal that can be sent here; allowed: {}", names.join(", "))
    })
}

/// Splits NAME=VALUE.
pub(crate) fn variable(text: &str) -> Result<(&str, &str), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name, value)),
        Some(_) | None => Err(format!("{text:?} is not NAME=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_without_a_shell() {
        assert_eq!(
            split("/bin/sh -c 'echo \"$HOME\"; exit'").unwrap(),
            ["/bin/sh", "-c", "echo \"$HOME\"; exit"]
        );
        assert!(split("echo 'open").is_err());
        assert!(split("  ").is_err());
    }

    #[test]
    fn signals_and_variables() {
        assert_eq!(signal("sigterm"), Ok(Signal::TERM));
        assert!(signal("STOPPED").unwrap_err().contains("TERM"));
        assert_eq!(variable("A=b=c"), Ok(("A", "b=c")));
        assert!(variable("=x").is_err());
        assert_eq!(user("root"), Ok((0, 0)));
        assert!(user("nobody-of-that-name").is_err());
    }
}
