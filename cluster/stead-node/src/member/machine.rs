//! Looks at this machine's files for as long as the node lives: which resource DLLs are there, so that nothing is placed
//! here that cannot be loaded, and until when the certificate is good. On a thread of its own, since a file may be on a disk
//! that does not answer.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use stead_membership::{NodeFile, tell_certificate};
use stead_store::{Entry, Guard, Operation, Revision, Store};
use stead_types::{NodeName, TypeName};

use super::documents::{host_key, host_of, host_value};
use super::{Member, Purpose, Told};
use crate::command::Input;
use crate::edge::api::Way;
use crate::node::Node;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(15);

/// The files of resource types.
type Files = Vec<(TypeName, String)>;

/// The way to the thread, which ends with the process.
#[derive(Debug)]
pub(crate) struct Machinery(Sender<Files>);

/// What every shared library of a machine of 64 bits begins with.
const ELF: [u8; 5] = [0x7f, b'E', b'L', b'F', 2];

/// Why a file cannot be a resource DLL; nothing if it may be one.
fn wrong(file: &str, node: &str) -> Option<String> {
    let mut begin = [0; 5];
    match std::fs::File::open(file).and_then(|mut open| open.read_exact(&mut begin)) {
        Ok(()) if begin == ELF => None,
        Ok(()) => Some(format!("file {file} on {node} is no shared library")),
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!("file {file} is not on {node}")),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Some(format!("file {file} on {node} is no shared library"))
        }
        Err(error) => Some(format!("file {file} on {node}: {error}")),
    }
}

impl Machinery {
    /// Begins to look.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        file: NodeFile,
        data: PathBuf,
        way: &Way,
    ) -> std::io::Result<Self> {
        let way = way.clone();
        let (files, news) = channel();
        let work = move || look(&*store, &file, &data, &way, &news);
        std::thread::Builder::new().name("machine".to_owned()).spawn(work)?;
        Ok(Machinery(files))
    }
}

fn look(store: &dyn Store, file: &NodeFile, data: &std::path::Path, way: &Way, news: &Receiver<Files>) {
    let mut files: Option<Files> = None;
    let mut told = None;
    let mut warned: Vec<String> = Vec::new();
    loop {
        if let Some(files) = &files {
            let cannot = |(of, path): &(TypeName, String)| Some((of.clone(), wrong(path, &file.node)?));
            way.send(Input::Told(Told::CannotHost(files.iter().filter_map(cannot).collect())));
        }
        let now = file.certificate_document(data);
        // Nothing depends on it: if it cannot be stored now, the next look tries again.
        if told != now && tell_certificate(store, file, data).is_ok() {
            told = now;
        }
        let expiring = file.expiring(data);
        for text in expiring.iter().filter(|text| !warned.contains(text)) {
            way.send(Input::Told(Told::Warning(text.clone())));
        }
        warned = expiring;
        match news.recv_timeout(LOOK) {
            Ok(more) => files = Some(news.try_iter().last().unwrap_or(more)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What stores what a node cannot load, over the document of this revision or over none.
fn saying(me: &NodeName, over: Option<Revision>, cannot: &BTreeMap<TypeName, String>) -> (Guard, Operation) {
    let key = host_key(me);
    (Member::guard(&key, over), Operation::Put(key, host_value(cannot)))
}

impl Node {
    /// The resource types may be others than before.
    pub(crate) fn look_at_files(&mut self) {
        let files = self.catalog.files(self.policy.config());
        if let Some(member) = &self.member {
            let _ = member.machinery.0.send(files);
        }
    }

    /// The files of all types were looked at: what is not so yet is said to the others.
    pub(super) fn looked(&mut self, cannot: &BTreeMap<TypeName, String>) {
        let Some(member) = &mut self.member else { return };
        let me = member.me.clone();
        let said = member.situation.nodes.get(&me).map(|facts| &facts.cannot_host);
        if member.telling_host || said.map_or(cannot.is_empty(), |said| said == cannot) {
            return;
        }
        member.telling_host = true;
        let token = member.token();
        // What was written by hand since is looked at first; the next look says it again.
        let (guard, operation) = saying(&me, member.host_revision, cannot);
        member.threads.write(token, vec![guard], vec![operation]);
        member.writes.insert(token, Purpose::Host);
    }

    /// A node has said what it cannot load.
    pub(super) fn host_changed(&mut self, node: &NodeName, entry: Option<&Entry>) {
        if let Some(member) = self.member.as_mut().filter(|member| member.me == *node) {
            let modified = entry.map(|entry| entry.modified);
            // What this node has written is known before it is news.
            if modified.is_none_or(|modified| member.host_revision.is_none_or(|known| known < modified)) {
                member.host_revision = modified;
            }
        }
        let cannot = match entry.map(|entry| host_of(&entry.value)) {
            None => BTreeMap::new(),
            Some(Ok(cannot)) => cannot,
            Some(Err(text)) => {
                let key = host_key(node);
                return self.nonsense(&key, &text, None);
            }
        };
        let Some(member) = &mut self.member else { return };
        let facts = member.node_mut(node);
        if facts.cannot_host == cannot {
            return;
        }
        let news: Vec<String> = cannot
            .iter()
            .filter(|(of, why)| facts.cannot_host.get(of) != Some(why))
            .map(|(of, why)| {
                format!(
                    "resource type \"{of}\" cannot be loaded: {why}; no group that needs it is placed there"
                )
            })
            .collect();
        facts.cannot_host = cannot;
        member.decide = true;
        // Each says it of itself: one event and not one of every node.
        if member.me == *node {
            for text in news {
                self.warn(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_resource_dll_says_where_and_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let own = std::env::current_exe().unwrap().display().to_string();
        assert_eq!(wrong(&own, "n2"), None);
        assert_eq!(wrong("/absent/x.so", "n2").unwrap(), "file /absent/x.so is not on n2");
        for bad in
            [file("text.so", b"no library at all"), file("empty.so", b""), file("32.so", b"\x7fELF\x01...")]
        {
            assert_eq!(wrong(&bad, "n2").unwrap(), format!("file {bad} on n2 is no shared library"));
        }
    }

    #[test]
    fn what_a_node_cannot_load_is_written_over_what_it_has_seen_only() {
        use stead_store::{Outcome, Transaction};
        let store = stead_store::MemoryStore::default();
        let (me, cannot) = ("n1".parse().unwrap(), BTreeMap::new());
        let write = |over| {
            let (guard, operation) = saying(&me, over, &cannot);
            let transaction = Transaction { guards: vec![guard], operations: vec![operation] };
            match store.commit(transaction).unwrap() {
                Outcome::Committed(revision) => Some(revision),
                Outcome::Conflict(_) => None,
            }
        };
        let first = write(None).unwrap();
        assert_eq!(write(None), None, "there is one that was not seen");
        let second = write(Some(first)).unwrap();
        assert_eq!(write(Some(first)), None, "it is another one since");
        assert!(write(Some(second)).is_some());
    }

    #[test]
    fn what_a_node_cannot_load_is_read_as_it_was_written() {
        let cannot = BTreeMap::from([("X".parse().unwrap(), "file /x.so is not on n2".to_owned())]);
        assert_eq!(host_of(&host_value(&cannot)), Ok(cannot));
        assert!(host_of(&serde_json::json!({"schema": 1, "cannot_host": {"": "x"}})).is_err());
        assert!(host_of(&serde_json::json!("text")).is_err());
    }
}
