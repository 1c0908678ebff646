//! The certificate authority of a cluster whose etcd is managed, and what it signs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustix::rand::{GetRandomFlags, getrandom};
use time::{Duration, OffsetDateTime};

use crate::error::{Trouble, failed};
use crate::secret;

/// Where things are, below the data folder.
pub(crate) const FOLDER: &str = "tls";
pub(crate) const CA: &str = "tls/ca.pem";
pub(crate) const CA_KEY: &str = "tls/ca.key";
pub(crate) const CERTIFICATE: &str = "tls/node.crt";
pub(crate) const KEY: &str = "tls/node.key";

/// Clocks of nodes may differ so much.
const SKEW: Duration = Duration::hours(1);

/// Certificates of nodes are good for so long; they are renewed well before by themselves.
pub(crate) const NODE: Duration = Duration::days(3_650);

/// The authority outlives all that it signs in the life of a cluster: etcd reads it when it starts, and only then.
const AUTHORITY: Duration = Duration::days(10_957);

/// A certificate and its key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key, which is never printed.
    pub key: String,
}

/// Who signs the certificates of a cluster.
pub struct Authority {
    /// Its certificate and its key.
    pub pair: Pair,
    issuer: Issuer<'static, KeyPair>,
}

fn wrong(error: &rcgen::Error) -> Trouble {
    failed(format!("certificates: {error}"))
}

/// A number that no other certificate has: by itself the library makes it of the key, which a renewed one keeps.
fn serial() -> Result<SerialNumber, Trouble> {
    let mut bytes = [0; 16];
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(count) if count == bytes.len() => {
            // It must be above 0.
            bytes[0] = bytes[0] & 0x7f | 0x40;
            Ok(bytes.to_vec().into())
        }
        Ok(_) | Err(_) => Err(failed("random numbers of the system: none")),
    }
}

fn params(common: &str, lasts: Duration) -> Result<CertificateParams, Trouble> {
    let mut params = CertificateParams::new(Vec::new()).map_err(|error| wrong(&error))?;
    params.distinguished_name.push(DnType::OrganizationName, "stead");
    params.distinguished_name.push(DnType::CommonName, common);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - SKEW;
    params.not_after = now + lasts;
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// What the authority of a cluster says of itself; its name is how what it signed refers to it.
fn own_params(cluster: &str) -> Result<CertificateParams, Trouble> {
    let mut params = params(&format!("stead cluster {cluster}"), AUTHORITY)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// What the certificate of a node says.
fn node_params(node: &str, address: IpAddr, lasts: Duration) -> Result<CertificateParams, Trouble> {
    let mut params = params(node, lasts)?;
    let name = node.to_owned().try_into().map_err(|error| wrong(&error))?;
    // A member checks that another calls from an address of its certificate. Between two of one machine, as in tests
    // and trials, that is the loopback's.
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    params.subject_alt_names = vec![SanType::DnsName(name), SanType::IpAddress(address)];
    params.subject_alt_names.extend(loopback.map(SanType::IpAddress));
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(params)
}

impl Authority {
    /// A new one for a cluster.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(cluster: &str) -> Result<Self, Trouble> {
        let key = KeyPair::generate().map_err(|error| wrong(&error))?;
        let params = own_params(cluster)?;
        let certificate = params.self_signed(&key).map_err(|error| wrong(&error))?.pem();
        let pair = Pair { certificate, key: key.serialize_pem() };
        Ok(Authority { pair, issuer: Issuer::new(params, key) })
    }

    /// The one of a cluster that is kept in a data folder.
    ///
    /// # Errors
    /// When it is not there, or others may read its key.
    pub fn read(data: &Path, cluster: &str) -> Result<Self, Trouble> {
        let path = data.join(CA);
        let certificate = std::fs::read_to_string(&path)
            .map_err(|error| Trouble::BadFile(format!("{}: {error}", path.display())))?;
        let path = data.join(CA_KEY);
        let key = secret::read("key of the cluster's authority", &path)?;
        let bad = |error: &dyn std::fmt::Display| {
            Trouble::BadFile(format!("{}: {error}; copy it from another node", path.display()))
        };
        let key = String::from_utf8(key).map_err(|error| bad(&error))?;
        let pair = KeyPair::from_pem(&key).map_err(|error| bad(&error))?;
        Ok(Authority { pair: Pair { certificate, key }, issuer: Issuer::new(own_params(cluster)?, pair) })
    }

    /// A certificate of a node at an address, for its etcd member and for itself.
    ///
    /// # Errors
    /// When the name cannot be in a certificate.
    pub fn node(&self, node: &str, address: IpAddr) -> Result<Pair, Trouble> {
        self.sign(&node_params(node, address, NODE)?)
    }

    /// Another certificate of a node, for the key that it has: so that one file changes and not two, and whoever reads them
    /// in between finds what belongs together.
    ///
    /// # Errors
    /// When the key cannot be read or the name cannot be in a certificate.
    pub fn again(
        &self,
        node: &str,
        address: IpAddr,
        key: &str,
        lasts: std::time::Duration,
    ) -> Result<String, Trouble> {
        let lasts = Duration::try_from(lasts).map_err(|error| failed(error.to_string()))?;
        let key = KeyPair::from_pem(key).map_err(|error| wrong(&error))?;
        let params = node_params(node, address, lasts)?;
        Ok(params.signed_by(&key, &self.issuer).map_err(|error| wrong(&error))?.pem())
    }

    /// A certificate of a client that goes soon. It names no host, so no member takes it for one.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn guest(&self, name: &str, lasts: std::time::Duration) -> Result<Pair, Trouble> {
        let lasts = Duration::try_from(lasts).map_err(|error| failed(error.to_string()))?;
        let mut params = params(name, lasts)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Pair, Trouble> {
        let key = KeyPair::generate().map_err(|error| wrong(&error))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| wrong(&error))?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// Puts what a node needs into its data folder.
pub(crate) fn write(data: &Path, authority: &Pair, node: &Pair) -> Result<(), Trouble> {
    secret::folder(&data.join(FOLDER))?;
    for (path, content) in [
        (CA, &authority.certificate),
        (CA_KEY, &authority.key),
        (CERTIFICATE, &node.certificate),
        (KEY, &node.key),
    ] {
        secret::write(&data.join(path), content.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_the_same_after_it_was_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("prod").unwrap();
        let node = authority.node("n1", "10.0.0.1".parse().unwrap()).unwrap();
        write(folder.path(), &authority.pair, &node).unwrap();
        let again = Authority::read(folder.path(), "prod").unwrap();
        assert!(again.pair == authority.pair);
        let guest = again.guest("join n2", std::time::Duration::from_secs(900)).unwrap();
        assert!(guest.certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert_ne!(guest.key, again.node("n2", "::1".parse().unwrap()).unwrap().key);
        std::fs::remove_file(folder.path().join(CA_KEY)).unwrap();
        assert!(Authority::read(folder.path(), "prod").is_err());
    }
}
