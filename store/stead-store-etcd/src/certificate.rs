//! What a certificate in a file says: whose it is, and until when it is good.

use std::path::Path;

use time::OffsetDateTime;
use x509_parser::pem::Pem;

/// What people and programs want to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The name in it, as it was given to who signed it.
    pub whose: String,
    /// The name of who signed it.
    pub signer: String,
    /// Its number, in hexadecimal: who signed it gave it to no other.
    pub serial: String,
    /// From when it is good.
    pub from: OffsetDateTime,
    /// Until when it is good.
    pub until: OffsetDateTime,
}

fn common(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().find_map(|part| part.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

impl Certificate {
    /// The certificates of a text in PEM, in order; what is none is left out.
    #[must_use]
    pub fn all(pem: &[u8]) -> Vec<Certificate> {
        let blocks = Pem::iter_from_buffer(pem).filter_map(|block| {
            let block = block.ok()?;
            let found = block.parse_x509().ok()?;
            Some(Certificate {
                whose: common(found.subject()),
                signer: common(found.issuer()),
                serial: found.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect(),
                from: found.validity().not_before.to_datetime(),
                until: found.validity().not_after.to_datetime(),
            })
        });
        blocks.collect()
    }

    /// The first certificate of a file, which is the one that it is about; nothing if there is none.
    #[must_use]
    pub fn read(path: &Path) -> Option<Certificate> {
        Certificate::all(&std::fs::read(path).ok()?).into_iter().next()
    }

    /// A sentence about it if it is not good at this moment.
    #[must_use]
    pub fn odd(&self, now: OffsetDateTime) -> Option<String> {
        let Certificate { whose, .. } = self;
        if now > self.until {
            return Some(format!("the certificate of {whose} ended on {}", moment(self.until)));
        }
        (now < self.from)
            .then(|| format!("the certificate of {whose} is good only from {} on", moment(self.from)))
    }
}

/// A moment as people read it, to the second, in universal time.
#[must_use]
pub fn moment(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02}:{:02} UTC", at.date(), at.hour(), at.minute(), at.second())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};
    use time::Duration;

    use super::*;

    #[test]
    fn whose_it_is_and_until_when_is_read_from_it() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "n1");
        let begin = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        (params.not_before, params.not_after) = (begin, begin + Duration::seconds(5));
        params.serial_number = Some(vec![1, 0xab].into());
        let pem = params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        let text =
            format!("no certificate\n{pem}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let all = Certificate::all(text.as_bytes());
        let [found] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(
            (found.whose.as_str(), found.signer.as_str(), found.serial.as_str()),
            ("n1", "n1", "01ab")
        );
        assert_eq!(found.odd(begin), None);
        assert_eq!(found.odd(found.until), None);
        let over = found.odd(begin + Duration::seconds(6)).unwrap();
        assert_eq!(over, "the certificate of n1 ended on 2027-01-15 08:00:05 UTC");
        assert!(
            found.odd(begin - Duration::SECOND).unwrap().contains("good only from 2027-01-15 08:00:00 UTC")
        );
        assert!(Certificate::all(b"").is_empty() && Certificate::read(Path::new("/absent")).is_none());
    }
}
