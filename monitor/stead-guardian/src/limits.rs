//! What one Resource Monitor may use, with everything that is started in it.

use std::fmt;
use std::str::FromStr;

use rustix::process::{Resource, Rlimit, getrlimit};

/// A size or a count; `None` is no limit of ours.
type Most = Option<u64>;

/// Limits of one Resource Monitor. Those of the group of processes need a control group; those of each process do not,
/// and can be lowered by it but not raised, except by root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Processes and threads together.
    pub(crate) pids: Most,
    /// Bytes of memory together; of data in each process where there is no control group for it.
    pub(crate) memory: Most,
    /// Share of the processors when they are contended: 1 to 10 000, where 100 is usual.
    pub(crate) cpu: Most,
    /// Descriptors of each process.
    pub(crate) nofile: Most,
    /// Bytes of a core dump.
    pub(crate) core: Most,
    /// Bytes of each file written.
    pub(crate) fsize: Most,
    /// Bytes of memory each process locks.
    pub(crate) memlock: Most,
}

impl Default for Limits {
    /// What a well-behaved service never notices: memory and files are the operator's to limit.
    fn default() -> Self {
        Limits {
            pids: Some(8_192),
            memory: None,
            cpu: Some(100),
            nofile: Some(524_288),
            core: Some(0),
            fsize: None,
            memlock: None,
        }
    }
}

fn most(text: &str) -> Option<Most> {
    if text == "none" {
        return Some(None);
    }
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 1 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).map(Some)
}

impl Limits {
    fn named(&mut self) -> [(&'static str, &mut Most); 7] {
        [
            ("pids", &mut self.pids),
            ("memory", &mut self.memory),
            ("cpu", &mut self.cpu),
            ("nofile", &mut self.nofile),
            ("core", &mut self.core),
            ("fsize", &mut self.fsize),
            ("memlock", &mut self.memlock),
        ]
    }

    /// Takes in `NAME=VALUE`, or several with commas between them.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub(crate) fn set(&mut self, text: &str) -> Result<(), String> {
        for word in text.split(',') {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("--limit {word}: it must be NAME=VALUE"))?;
            let mut named = self.named();
            let names = named.each_ref().map(|(name, _)| *name).join(", ");
            let Some((_, limit)) = named.iter_mut().find(|(known, _)| *known == name) else {
                return Err(format!("--limit {word}: there is no limit {name:?}; there are: {names}"));
            };
            let value = most(value)
                .filter(|most| name != "cpu" || most.is_none_or(|weight| (1..=10_000).contains(&weight)));
            **limit = value.ok_or_else(|| {
                let range = if name == "cpu" { " from 1 to 10000" } else { ", such as 4096 or 2G" };
                format!("--limit {word}: the value must be a number{range}, or none")
            })?;
        }
        Ok(())
    }

    /// What each process gets: never more than it would have had.
    pub(crate) fn of_process(&self, memory_is_limited: bool) -> Vec<(Resource, Rlimit)> {
        let data = if memory_is_limited { None } else { self.memory };
        let wanted = [
            (Resource::Nofile, self.nofile),
            (Resource::Core, self.core),
            (Resource::Fsize, self.fsize),
            (Resource::Memlock, self.memlock),
            (Resource::Data, data),
        ];
        wanted
            .into_iter()
            .filter_map(|(resource, most)| {
                let most = most?;
                let now = getrlimit(resource);
                let lower = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
                Some((resource, Rlimit { current: lower(now.current), maximum: lower(now.maximum) }))
            })
            .collect()
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = self.clone();
        let words = copy.named().map(|(name, most)| match most {
            Some(most) => format!("{name}={most}"),
            None => format!("{name}=none"),
        });
        f.write_str(&words.join(","))
    }
}

impl FromStr for Limits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut limits = Limits::default();
        limits.set(text)?;
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_written_and_refused_with_a_remedy() {
        let mut limits = Limits::default();
        limits.set("memory=2G").unwrap();
        limits.set("pids=none,nofile=4K").unwrap();
        assert_eq!((limits.memory, limits.pids, limits.nofile), (Some(2 << 30), None, Some(4_096)));
        assert_eq!(limits.to_string().parse(), Ok(limits.clone()));
        let before = limits.clone();
        for (text, expected) in [
            ("pids", "NAME=VALUE"),
            ("pid=5", "there are: pids, memory, cpu, nofile, core, fsize, memlock"),
            ("memory=lots", "such as 4096 or 2G, or none"),
            ("memory=99999999999G", "such as"),
            ("cpu=0", "from 1 to 10000"),
            ("fsize=", "or none"),
        ] {
            let error = limits.set(text).unwrap_err();
            assert!(error.contains(expected) && error.contains(text), "{error}");
        }
        assert_eq!(limits, before, "what is refused changes nothing");
    }

    #[test]
    fn a_process_never_gets_more_than_it_had() {
        let limits: Limits = "nofile=18446744073709551615,memory=1G".parse().unwrap();
        let had = getrlimit(Resource::Nofile);
        let found = limits.of_process(false);
        let of = |wanted| found.iter().find(|(resource, _)| *resource == wanted).map(|(_, limit)| *limit);
        assert_eq!(of(Resource::Nofile).unwrap().maximum, had.maximum.or(Some(u64::MAX)));
        assert_eq!(of(Resource::Data).unwrap().current, Some(1 << 30));
        assert_eq!(of(Resource::Fsize), None);
        assert!(limits.of_process(true).iter().all(|(resource, _)| *resource != Resource::Data));
    }
}
