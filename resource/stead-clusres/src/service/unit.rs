//! Names of systemd's units, and what systemd says of one.

use std::collections::BTreeMap;

/// Makes any text the instance of a template, as `systemd-escape` does.
fn escape(text: &str) -> String {
    let mut name = String::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at == 0 => name.push_str("\\x2e"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' | b'.' => name.push(char::from(byte)),
            other => name.push_str(&format!("\\x{other:02x}")),
        }
    }
    name
}

/// The full name of a service's unit, or which property is wrong and why.
pub(super) fn name(service: &str, parameters: &str) -> Result<String, (&'static str, String)> {
    let wrong = |text: String| Err(("ServiceName", text));
    let plain = service.strip_suffix(".service").unwrap_or(service);
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if plain.is_empty() || plain.starts_with(['-', '.']) || !plain.chars().all(allowed) {
        return wrong(format!("{service:?} is no name of a systemd service, such as nginx.service"));
    }
    let other =
        ["socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope"];
    if let Some((_, kind)) = plain.rsplit_once('.')
        && other.contains(&kind)
    {
        return wrong(format!("{service:?} is a {kind}, not a service"));
    }
    match (plain.strip_suffix('@'), parameters) {
        (Some(_), "") => wrong(format!(
            "{service:?} is a template; set StartupParameters to the instance, or write name@instance.service"
        )),
        (Some(template), instance) => Ok(format!("{template}@{}.service", escape(instance))),
        (None, "") => Ok(format!("{plain}.service")),
        (None, _) => Err((
            "StartupParameters",
            format!(
                "systemd passes parameters to templates only, as their instance; make the unit {plain}@.service, or put \
                 them into {plain}.service"
            ),
        )),
    }
}

/// What `systemctl show` is asked for.
pub(super) const ASKED: &str =
    "LoadState,LoadError,ActiveState,SubState,Result,ExecMainStatus,MainPID,ControlGroup,UnitFileState,Type";

/// What systemd says of a unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown(BTreeMap<String, String>);

impl Shown {
    /// Reads lines of `Name=value`.
    pub(super) fn read(text: &str) -> Shown {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        Shown(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The service does its work.
    pub(super) fn active(&self) -> bool {
        ["active", "reloading", "refreshing"].contains(&self.get("ActiveState"))
    }

    /// Nothing of it is left.
    pub(super) fn ended(&self) -> bool {
        ["inactive", "failed"].contains(&self.get("ActiveState")) && ["", "0"].contains(&self.get("MainPID"))
    }

    /// State and cause, as people read them.
    pub(super) fn words(&self) -> String {
        let mut text = format!("it is {} ({})", self.get("ActiveState"), self.get("SubState"));
        if !["", "success"].contains(&self.get("Result")) {
            text += &format!(", result {}, exit status {}", self.get("Result"), self.get("ExecMainStatus"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_units() {
        assert_eq!(name("nginx", "").unwrap(), "nginx.service");
        assert_eq!(name("nginx.service", "").unwrap(), "nginx.service");
        assert_eq!(name("getty@tty1", "").unwrap(), "getty@tty1.service");
        assert_eq!(name("db@.service", "main").unwrap(), "db@main.service");
        assert_eq!(name("db@", "/srv/a b-c").unwrap(), "db@-srv-a\\x20b\\x2dc.service");
        assert_eq!(name("db@", "").unwrap_err().0, "ServiceName");
        assert_eq!(name("nginx", "-v").unwrap_err().0, "StartupParameters");
        for bad in ["", "-f", "a b", "../x", "cron.timer", "a;b"] {
            assert_eq!(name(bad, "").unwrap_err().0, "ServiceName", "{bad}");
        }
    }

    #[test]
    fn what_is_shown() {
        let shown = Shown::read(
            "ActiveState=failed\nSubState=failed\nResult=exit-code\nExecMainStatus=3\nMainPID=0\n",
        );
        assert!(!shown.active() && shown.ended());
        assert_eq!(shown.words(), "it is failed (failed), result exit-code, exit status 3");
        assert!(!Shown::read("ActiveState=deactivating\nMainPID=0").ended());
        assert!(!Shown::read("ActiveState=activating\nSubState=auto-restart").active());
    }
}
