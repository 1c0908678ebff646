//! The certificates with which the nodes of a cluster reach its database: whose, until when, and new ones in time.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stead_store::{Guard, Operation, Outcome, Store, Transaction};
use stead_store_etcd::{Certificate, Start, moment};
use time::{Duration, OffsetDateTime};

use crate::authority::{self, Authority};
use crate::documents::{self, MEMBER, MemberDoc, writer};
use crate::error::{Trouble, failed, refused};
use crate::file::NodeFile;
use crate::secret;

/// So long before the end people are told.
const AHEAD: Duration = Duration::days(30);

/// So long before the end a node makes itself another one, if it can; what is good for a short time only is renewed when
/// a third of it is left.
const RENEWED: Duration = Duration::days(60);

/// The keys of [`CertificateDoc`] begin so; the name in lower case follows.
const FOLDER: &str = "certificate/";

/// What a node says of its certificate, so that every node can list them all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateDoc {
    /// The node, as it was first written.
    pub node: String,
    /// Who signed it.
    pub signer: String,
    /// Its number, in hexadecimal.
    pub serial: String,
    /// Until when it is good, in seconds since 1970.
    pub until: i64,
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateLine {
    /// A node, or the authority.
    pub whose: String,
    /// What it is: `node` or `authority`.
    pub kind: &'static str,
    /// Until when it is good, in seconds since 1970; nothing if the node has not told, or has none.
    pub until: Option<i64>,
    /// The same for people.
    pub ends: Option<String>,
    /// Whole days that are left; negative when it is over.
    pub days: Option<i64>,
    /// Its number, in hexadecimal.
    pub serial: Option<String>,
    /// Who signed it.
    pub signer: Option<String>,
    /// The file, on this machine.
    pub file: Option<PathBuf>,
}

/// All certificates that are known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateList {
    /// The cluster.
    pub cluster: String,
    /// This node.
    pub node: String,
    /// This node can sign: the key of the authority is here.
    pub signs: bool,
    /// Its authority, its nodes.
    pub certificates: Vec<CertificateLine>,
    /// What an operator should be told.
    pub warnings: Vec<String>,
}

/// A certificate that was renewed. Times are in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Renewed {
    /// The node.
    pub node: String,
    /// Where it is.
    pub file: PathBuf,
    /// Until when the one of before was good; nothing if there was none that could be read.
    pub before: Option<i64>,
    /// Until when this one is.
    pub until: i64,
}

fn day(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds).map_or_else(|_| seconds.to_string(), moment)
}

impl Renewed {
    /// In one sentence.
    #[must_use]
    pub fn told(&self) -> String {
        let before = self.before.map_or_else(String::new, |end| format!(" instead of {}", day(end)));
        format!("the certificate of {} is good until {}{before}", self.node, day(self.until))
    }
}

/// The first of a file's certificates to end.
fn end_of(path: &Path) -> Option<OffsetDateTime> {
    Certificate::all(&std::fs::read(path).ok()?).into_iter().map(|found| found.until).min()
}

fn told(what: &str, path: &Path, end: OffsetDateTime, now: OffsetDateTime, remedy: &str) -> Option<String> {
    let left = end - now;
    let (at, shown) = (moment(end), path.display());
    if left <= Duration::ZERO {
        return Some(format!("{what} {shown} ended on {at}: etcd refuses it; {remedy}"));
    }
    (left < AHEAD).then(|| {
        format!(
            "{what} {shown} ends on {at}, in {} days; then this node loses the cluster database and stops what runs on it; \
             {remedy}",
            left.whole_days()
        )
    })
}

/// True if the certificate should be made anew.
fn due(own: &Certificate, now: OffsetDateTime) -> bool {
    own.until - now < RENEWED.min((own.until - own.from) / 3)
}

impl NodeFile {
    /// A sentence for each certificate that has expired or soon will.
    #[must_use]
    pub fn expiring(&self, data: &Path) -> Vec<String> {
        let now = OffsetDateTime::now_utc();
        let managed = self.member.is_some();
        let own = if managed {
            "`stead cluster renew` on this node makes a new one; nothing has to be started again"
        } else {
            "put a new one in its place, signed by the authority of etcd; nothing has to be started again"
        };
        let authority = "put the certificates of the new authority beside the old ones in this file, on every node, before \
                         etcd changes to it";
        let files: [(&str, Option<&PathBuf>, &str); 2] = [
            ("the certificate", self.etcd.certificate.as_ref(), own),
            ("the authority", self.etcd.ca.as_ref(), authority),
        ];
        let one = |(what, path, remedy): (&str, Option<&PathBuf>, &str)| {
            let path = data.join(path?);
            told(what, &path, end_of(&path)?, now, remedy)
        };
        files.into_iter().filter_map(one).collect()
    }

    /// This node's certificate as it is in its file.
    fn own_certificate(&self, data: &Path) -> Option<Certificate> {
        Certificate::read(&data.join(self.etcd.certificate.as_ref()?))
    }

    /// What this node says of its certificate to the others; nothing if it has none.
    #[must_use]
    pub fn certificate_document(&self, data: &Path) -> Option<(String, CertificateDoc)> {
        let own = self.own_certificate(data)?;
        let doc = CertificateDoc {
            node: self.node.clone(),
            signer: own.signer,
            serial: own.serial,
            until: own.until.unix_timestamp(),
        };
        Some((certificate_key(&self.node), doc))
    }
}

pub(crate) fn certificate_key(node: &str) -> String {
    format!("{FOLDER}{}", node.to_ascii_lowercase())
}

/// Says what this node's certificate is, if that is not stored yet.
///
/// # Errors
/// Why the database does not take it; nothing depends on it.
pub fn tell_certificate(store: &dyn Store, file: &NodeFile, data: &Path) -> Result<(), Trouble> {
    let Some((key, doc)) = file.certificate_document(data) else { return Ok(()) };
    let value = serde_json::json!(doc);
    loop {
        let guard = match store.get(&key)? {
            Some(entry) if entry.value == value => return Ok(()),
            Some(entry) => Guard::ModifiedAt(key.clone(), entry.modified),
            None => Guard::Absent(key.clone()),
        };
        let operations = vec![Operation::Put(key.clone(), value.clone())];
        match store.commit(Transaction { guards: vec![guard], operations })? {
            Outcome::Committed(_) => return Ok(()),
            // Somebody has written it by hand meanwhile.
            Outcome::Conflict(_) => {}
        }
    }
}

fn address_of(url: &str) -> Option<IpAddr> {
    let (_, rest) = url.split_once("://")?;
    let (host, _) = rest.rsplit_once(':')?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Makes another certificate of this node, for the key that it has. etcd reads it with the next connection, and so does the
/// node: nothing is started again. It is good for ten years, or for so many seconds.
///
/// # Errors
/// Why not; then everything is as it was.
pub fn renew(data: &Path, seconds: Option<u32>) -> Result<Renewed, Trouble> {
    let file = NodeFile::read_present(data)?;
    let long = authority::NODE.whole_seconds().unsigned_abs();
    let lasts = std::time::Duration::from_secs(seconds.map_or(long, u64::from));
    renew_for(data, &file, lasts)
}

fn renew_for(data: &Path, file: &NodeFile, lasts: std::time::Duration) -> Result<Renewed, Trouble> {
    let Some(path) = &file.etcd.certificate else {
        return Err(refused(format!(
            "node {:?} has no certificate: it speaks with etcd {}",
            file.node,
            if file.etcd.ca.is_some() { "without one" } else { "in clear" }
        )));
    };
    let path = data.join(path);
    let Some(member) = &file.member else {
        return Err(refused(format!(
            "etcd of cluster {:?} is not managed by stead, which has no key to sign with: have a certificate made by etcd's \
             authority, and put it into {}; the node takes it by itself, nothing has to be started again",
            file.cluster.name,
            path.display()
        )));
    };
    if !data.join(authority::CA_KEY).exists() {
        return Err(refused(format!(
            "the key of the cluster's authority, {}, is not here; copy it from another node (its file of the same name, mode \
             600) and try again",
            data.join(authority::CA_KEY).display()
        )));
    }
    let signer = Authority::read(data, &file.cluster.name)?;
    let Some(address) = address_of(&member.peer_url) else {
        return Err(refused(format!("peer_url {:?} of node.toml holds no address", member.peer_url)));
    };
    let key = data.join(file.etcd.key.as_deref().unwrap_or(Path::new(authority::KEY)));
    let key = String::from_utf8(secret::read("key for etcd", &key)?)
        .map_err(|_| Trouble::BadFile(format!("key for etcd {}: it is no text", key.display())))?;
    let before = end_of(&path).map(OffsetDateTime::unix_timestamp);
    let made = signer.again(&file.node, address, &key, lasts)?;
    let until = Certificate::all(made.as_bytes()).first().map(|made| made.until.unix_timestamp());
    let Some(until) = until else { return Err(failed("certificates: what was made cannot be read")) };
    if let Some(end) = end_of(&data.join(authority::CA)).filter(|end| *end < OffsetDateTime::now_utc()) {
        return Err(refused(format!(
            "the cluster's authority {} ended on {}: what it signs is refused",
            data.join(authority::CA).display(),
            moment(end)
        )));
    }
    secret::write(&path, made.as_bytes())?;
    Ok(Renewed { node: file.node.clone(), file: path, before, until })
}

/// Renews this node's certificate when it is time to; nothing happens otherwise.
pub(crate) fn renew_in_time(data: &Path, file: &NodeFile) -> Result<Option<Renewed>, Trouble> {
    let own = file.own_certificate(data).filter(|own| due(own, OffsetDateTime::now_utc()));
    if own.is_none() || file.member.is_none() {
        return Ok(None);
    }
    renew(data, None).map(Some)
}

/// Lists the certificates of the cluster; without the database those of this machine.
///
/// # Errors
/// When this machine is no node of a cluster.
pub fn certificates(data: &Path) -> Result<CertificateList, Trouble> {
    let file = NodeFile::read_present(data)?;
    let now = OffsetDateTime::now_utc();
    let mut warnings = file.expiring(data);
    let line = |found: Certificate, kind, file: Option<PathBuf>| CertificateLine {
        kind,
        until: Some(found.until.unix_timestamp()),
        ends: Some(moment(found.until)),
        days: Some((found.until - now).whole_days()),
        serial: Some(found.serial),
        signer: Some(found.signer),
        whose: found.whose,
        file,
    };
    let mut lines = Vec::new();
    if let Some(ca) = file.etcd.ca.as_ref().map(|ca| data.join(ca)) {
        let all = Certificate::all(&std::fs::read(&ca).unwrap_or_default());
        lines.extend(all.into_iter().map(|found| line(found, "authority", Some(ca.clone()))));
    }
    if let Some(path) = file.etcd.certificate.as_ref().map(|path| data.join(path)) {
        let mut own = match Certificate::read(&path) {
            Some(found) => line(found, "node", Some(path)),
            None => {
                warnings.push(format!("{} holds no certificate", path.display()));
                unknown(&file.node, Some(path))
            }
        };
        own.whose.clone_from(&file.node);
        lines.push(own);
    }
    match others(data, &file, now) {
        Ok(more) => lines.extend(more),
        Err(error) => warnings.push(format!("only this machine's certificates are known: {error}")),
    }
    warnings.extend(over(&lines));
    Ok(CertificateList {
        signs: file.member.is_some() && data.join(authority::CA_KEY).exists(),
        cluster: file.cluster.name,
        node: file.node,
        certificates: lines,
        warnings,
    })
}

/// A sentence for each certificate of another node that has ended or soon will.
fn over(lines: &[CertificateLine]) -> Vec<String> {
    let over = lines.iter().filter(|line| line.file.is_none()).filter_map(|line| {
        let left = line.days.filter(|days| *days < AHEAD.whole_days())?;
        let ends = line.ends.as_deref()?;
        Some(match left < 0 {
            true => format!("the certificate of {} ended on {ends}", line.whose),
            false => format!("the certificate of {} ends on {ends}, in {left} days", line.whose),
        })
    });
    over.map(|text| format!("{text}; `stead cluster renew` on that node")).collect()
}

/// A sentence for each certificate of the cluster that has ended or soon will, as far as they are known.
pub(crate) fn ending(data: &Path, file: &NodeFile) -> Vec<String> {
    let mut warnings = file.expiring(data);
    // Why the database cannot be read is said by whoever asks.
    let others = others(data, file, OffsetDateTime::now_utc()).unwrap_or_default();
    warnings.extend(over(&others));
    warnings
}

fn unknown(node: &str, file: Option<PathBuf>) -> CertificateLine {
    CertificateLine {
        whose: node.to_owned(),
        kind: "node",
        until: None,
        ends: None,
        days: None,
        serial: None,
        signer: None,
        file,
    }
}

/// What the other nodes have said of theirs.
fn others(data: &Path, file: &NodeFile, now: OffsetDateTime) -> Result<Vec<CertificateLine>, Trouble> {
    let (store, _) = documents::open(file.options(data, &writer(&file.node))?, Start::AsItIs)?;
    let (_, members) = store.list(MEMBER)?;
    let mut lines = Vec::new();
    for entry in members {
        let folder = entry.key.strip_prefix(MEMBER).unwrap_or_default().to_owned();
        let name = serde_json::from_value::<MemberDoc>(entry.value).map_or(folder, |found| found.node);
        if name.eq_ignore_ascii_case(&file.node) {
            continue;
        }
        let told = store.get(&certificate_key(&name))?;
        let told = told.and_then(|entry| serde_json::from_value::<CertificateDoc>(entry.value).ok());
        let end = told.as_ref().and_then(|told| OffsetDateTime::from_unix_timestamp(told.until).ok());
        lines.push(match (told, end) {
            (Some(told), Some(end)) => CertificateLine {
                until: Some(told.until),
                ends: Some(moment(end)),
                days: Some((end - now).whole_days()),
                serial: Some(told.serial),
                signer: Some(told.signer),
                ..unknown(&name, None)
            },
            (Some(_) | None, _) => unknown(&name, None),
        });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_told_a_month_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.crt");
        let authority = Authority::new("prod").unwrap();
        std::fs::write(
            &path,
            authority.guest("n1", std::time::Duration::from_secs(86_400)).unwrap().certificate,
        )
        .unwrap();
        let end = end_of(&path).unwrap();
        let at = |now| told("the certificate", &path, end, now, "renew it");
        assert_eq!(at(end - Duration::days(31)), None);
        assert!(at(end - Duration::days(29)).unwrap().contains("in 29 days"));
        let text = at(end + Duration::seconds(1)).unwrap();
        assert!(text.contains("node.crt ended on") && text.ends_with("renew it"), "{text}");
        assert_eq!(end_of(folder.path()), None);
    }

    /// A data folder with certificates that are good for so long.
    fn node(lasts: u64) -> (tempfile::TempDir, NodeFile) {
        let folder = tempfile::tempdir().unwrap();
        let text = "node = \"n1\"\n[cluster]\nname = \"prod\"\nid = \"ab\"\n[etcd]\nendpoints = [\"https://[::1]:2379\"]\n\
                    ca = \"tls/ca.pem\"\ncertificate = \"tls/node.crt\"\nkey = \"tls/node.key\"\n[member]\nname = \"n1\"\n\
                    client_url = \"https://[::1]:2379\"\npeer_url = \"https://[::1]:2380\"\ndata = \"etcd\"\n\
                    initial_cluster = \"n1=https://[::1]:2380\"\n";
        let file = NodeFile::parse(Path::new("node.toml"), text).unwrap();
        std::fs::write(folder.path().join("node.toml"), text).unwrap();
        let signer = Authority::new("prod").unwrap();
        let pair = signer.node("n1", "::1".parse().unwrap()).unwrap();
        authority::write(folder.path(), &signer.pair, &pair).unwrap();
        renew_for(folder.path(), &file, std::time::Duration::from_secs(lasts)).unwrap();
        (folder, file)
    }

    #[test]
    fn the_certificates_of_other_nodes_are_told_a_month_ahead() {
        let line = |days| {
            let ends = Some("2030-01-01".to_owned());
            CertificateLine { days: Some(days), ends, ..unknown("n2", None) }
        };
        let told = |days| over(&[line(days)]);
        assert_eq!(told(30), [""; 0]);
        assert_eq!(
            told(29),
            ["the certificate of n2 ends on 2030-01-01, in 29 days; `stead cluster renew` on that node"]
        );
        assert!(told(-1)[0].starts_with("the certificate of n2 ended on 2030-01-01"));
        assert_eq!(over(&[unknown("n2", None)]), [""; 0], "it has said nothing");
    }

    #[test]
    fn what_is_told_of_a_certificate_is_stored_once_and_put_right() {
        let (folder, file) = node(9_000_000);
        let (key, doc) = file.certificate_document(folder.path()).unwrap();
        let store = stead_store::MemoryStore::default();
        let stored = || store.get(&key).unwrap().unwrap();
        tell_certificate(&store, &file, folder.path()).unwrap();
        let first = stored();
        assert_eq!(first.value, serde_json::json!(doc));
        tell_certificate(&store, &file, folder.path()).unwrap();
        assert_eq!(stored().modified, first.modified, "there is nothing to write");
        let by_hand = vec![Operation::Put(key.clone(), serde_json::json!({}))];
        store.commit(Transaction { guards: Vec::new(), operations: by_hand }).unwrap();
        tell_certificate(&store, &file, folder.path()).unwrap();
        assert_eq!(stored().value, first.value);
    }

    #[test]
    fn a_certificate_is_renewed_in_time_and_the_key_stays() {
        let (folder, file) = node(9_000_000);
        assert_eq!(renew_in_time(folder.path(), &file), Ok(None), "more than a third is left");

        let (folder, file) = node(60);
        let key = || std::fs::read_to_string(folder.path().join(authority::KEY)).unwrap();
        let before = key();
        let first = file.own_certificate(folder.path()).unwrap();
        let renewed = renew_in_time(folder.path(), &file).unwrap().unwrap();
        assert_eq!(renewed.before, Some(first.until.unix_timestamp()));
        let second = file.own_certificate(folder.path()).unwrap();
        assert!(
            second.until.unix_timestamp() == renewed.until
                && second.until > first.until + Duration::days(3_000)
        );
        assert_ne!(first.serial, second.serial);
        assert_eq!((second.whose.as_str(), second.signer.as_str()), ("n1", "stead cluster prod"));
        assert_eq!(renew_in_time(folder.path(), &file), Ok(None), "once");
        assert_eq!(key(), before);
    }

    #[test]
    fn what_cannot_be_renewed_says_what_to_do_and_stays_as_it_is() {
        let (folder, mut file) = node(60);
        let path = folder.path().join(authority::CERTIFICATE);
        let before = std::fs::read(&path).unwrap();
        std::fs::remove_file(folder.path().join(authority::CA_KEY)).unwrap();
        let error = renew(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("tls/ca.key") && error.contains("copy it from another node"), "{error}");
        let told = file.expiring(folder.path());
        assert!(told[0].contains("stead cluster renew"), "{told:?}");
        file.member = None;
        let error =
            renew_for(folder.path(), &file, std::time::Duration::from_secs(9)).unwrap_err().to_string();
        assert!(
            error.contains("not managed") && error.contains("nothing has to be started again"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
