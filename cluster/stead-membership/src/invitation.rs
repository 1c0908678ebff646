//! What a new node is given: a text that reaches the cluster for a quarter of an hour, and a sealed document there.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use crate::error::{Trouble, failed, refused};
use crate::file::ClusterName;

/// How long an invitation can be used.
pub(crate) const LASTS: Duration = Duration::from_secs(15 * 60);

/// What the text begins with: what it is, and which version.
const MARK: &str = "stead-invitation-1.";

/// The longest text that is read.
const LONGEST: usize = 64 << 10;

/// What the inviting node hands over, outside of etcd. Whoever has it can be the new node: it is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// The cluster.
    pub cluster: ClusterName,
    /// The name of the new node.
    pub node: String,
    /// Where etcd is.
    pub endpoints: Vec<String>,
    /// The certificate of the authority, and a client's certificate and key that expire soon; none without TLS.
    pub(crate) tls: Option<Guest>,
    /// What the document in etcd is sealed with.
    pub(crate) secret: String,
}

/// A client's way in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Guest {
    pub(crate) ca: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// What waits in etcd, sealed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Luggage {
    pub(crate) client_url: String,
    pub(crate) peer_url: String,
    /// The certificate and the key of the authority, and of the node; none without TLS.
    pub(crate) certificates: Option<Certificates>,
}

/// In PEM.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificates {
    pub(crate) ca: String,
    pub(crate) ca_key: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Invitation {
    /// As one word.
    ///
    /// # Errors
    /// Never in practice: it is plain text.
    pub fn text(&self) -> Result<String, Trouble> {
        let json = serde_json::to_vec(self).map_err(|error| failed(format!("invitation: {error}")))?;
        Ok(format!("{MARK}{}", BASE64.encode(json)))
    }

    /// Reads it; white space, as mail programs add it, does not matter.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(text: &str) -> Result<Self, Trouble> {
        let wrong = |why: &str| {
            refused(format!(
                "this is no invitation: {why}; `stead cluster invite` on a node of the cluster makes one"
            ))
        };
        if text.len() > LONGEST {
            return Err(wrong("it is too long"));
        }
        let word: String = text.split_whitespace().collect();
        let Some(body) = word.strip_prefix(MARK) else {
            return Err(wrong(&format!("it does not begin with {MARK}")));
        };
        let bytes = BASE64.decode(body).map_err(|_| wrong("it is damaged; copy it whole"))?;
        serde_json::from_slice(&bytes).map_err(|_| wrong("it is damaged, or of another version of stead"))
    }
}

/// A new key, and what is sealed with it. Each key is used once, so the nonce may always be the same.
pub(crate) fn seal(luggage: &Luggage) -> Result<(String, String), Trouble> {
    let mut secret = [0; 32];
    match getrandom(&mut secret, GetRandomFlags::empty()) {
        Ok(count) if count == secret.len() => {}
        Ok(_) | Err(_) => return Err(failed("random numbers of the system: none")),
    }
    let mut bytes = serde_json::to_vec(luggage).map_err(|error| failed(format!("invitation: {error}")))?;
    key(&secret)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key([0; NONCE_LEN]), Aad::empty(), &mut bytes)
        .map_err(|_| failed("invitation: it cannot be sealed"))?;
    Ok((BASE64.encode(secret), BASE64.encode(bytes)))
}

/// Opens what was sealed; nothing if it was sealed with another key.
pub(crate) fn unseal(secret: &str, sealed: &str) -> Option<Luggage> {
    let secret = BASE64.decode(secret).ok()?;
    let mut bytes = BASE64.decode(sealed).ok()?;
    let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
    let plain = key(&secret).ok()?.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?;
    serde_json::from_slice(plain).ok()
}

fn key(secret: &[u8]) -> Result<LessSafeKey, Trouble> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, secret).map_err(|_| failed("invitation: bad key"))?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation {
            cluster: ClusterName { name: "prod".to_owned(), id: "0a".to_owned() },
            node: "n2".to_owned(),
            endpoints: vec!["http://127.0.0.1:1".to_owned()],
            tls: None,
            secret: "s".to_owned(),
        }
    }

    #[test]
    fn an_invitation_survives_a_mail_program_and_nothing_else_does() {
        let text = invitation().text().unwrap();
        let broken = format!(" {}\r\n {}\n", &text[..40], &text[40..]);
        assert!(Invitation::read(&broken).unwrap() == invitation());
        for bad in [
            "",
            "stead-invitation-1.",
            "stead-invitation-1.AAAA",
            &text[..text.len() - 9],
            &"x".repeat(99_999),
        ] {
            let told = Invitation::read(bad).err().unwrap().to_string();
            assert!(told.contains("no invitation"), "{told}");
        }
    }

    #[test]
    fn only_the_key_of_the_invitation_opens_it() {
        let luggage = Luggage { client_url: "c".to_owned(), peer_url: "p".to_owned(), certificates: None };
        let (secret, sealed) = seal(&luggage).unwrap();
        assert_eq!(unseal(&secret, &sealed).unwrap().peer_url, "p");
        let (other, _) = seal(&luggage).unwrap();
        assert!(unseal(&other, &sealed).is_none());
        let mut changed = BASE64.decode(&sealed).unwrap();
        changed[3] ^= 1;
        assert!(unseal(&secret, &BASE64.encode(changed)).is_none());
        assert!(unseal("", &sealed).is_none() && unseal(&secret, "").is_none());
    }
}
