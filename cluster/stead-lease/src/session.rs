use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::params::Params;

/// A number drawn at random, written with 32 hexadecimal digits.
macro_rules! random {
    ($($(#[$meta:meta])* $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:x}", self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                u128::from_str_radix(&text, 16).map($name).map_err(|_| {
                    serde::de::Error::custom(format!("{text:?} is no number of 32 hexadecimal digits"))
                })
            }
        }
    )+};
}

random! {
    /// A session: one node, from when it began until it left, was deposed, or was found dead. Never used again.
    Sid;
    /// A request to renew, so that an acknowledgement that comes late is counted from when *that* request was sent.
    Nonce;
}

/// Which machine, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `/proc/sys/kernel/random/boot_id`: another one after each boot.
    pub boot_id: String,
    /// `/etc/machine-id`. A copied disk has the same.
    pub machine_id: String,
    /// `/sys/class/dmi/id/product_uuid`, empty where there is none. A restored virtual machine may have the same.
    pub dmi_uuid: String,
}

impl Identity {
    /// Whether `later` is the same machine after a reboot, as far as it can be told from what it says.
    #[must_use]
    pub fn rebooted_as(&self, later: &Identity) -> bool {
        self.boot_id != later.boot_id
            && self.machine_id == later.machine_id
            && self.dmi_uuid == later.dmi_uuid
            && !self.machine_id.is_empty()
            && !self.dmi_uuid.is_empty()
    }
}

/// What a session document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Its node renews it, or stopped doing so and nobody has noticed for long enough.
    Alive,
    /// Its node lost it: everything started under it is gone, for certain.
    Dead,
    /// Its node gave it up when everything started under it was verified gone.
    Left,
}

/// The document `session/<node>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which session.
    pub sid: Sid,
    /// Counts the renewals, from 1.
    pub ctr: u64,
    /// Which request wrote this.
    pub nonce: Nonce,
    /// Which machine.
    #[serde(flatten)]
    pub identity: Identity,
    /// The version of the program.
    pub version: String,
    /// The timings its node keeps.
    pub params: Params,
    /// What can be said of it.
    pub state: Standing,
    /// The incarnation of the store it was begun in.
    pub incarnation: String,
    /// The session of the same node it took the place of, which was over by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Sid>,
    /// It is dead, and a fence agent or a person has confirmed that its machine is off or was started anew: also what no
    /// kill on that machine reaches is ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
}
