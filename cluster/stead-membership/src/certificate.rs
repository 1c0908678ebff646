//! Until when the certificates are good that this node reaches the cluster database with.

use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime};
use x509_parser::pem::Pem;

use crate::file::NodeFile;

/// So long before the end people are told.
const AHEAD: Duration = Duration::days(30);

/// The first of a file's certificates to end.
fn end_of(path: &Path) -> Option<OffsetDateTime> {
    let bytes = std::fs::read(path).ok()?;
    let ends = Pem::iter_from_buffer(&bytes).filter_map(|block| {
        let block = block.ok()?;
        let certificate = block.parse_x509().ok()?;
        Some(certificate.validity().not_after.to_datetime())
    });
    ends.min()
}

fn told(what: &str, path: &Path, end: OffsetDateTime, now: OffsetDateTime, remedy: &str) -> Option<String> {
    let left = end - now;
    let (day, shown) = (end.date(), path.display());
    if left <= Duration::ZERO {
        return Some(format!("{what} {shown} expired on {day}: etcd refuses it; {remedy}"));
    }
    (left < AHEAD).then(|| {
        format!(
            "{what} {shown} expires on {day}, in {} days; then this node loses the cluster database and stops what runs \
             on it; {remedy}",
            left.whole_days()
        )
    })
}

impl NodeFile {
    /// A sentence for each certificate that has expired or soon will.
    #[must_use]
    pub fn expiring(&self, data: &Path) -> Vec<String> {
        let now = OffsetDateTime::now_utc();
        let managed = self.member.is_some();
        let own = if managed {
            "leave the cluster with this node and join it again, which gives it a new one"
        } else {
            "put a new one in its place, signed by the authority of etcd, and start the node again: groups run on"
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;

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
        assert!(text.contains("node.crt expired on") && text.ends_with("renew it"), "{text}");
        assert_eq!(end_of(folder.path()), None);
    }
}
