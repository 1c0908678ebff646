//! `node.toml`: what this machine is in which cluster.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stead_fence::Device;
use stead_lease::Params;
use stead_store_etcd::{Login, Options, Tls};
use toml::de::{DeTable, DeValue};

use crate::error::Trouble;
use crate::name::check_name;
use crate::secret;
use crate::timers::{Profile, Timers};

/// Its name in the data folder.
pub const PATH: &str = "node.toml";

/// Addresses of members that were learned since the file was written, one a line. A hint: it may be gone or old.
pub(crate) const LEARNED: &str = "etcd-members";
/// Where the node keeps the highest revision of the database it has seen, so that one that went back in time is noticed.
pub const SEEN: &str = "etcd-seen";

/// Larger files are a mistake.
const LONGEST: u64 = 1 << 20;

/// What `node.toml` says. Paths are relative to the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The name of this node.
    pub node: String,
    /// The device of the hardware watchdog, such as `/dev/watchdog`; none is used without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<PathBuf>,
    /// When this machine was started anew, its node begins at once, and others have its groups, without waiting for the
    /// lease of before. Without a word that is so on bare metal: a virtual machine may be restored or copied, and look
    /// the same. Set it only where that cannot happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_reboot: Option<bool>,
    /// The cluster.
    pub cluster: ClusterName,
    /// How its database is reached.
    pub etcd: Etcd,
    /// The session's times.
    #[serde(default)]
    timers: TimersTable,
    /// The member of etcd that this node runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
    /// Devices that switch machines of other nodes off, in the order in which they are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fence: Vec<Device>,
}

/// Which cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterName {
    /// Its name; its keys in etcd are below `/stead/<name>/`.
    pub name: String,
    /// Made once, so that two clusters of one name are told apart.
    pub id: String,
}

/// How the cluster database is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Etcd {
    /// Addresses of members, such as `https://10.0.0.1:2379`.
    pub endpoints: Vec<String>,
    /// The certificates of who signs those of members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// This node's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// A user of etcd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file with its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// The managed member of this node. Over TLS it uses the certificate of `[etcd]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name in etcd.
    pub name: String,
    /// Where clients reach it.
    pub client_url: String,
    /// Where other members reach it.
    pub peer_url: String,
    /// The folder of its database.
    pub data: PathBuf,
    /// The members there were when it was added, itself included, as etcd's `--initial-cluster`.
    pub initial_cluster: String,
    /// It was added to a cluster that was there.
    #[serde(default)]
    pub existing: bool,
    /// The program; `etcd` from the path without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<PathBuf>,
}

/// The times as they are written: a profile, or all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TimersTable {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renewal_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kill_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watchdog_ms: Option<u32>,
}

impl TimersTable {
    fn timers(&self) -> Timers {
        let base = self.profile.unwrap_or_default().times();
        let changed = [self.renewal_ms, self.deadline_ms, self.kill_ms, self.watchdog_ms];
        Timers {
            profile: base.profile.filter(|_| changed.iter().all(Option::is_none)),
            renewal_ms: self.renewal_ms.unwrap_or(base.renewal_ms),
            deadline_ms: self.deadline_ms.unwrap_or(base.deadline_ms),
            kill_ms: self.kill_ms.unwrap_or(base.kill_ms),
            watchdog_ms: self.watchdog_ms.unwrap_or(base.watchdog_ms),
        }
    }
}

impl From<&Timers> for TimersTable {
    fn from(timers: &Timers) -> Self {
        match timers.profile {
            Some(profile) => TimersTable { profile: Some(profile), ..TimersTable::default() },
            None => TimersTable {
                profile: None,
                renewal_ms: Some(timers.renewal_ms),
                deadline_ms: Some(timers.deadline_ms),
                kill_ms: Some(timers.kill_ms),
                watchdog_ms: Some(timers.watchdog_ms),
            },
        }
    }
}

/// Line and column, from 1, of a byte.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

/// Where a key stands; the nearest table above it if it does not.
fn place_of(text: &str, keys: &[&str]) -> usize {
    let Ok(table) = DeTable::parse(text) else { return 0 };
    let mut here = 0;
    let mut table = table.get_ref();
    for key in keys {
        let Some((key, value)) = table.iter().find(|(name, _)| name.get_ref() == key) else { break };
        here = key.span().start;
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => break,
        }
    }
    here
}

/// A key and what is wrong with its value.
type Wrong = (&'static [&'static str], String);

impl NodeFile {
    /// A file as `create` and `join` begin it.
    pub(crate) fn new(node: &str, cluster: ClusterName, etcd: Etcd, timers: &Timers) -> Self {
        NodeFile {
            node: node.to_owned(),
            watchdog: None,
            trust_reboot: None,
            cluster,
            etcd,
            timers: TimersTable::from(timers),
            member: None,
            fence: Vec::new(),
        }
    }

    /// The device that switches this node off, as it is to be asked: the node by the name the device knows it by.
    #[must_use]
    pub fn device(&self, node: &str) -> Option<(&Device, &str)> {
        let of = |device: &'_ Device| device.nodes.keys().any(|name| name.eq_ignore_ascii_case(node));
        let device = self.fence.iter().find(|device| of(device))?;
        let name = device.nodes.keys().find(|name| name.eq_ignore_ascii_case(node))?;
        Some((device, name))
    }

    /// A sentence for each fence device that could not be used as it is configured.
    #[must_use]
    pub fn bad_devices(&self) -> Vec<String> {
        self.fence.iter().filter_map(|device| device.check().err()).map(|wrong| wrong.to_string()).collect()
    }

    /// Reads the file of a data folder; nothing if there is none: then the machine is a cluster by itself.
    ///
    /// # Errors
    /// Everything that is wrong with it, with its line and a remedy.
    pub fn read(data: &Path) -> Result<Option<NodeFile>, Trouble> {
        let path = data.join(PATH);
        let bad = |text: String| Trouble::BadFile(format!("{}: {text}", path.display()));
        match fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(bad(error.to_string())),
            Ok(about) if about.len() > LONGEST => return Err(bad("it is larger than 1 MiB".to_owned())),
            Ok(_) => {}
        }
        let text = fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
        NodeFile::parse(&path, &text).map(Some)
    }

    /// True if a member of a cluster worked in this folder, which [`crate::leave`] would have taken away.
    #[must_use]
    pub fn had_member(data: &Path) -> bool {
        data.join(LEARNED).exists()
    }

    /// The same, where there has to be one.
    ///
    /// # Errors
    /// Also if there is none.
    pub fn read_present(data: &Path) -> Result<NodeFile, Trouble> {
        NodeFile::read(data)?.ok_or_else(|| {
            Trouble::Refused(format!(
                "{} is no node of a cluster: there is no {PATH}; `stead cluster create` or `stead cluster join` makes \
                 one, and --data names another folder",
                data.display()
            ))
        })
    }

    /// Reads it from text; `path` is what errors name.
    ///
    /// # Errors
    /// As [`NodeFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<NodeFile, Trouble> {
        let at = |place: usize, what: &str| {
            let (line, column) = position(text, place);
            Trouble::BadFile(format!("{}:{line}:{column}: {what}", path.display()))
        };
        let file: NodeFile = toml::from_str(text)
            .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
        match file.check() {
            Ok(()) => Ok(file),
            Err((keys, what)) => Err(at(place_of(text, keys), &what)),
        }
    }

    fn check(&self) -> Result<(), Wrong> {
        let named = |keys: &'static [&'static str], what, name: &str| {
            check_name(what, name).map_err(|error| (keys, error.to_string()))
        };
        named(&["node"], "node", &self.node)?;
        named(&["cluster", "name"], "cluster", &self.cluster.name)?;
        if self.cluster.id.is_empty() || !self.cluster.id.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err((&["cluster", "id"], "id must be the hexadecimal id of the cluster".to_owned()));
        }
        self.etcd.check()?;
        self.timers.timers().check(self.watchdog.is_some()).map_err(|text| (&["timers"] as &[_], text))?;
        let Some(member) = &self.member else { return Ok(()) };
        named(&["member", "name"], "member", &member.name)?;
        for (keys, url) in [
            (&["member", "client_url"] as &[_], &member.client_url),
            (&["member", "peer_url"], &member.peer_url),
        ] {
            let secured = url.starts_with("https://");
            if !secured && !url.starts_with("http://") {
                return Err((keys, format!("{url:?} must begin with https:// or http://")));
            }
            if secured && self.etcd.certificate.is_none() {
                return Err((keys, format!("{url} needs ca, certificate and key in [etcd]")));
            }
        }
        Ok(())
    }

    /// The session's times.
    #[must_use]
    pub fn timers(&self) -> Timers {
        self.timers.timers()
    }

    /// The session's parameters.
    #[must_use]
    pub fn params(&self) -> Params {
        self.timers().params(self.watchdog.is_some())
    }

    /// Writes the file, for this user alone.
    pub(crate) fn write(&self, data: &Path) -> Result<(), Trouble> {
        let table = toml::to_string_pretty(self)
            .map_err(|error| Trouble::Failed(format!("{}: {error}", data.join(PATH).display())))?;
        let head = "# Which cluster this machine is a node of. Written by `stead cluster create` or `join`; read when \
                    the node starts.\n\n";
        secret::write(&data.join(PATH), format!("{head}{table}").as_bytes())
    }

    /// Writes the file and does what makes it true; without that it is taken away again. A disk that is full is noticed
    /// before anything is done elsewhere.
    pub(crate) fn write_with<T>(
        &self,
        data: &Path,
        work: impl FnOnce() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.write(data)?;
        work().inspect_err(|_| {
            let _ = fs::remove_file(data.join(PATH));
        })
    }

    /// The addresses of the file, and those learned since.
    #[must_use]
    pub fn endpoints(&self, data: &Path) -> Vec<String> {
        let mut endpoints = self.etcd.endpoints.clone();
        let learned = fs::read_to_string(data.join(LEARNED)).unwrap_or_default();
        let scheme = if self.etcd.ca.is_some() { "https://" } else { "http://" };
        for url in learned.lines().filter(|url| url.starts_with(scheme)) {
            if !endpoints.iter().any(|known| known == url) {
                endpoints.push(url.to_owned());
            }
        }
        endpoints
    }

    /// How the cluster database is opened, writing as `writer`.
    ///
    /// # Errors
    /// What is wrong with the files it names.
    pub fn options(&self, data: &Path, writer: &str) -> Result<Options, Trouble> {
        let mut options = self.etcd.options(data, &self.cluster.name, writer)?;
        options.endpoints = self.endpoints(data);
        Ok(options)
    }
}

impl Etcd {
    fn check(&self) -> Result<(), Wrong> {
        if self.endpoints.is_empty() {
            let text = "endpoints must name a member at least, such as [\"https://10.0.0.1:2379\"]";
            return Err((&["etcd", "endpoints"], text.to_owned()));
        }
        for url in &self.endpoints {
            match (url.split_once("://"), self.ca.is_some()) {
                (Some(("https", _)), true) | (Some(("http", _)), false) => {}
                (Some(("https", _)), false) => {
                    return Err((&["etcd", "endpoints"], format!("{url} needs ca, the authority of etcd")));
                }
                (Some(_), true) => {
                    let text = format!("{url}: with ca it must begin with https://");
                    return Err((&["etcd", "endpoints"], text));
                }
                (Some(_), false) | (None, _) => {
                    return Err((
                        &["etcd", "endpoints"],
                        format!("{url:?} must begin with https:// or http://"),
                    ));
                }
            }
        }
        let pairs: [(&[&str], bool, &str); 3] = [
            (
                &["etcd", "certificate"],
                self.certificate.is_some() == self.key.is_some(),
                "certificate and key go together",
            ),
            (
                &["etcd", "certificate"],
                self.certificate.is_none() || self.ca.is_some(),
                "certificate needs ca",
            ),
            (
                &["etcd", "user"],
                self.user.is_some() == self.password_file.is_some(),
                "user and password_file go together",
            ),
        ];
        match pairs.into_iter().find(|(_, good, _)| !good) {
            Some((keys, _, text)) => Err((keys, text.to_owned())),
            None => Ok(()),
        }
    }

    /// Checks what the command line gave.
    pub(crate) fn check_given(&self) -> Result<(), Trouble> {
        self.check().map_err(|(_, text)| Trouble::Refused(text))
    }

    /// How it is opened; secrets are read and their files checked.
    pub(crate) fn options(&self, data: &Path, cluster: &str, writer: &str) -> Result<Options, Trouble> {
        let mut options = Options::new(self.endpoints.clone(), cluster, writer);
        options.tls = match &self.ca {
            None => None,
            Some(ca) => {
                let identity = match (&self.certificate, &self.key) {
                    (Some(certificate), Some(key)) => {
                        let key = data.join(key);
                        secret::read("key for etcd", &key)?;
                        Some((data.join(certificate), key))
                    }
                    (Some(_) | None, _) => None,
                };
                Some(Tls { authority: data.join(ca), identity })
            }
        };
        options.login = match (&self.user, &self.password_file) {
            (Some(user), Some(file)) => {
                let path = data.join(file);
                let bytes = secret::read("password file", &path)?;
                let password = String::from_utf8(bytes).map_err(|_| {
                    Trouble::BadFile(format!("password file {}: it is no text", path.display()))
                })?;
                Some(Login {
                    user: user.clone(),
                    password: password.trim_end_matches(['\r', '\n']).to_owned(),
                })
            }
            (Some(_) | None, _) => None,
        };
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
node = "n1"

[cluster]
name = "prod"
id = "0123abcd"

[etcd]
endpoints = ["https://10.0.0.1:2379"]
ca = "tls/ca.pem"
certificate = "tls/node.crt"
key = "tls/node.key"

[timers]
profile = "fast"

[member]
name = "n1"
client_url = "https://10.0.0.1:2379"
peer_url = "https://10.0.0.1:2380"
data = "etcd"
initial_cluster = "n1=https://10.0.0.1:2380"
"#;

    fn told(text: &str) -> String {
        NodeFile::parse(Path::new("node.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let file = NodeFile::parse(Path::new("node.toml"), GOOD).unwrap();
        assert_eq!(file.timers(), Profile::Fast.times());
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(NodeFile::read(folder.path()).unwrap(), None);
        file.write(folder.path()).unwrap();
        assert_eq!(NodeFile::read(folder.path()).unwrap(), Some(file.clone()));
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.path().join(PATH)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(folder.path().join(LEARNED), "https://10.0.0.2:2379\nhttp://10.0.0.3:2379\n").unwrap();
        assert_eq!(file.endpoints(folder.path()), ["https://10.0.0.1:2379", "https://10.0.0.2:2379"]);
    }

    #[test]
    fn everything_wrong_has_its_line_and_a_remedy() {
        for (from, to, expected) in [
            ("node = \"n1\"", "node = \"n/1\"", "node.toml:2:1: \"n/1\" is no node name"),
            ("node = \"n1\"", "noode = \"n1\"", "node.toml:2:1: unknown field `noode`"),
            ("0123abcd", "xyz", "node.toml:6:1: id must be"),
            ("[\"https://10.0.0.1:2379\"]", "[]", "node.toml:9:1: endpoints must name"),
            ("[\"https://10.0.0.1:2379\"]", "[\"http://a:1\"]", "node.toml:9:1: http://a:1: with ca it must"),
            ("key = \"tls/node.key\"\n", "", "node.toml:11:1: certificate and key go together"),
            ("\"fast\"", "\"quick\"", "node.toml:15:11: unknown variant `quick`"),
            (
                "profile = \"fast\"",
                "renewal_ms = 3000",
                "node.toml:14:2: renewal_ms = 3000, deadline_ms = 4000",
            ),
            (
                "client_url = \"https",
                "client_url = \"ftp",
                "node.toml:19:1: \"ftp://10.0.0.1:2379\" must begin",
            ),
            ("data = \"etcd\"\n", "", "missing field `data`"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD);
            let told = told(&text);
            assert!(told.starts_with("node.toml:") && told.contains(expected), "{told}\nnot {expected}");
        }
        for hostile in ["\u{0}", "node = ", "[[cluster]]", "cluster = 5\nnode = \"n\"", ""] {
            assert!(told(hostile).starts_with("node.toml:"), "{hostile:?}");
        }
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = NodeFile::parse(Path::new("node.toml"), GOOD).unwrap();
        fs::create_dir(folder.path().join("tls")).unwrap();
        fs::write(folder.path().join("tls/node.key"), "x").unwrap();
        let told = file.options(folder.path(), "n1").unwrap_err().to_string();
        assert!(told.contains("chmod 600"), "{told}");
    }
}
