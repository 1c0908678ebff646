//! Command lines, users and signals as operators write them.

use std::ffi::CString;
use std::process::Command;

use nix::unistd;
use rustix::process::Signal;

/// Splits a command line into program and arguments, by the rules of a shell but without one.
pub(crate) fn split(line: &str) -> Result<Vec<String>, String> {
    let words = shlex::split(line).ok_or_else(|| format!("the quotes in {line:?} do not match"))?;
    if words.first().is_none_or(String::is_empty) {
        return Err("it names no program".to_owned());
    }
    Ok(words)
}

/// A user a program can run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: u32,
    name: String,
    group: u32,
    home: String,
    shell: String,
}

/// A user, by name or number, from wherever this node keeps them.
pub(crate) fn user(name: &str) -> Result<User, String> {
    let wrong = |error: nix::errno::Errno| format!("user {name:?}: {error}");
    let mut found = unistd::User::from_name(name).map_err(wrong)?;
    if found.is_none()
        && let Ok(number) = name.parse()
    {
        found = unistd::User::from_uid(unistd::Uid::from_raw(number)).map_err(wrong)?;
    }
    let found = found.ok_or_else(|| format!("there is no user {name:?} on this node"))?;
    Ok(User {
        id: found.uid.as_raw(),
        group: found.gid.as_raw(),
        home: found.dir.display().to_string(),
        shell: found.shell.display().to_string(),
        name: found.name,
    })
}

/// Makes a program run as a user, with all groups of that user and the variables a login would set.
pub(crate) fn run_as(command: &mut Command, user: &User) -> Result<(), String> {
    let name = CString::new(user.name.as_str()).map_err(|error| error.to_string())?;
    let groups = unistd::getgrouplist(&name, unistd::Gid::from_raw(user.group))
        .map_err(|error| format!("groups of user {:?}: {error}", user.name))?;
    command.env("USER", &user.name).env("LOGNAME", &user.name);
    command.env("HOME", &user.home).env("SHELL", &user.shell);
    if user.id != rustix::process::getuid().as_raw() {
        let groups = groups.into_iter().map(unistd::Gid::as_raw).collect();
        stead_sdk::run_as(command, user.id, user.group, groups);
    }
    Ok(())
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
        let root = user("root").unwrap();
        assert_eq!((root.id, root.group, root.name.as_str()), (0, 0, "root"));
        assert_eq!(user("0"), Ok(root));
        assert!(user("nobody-of-that-name").is_err());
    }
}
