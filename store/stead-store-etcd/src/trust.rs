//! What TLS needs, from files. They are looked at again when something has failed: a certificate that was renewed is
//! shown from then on, without a restart of anything.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stead_store::StoreError;
use time::OffsetDateTime;
use tonic::transport::{Certificate as Authority, ClientTlsConfig, Identity};

use crate::certificate::Certificate;
use crate::failure::{Failure, Kind};
use crate::options::Tls;

/// What tells one content of a file from another: every renewal makes another file.
type Stamp = Vec<(u64, i64, i64, u64)>;

#[derive(Debug)]
struct Read {
    stamp: Stamp,
    config: ClientTlsConfig,
}

/// How members are checked, and this node to them.
#[derive(Debug)]
pub(crate) struct Trust {
    files: Option<Tls>,
    read: Mutex<Option<Read>>,
}

fn text_of(path: &Path, what: &str) -> Result<Vec<u8>, StoreError> {
    fs::read(path).map_err(|error| StoreError::Refused(format!("{what} {}: {error}", path.display())))
}

fn stamp_of(tls: &Tls) -> Stamp {
    let identity = tls.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
    let files = std::iter::once(&tls.authority).chain(identity);
    let one = |path| {
        fs::metadata(path).map_or((0, 0, 0, 0), |of| (of.ino(), of.mtime(), of.mtime_nsec(), of.len()))
    };
    files.map(one).collect()
}

fn config_of(tls: &Tls) -> Result<ClientTlsConfig, StoreError> {
    let authority = text_of(&tls.authority, "certificate authority of etcd")?;
    let mut config = ClientTlsConfig::new().ca_certificate(Authority::from_pem(authority));
    if let Some((certificate, key)) = &tls.identity {
        let certificate = text_of(certificate, "this node's certificate for etcd")?;
        config = config.identity(Identity::from_pem(certificate, text_of(key, "this node's key for etcd")?));
    }
    Ok(config)
}

impl Trust {
    /// Reads the files.
    pub(crate) fn new(files: Option<Tls>) -> Result<Self, StoreError> {
        let read = match &files {
            // The stamp first: what is replaced meanwhile is read again.
            Some(tls) => Some(Read { stamp: stamp_of(tls), config: config_of(tls)? }),
            None => None,
        };
        Ok(Trust { files, read: Mutex::new(read) })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Read>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if nothing is said in clear.
    pub(crate) fn secured(&self) -> bool {
        self.files.is_some()
    }

    /// What a new connection is made with.
    pub(crate) fn config(&self) -> Option<ClientTlsConfig> {
        self.lock().as_ref().map(|read| read.config.clone())
    }

    /// Reads the files again if they were replaced. `good` says whether connections can be made with what they hold:
    /// without, what was read before stays, and the next look is another chance.
    pub(crate) fn renewed<T>(
        &self,
        good: impl FnOnce(&ClientTlsConfig) -> Result<T, StoreError>,
    ) -> Option<T> {
        let tls = self.files.as_ref()?;
        let stamp = stamp_of(tls);
        if self.lock().as_ref().is_some_and(|read| read.stamp == stamp) {
            return None;
        }
        let config = config_of(tls).ok()?;
        let made = good(&config).ok()?;
        *self.lock() = Some(Read { stamp, config });
        Some(made)
    }

    /// A failure that this node's own certificate explains says so: members do not tell why they refuse one.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let may_be = match failure.kind {
            Kind::NotSent | Kind::Lost | Kind::Untrusted | Kind::Distrusted => true,
            Kind::NoSpace
            | Kind::Refused
            | Kind::LoginExpired
            | Kind::TooLarge
            | Kind::Compacted
            | Kind::Senseless
            | Kind::Foreign
            | Kind::Behind => false,
        };
        let identity = self.files.as_ref().and_then(|tls| tls.identity.as_ref()).filter(|_| may_be);
        let Some((path, _)) = identity else { return failure };
        let odd = Certificate::read(path).and_then(|own| own.odd(OffsetDateTime::now_utc()));
        match odd {
            Some(odd) => {
                let text = format!(
                    "{odd} ({}); `stead cluster renew` on this node makes a new one, or says who does: {}",
                    path.display(),
                    failure.text
                );
                Failure { text, ..failure }
            }
            None => failure,
        }
    }
}
