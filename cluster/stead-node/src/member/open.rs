//! Opening the database of several nodes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use stead_api::Event;
use stead_lease::Identity;
use stead_membership::{NodeFile, SEEN, belongs};
use stead_store::{Entry, Store, StoreError};
use stead_store_etcd::{EtcdStore, Memory, Start};
use stead_types::NodeName;

use super::{Beginning, session};
use crate::standing;

/// The open database, once for each use, so that none waits for another.
pub(crate) struct Open {
    /// For renewals alone.
    pub(crate) sessions: Arc<dyn Store>,
    /// For groups and nodes, and for news.
    pub(crate) groups: Arc<dyn Store>,
    /// For the configuration and the history.
    pub(crate) configuration: Arc<dyn Store>,
    /// What the node begins with.
    pub(crate) begin: Beginning,
    /// Everything that is stored.
    pub(crate) entries: Vec<Entry>,
    /// What an operator should be told.
    pub(crate) warnings: Vec<String>,
}

/// Where a node keeps its events.
pub(crate) fn history_folder(node: &NodeName) -> String {
    format!("history/{}/", node.as_str().to_ascii_lowercase())
}

/// The events of all nodes by time, and the number of the last of this one.
pub(crate) fn history(entries: &[Entry], me: &NodeName) -> (Vec<Event>, u64) {
    let own = history_folder(me);
    let of = |entry: &&Entry| entry.key.starts_with("history/");
    let mut last = 0;
    let mut events: Vec<Event> = entries
        .iter()
        .filter(of)
        .filter_map(|entry| {
            let event: Event = serde_json::from_value(entry.value.clone()).ok()?;
            if entry.key.starts_with(&own) {
                last = last.max(event.sequence);
            }
            Some(event)
        })
        .collect();
    events.sort_by_key(|event| event.time_ms);
    (events, last)
}

/// What an operator has to do about another database than before.
pub(crate) fn replaced(text: &str) -> String {
    format!(
        "{text}. Nothing runs here until an operator has looked: if this is the right database, `stead cluster adopt` on one \
         node says so; otherwise put the right one back"
    )
}

fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Whether the processor says that no hypervisor is below, as `/proc/cpuinfo` shows it. Where it says nothing of that, as on
/// processors without such a flag, this is not known to be bare metal.
fn bare_metal(cpuinfo: &str) -> bool {
    let mut flags = cpuinfo.lines().filter_map(|line| line.strip_prefix("flags")?.split_once(':'));
    flags.next().is_some_and(|(_, flags)| !flags.split_whitespace().any(|flag| flag == "hypervisor"))
}

/// A DMI UUID that is one machine's own; nothing for what vendors leave in place of one, which many machines share.
fn own_uuid(uuid: String) -> String {
    let mut digits = uuid.chars().filter(char::is_ascii_hexdigit);
    let first = digits.next();
    let alike = digits.all(|digit| Some(digit) == first);
    let sample = uuid.eq_ignore_ascii_case("03000200-0400-0500-0006-000700080009");
    if alike || sample { String::new() } else { uuid }
}

/// Opens one handle, and waits for as long as nobody answers: at a cold start etcd may come later than the node.
fn handle(
    data: &Path,
    file: &NodeFile,
    purpose: &str,
    memory: &Memory,
    change: impl Fn(&mut stead_store_etcd::Options),
) -> Result<EtcdStore, String> {
    let mut told = false;
    loop {
        let writer = format!("{}+{purpose}", file.node);
        let mut options = file.options(data, &writer).map_err(|error| error.to_string())?;
        options.memory = Some(memory.clone());
        change(&mut options);
        match EtcdStore::open(options, Start::Existing) {
            Ok(store) => return Ok(store),
            Err(error @ StoreError::Unavailable(_)) => {
                if !told {
                    tracing::warn!(%error, "waiting for the cluster database");
                    standing::say(data, &format!("it waits for the cluster database: {error}"));
                }
                told = true;
            }
            Err(error @ StoreError::Replaced(_)) => {
                return Err(replaced(&error.to_string()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Opens the database that `file` names, and reads it.
///
/// # Errors
/// Why it cannot be.
pub(crate) fn open(data: &Path, file: &NodeFile) -> Result<Open, String> {
    let params = file.params();
    // That a member is gone must be found out well before the node with it may be taken over from, or the news of that,
    // and what is written because of it, would wait for that member.
    let memory = Memory::new(data.join(SEEN));
    let groups = handle(data, file, "groups", &memory, |options| options.beat = params.h / 2)?;
    let foreign = belongs(&groups, file).map_err(|error| error.to_string())?;
    let sessions = handle(data, file, "session", &memory, |options| {
        options.deadline = session::patience(&params);
        options.attempt = options.deadline.mul_f64(0.7);
        options.hedge = Some(session::hedge(&params));
    })?;
    let configuration = handle(data, file, "node", &memory, |_| {})?;
    let (revision, entries) = groups.list("").map_err(|error| error.to_string())?;
    let opened = groups.opened();
    let identity = Identity {
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        machine_id: line("/etc/machine-id"),
        dmi_uuid: own_uuid(line("/sys/class/dmi/id/product_uuid")),
    };
    let known = !identity.machine_id.is_empty() && !identity.dmi_uuid.is_empty();
    let trust_reboot = file.trust_reboot.unwrap_or_else(|| bare_metal(&line("/proc/cpuinfo")));
    let begin = Beginning {
        params,
        identity,
        trust_reboot,
        incarnation: opened.incarnation.clone(),
        incarnation_is_new: opened.is_new,
        incarnation_is_unknown: opened.is_unknown,
        memory,
        revision,
        file: Box::new(file.clone()),
    };
    let mut warnings = opened.warnings.clone();
    warnings.extend(foreign);
    if file.trust_reboot == Some(true) && !known {
        warnings.push(
            "trust_reboot in node.toml has no effect: this machine has no /etc/machine-id or no \
             /sys/class/dmi/id/product_uuid to be known again by"
                .to_owned(),
        );
    }
    warnings.extend(file.bad_devices());
    Ok(Open {
        sessions: Arc::new(sessions),
        groups: Arc::new(groups),
        configuration: Arc::new(configuration),
        begin,
        entries,
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::{bare_metal, own_uuid};

    #[test]
    fn what_many_machines_share_is_no_identity() {
        for shared in [
            "",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "03000200-0400-0500-0006-000700080009",
        ] {
            assert_eq!(own_uuid(shared.to_owned()), "", "{shared}");
        }
        let own = "4c4c4544-0044-4a10-8056-b4c04f4d3232";
        assert_eq!(own_uuid(own.to_owned()), own);
    }

    #[test]
    fn a_virtual_machine_and_what_is_not_known_are_no_bare_metal() {
        assert!(bare_metal("processor\t: 0\nflags\t\t: fpu vme sse2\n"));
        assert!(!bare_metal("processor\t: 0\nflags\t\t: fpu hypervisor sse2\n"));
        assert!(!bare_metal("processor\t: 0\nFeatures\t: fp asimd\n"), "it has no such flag to show");
        assert!(!bare_metal(""));
    }
}
