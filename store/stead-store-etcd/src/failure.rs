//! Why a member did not do what it was asked, what that says about the request, and what to do about it.

use std::error::Error;

use stead_store::StoreError;
use tonic::{Code, ConnectError, Status};

/// What a failure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There was no connection: the request was not sent.
    NotSent,
    /// It was sent, or perhaps was, and no word came back about what became of it.
    Lost,
    /// The member says that the database is full. The request may have been carried out all the same, but it is not
    /// under way any more.
    NoSpace,
    /// TLS failed while connecting: the request was not sent.
    Untrusted,
    /// TLS failed on an open connection, as when a member tells only then that it does not take our certificate. That
    /// nothing was read by then is likely, but not known.
    Distrusted,
    /// User, password or permission: refused before anything was done.
    Refused,
    /// The login has expired; nothing was done.
    LoginExpired,
    /// The request is more than etcd takes at once; nothing was done.
    TooLarge,
    /// The request asks for a revision that is compacted.
    Compacted,
    /// The request makes no sense to etcd; nothing was done.
    Senseless,
    /// The member belongs to another etcd cluster.
    Foreign,
    /// The member answered from a past that we have left.
    Behind,
}

/// A failure of one member.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) member: String,
    pub(crate) text: String,
}

/// All that went wrong on the way, in one line, the innermost last.
fn chain(error: &dyn Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.ends_with(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

fn connecting(status: &Status) -> bool {
    let mut next: Option<&dyn Error> = status.source();
    while let Some(error) = next {
        if error.is::<ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// What TLS says, and what to do about it.
fn distrust(text: &str) -> Option<String> {
    let advice = [
        ("UnknownIssuer", "its certificate is not signed by the given authority; check the authority file"),
        ("BadSignature", "its certificate is not signed by the given authority; check the authority file"),
        (
            "NotValidForName",
            "its certificate is for another name; use a name or address that the certificate has",
        ),
        (
            "not valid for name",
            "its certificate is for another name; use a name or address that the certificate has",
        ),
        ("certificate expired", "its certificate has expired; renew it, or set this machine's clock right"),
        (
            "invalid peer certificate: Expired",
            "its certificate has expired; renew it, or set this machine's clock right",
        ),
        ("not valid yet", "its certificate is not valid yet; set the clocks right"),
        ("NotValidYet", "its certificate is not valid yet; set the clocks right"),
        (
            "CertificateRequired",
            "it asks for a client certificate; give this node one that etcd's authority signed",
        ),
        ("CertificateExpired", "it says that this node's certificate has expired; renew it"),
        (
            "BadCertificate",
            "it refuses this node's certificate: not signed by etcd's authority, expired, or missing",
        ),
        ("UnknownCA", "it refuses this node's certificate, which its authority has not signed"),
        ("AccessDenied", "it refuses this node's certificate"),
        ("InvalidContentType", "it does not speak TLS there; use http:// or another port"),
        ("corrupt message", "it does not speak TLS there; use http:// or another port"),
    ];
    let (_, advice) = advice.iter().find(|(sign, _)| text.contains(sign))?;
    Some(format!("{advice} ({text})"))
}

impl Failure {
    pub(crate) fn new(kind: Kind, member: &str, text: impl Into<String>) -> Self {
        Failure { kind, member: member.to_owned(), text: text.into() }
    }

    /// Nobody answered in time.
    pub(crate) fn silent(member: &str, seconds: f64) -> Self {
        Failure::new(Kind::Lost, member, format!("no answer in {seconds} s"))
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow")]
    pub(crate) fn of(member: &str, status: &Status) -> Self {
        let message = status.message();
        let full = match status.source() {
            Some(source) => format!("{message}: {}", chain(source)),
            None => message.to_owned(),
        };
        let connecting = connecting(status);
        if let Some(text) = distrust(&full) {
            let kind = if connecting { Kind::Untrusted } else { Kind::Distrusted };
            return Failure::new(kind, member, text);
        }
        if connecting {
            return Failure::new(Kind::NotSent, member, full);
        }
        let kind = match status.code() {
            Code::Unauthenticated => Kind::LoginExpired,
            Code::PermissionDenied => Kind::Refused,
            Code::InvalidArgument if message.contains("authentication failed") => Kind::Refused,
            Code::InvalidArgument if message.contains("user name is empty") => Kind::Refused,
            Code::InvalidArgument
                if (message.contains("revision of auth store is old")
                    || message.contains("revision in header is old")) =>
            {
                Kind::LoginExpired
            }
            Code::InvalidArgument if message.contains("too large") || message.contains("too many op") => {
                Kind::TooLarge
            }
            Code::FailedPrecondition if message.contains("authentication is not enabled") => Kind::Refused,
            Code::OutOfRange if message.contains("compacted") => Kind::Compacted,
            // What etcd itself names before anything is proposed; the rest may come from anywhere on the way.
            Code::InvalidArgument | Code::FailedPrecondition | Code::Unimplemented
                if message.starts_with("etcdserver: ") =>
            {
                Kind::Senseless
            }
            Code::ResourceExhausted if message.contains("database space exceeded") => Kind::NoSpace,
            Code::ResourceExhausted if message.contains("larger than max") => Kind::TooLarge,
            _ => Kind::Lost,
        };
        Failure::new(kind, member, full)
    }

    /// TLS was agreed on, and the member hung up before anything was answered. A member that does not take a certificate
    /// says so only then, and on a busy machine what it says is lost with the connection.
    pub(crate) fn hung_up(&self) -> bool {
        let vague = matches!(self.kind, Kind::Lost | Kind::NotSent);
        let closed = ["connection closed", "broken pipe"].iter().any(|sign| self.text.contains(sign));
        vague && closed && self.member.starts_with("https://")
    }

    /// Whether a transaction that met this may have happened.
    pub(crate) fn leaves_unknown(&self) -> bool {
        match self.kind {
            Kind::Lost | Kind::NoSpace | Kind::Distrusted => true,
            Kind::NotSent
            | Kind::Untrusted
            | Kind::Refused
            | Kind::LoginExpired
            | Kind::TooLarge
            | Kind::Compacted
            | Kind::Senseless
            | Kind::Foreign
            | Kind::Behind => false,
        }
    }

    /// The error of a call that this failure ends.
    pub(crate) fn into_error(self) -> StoreError {
        let Failure { kind, member, text } = self;
        match kind {
            Kind::NotSent | Kind::Lost => StoreError::Unavailable(format!("etcd {member}: {text}")),
            Kind::NoSpace => StoreError::NoSpace(format!(
                "etcd {member}: {text}; compact and defragment it, or raise quota-backend-bytes, then disarm the alarm \
                 (etcdctl alarm disarm)"
            )),
            Kind::Untrusted | Kind::Distrusted => StoreError::Refused(format!("etcd {member}: {text}")),
            Kind::Refused | Kind::LoginExpired => StoreError::Refused(format!(
                "etcd {member}: {text}; check user, password, and that its role may read and write /stead/"
            )),
            Kind::TooLarge => StoreError::TooLarge(format!(
                "etcd {member}: {text}; make it smaller, or raise max-request-bytes and max-txn-ops of etcd"
            )),
            Kind::Compacted | Kind::Senseless => StoreError::Io(format!("etcd {member}: {text}")),
            Kind::Foreign | Kind::Behind => StoreError::Replaced(format!("etcd {member}: {text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What etcd says, and whether the request may have happened.
    const SAYINGS: &[(Code, &str, Kind, bool)] = &[
        (Code::Unavailable, "etcdserver: leader changed", Kind::Lost, true),
        (Code::Unavailable, "etcdserver: no leader", Kind::Lost, true),
        (Code::Unavailable, "etcdserver: request timed out", Kind::Lost, true),
        (
            Code::Unavailable,
            "etcdserver: request timed out, possibly due to connection lost",
            Kind::Lost,
            true,
        ),
        (Code::ResourceExhausted, "etcdserver: too many requests", Kind::Lost, true),
        (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", Kind::NoSpace, true),
        (Code::DeadlineExceeded, "context deadline exceeded", Kind::Lost, true),
        (Code::Cancelled, "operation was canceled", Kind::Lost, true),
        (Code::Unknown, "anything", Kind::Lost, true),
        (Code::Internal, "anything", Kind::Lost, true),
        (Code::InvalidArgument, "not of etcd", Kind::Lost, true),
        (Code::InvalidArgument, "etcdserver: duplicate key given in txn request", Kind::Senseless, false),
        (Code::InvalidArgument, "etcdserver: request is too large", Kind::TooLarge, false),
        (Code::InvalidArgument, "etcdserver: too many operations in txn request", Kind::TooLarge, false),
        (
            Code::InvalidArgument,
            "etcdserver: authentication failed, invalid user ID or password",
            Kind::Refused,
            false,
        ),
        (Code::InvalidArgument, "etcdserver: user name is empty", Kind::Refused, false),
        (Code::InvalidArgument, "etcdserver: revision of auth store is old", Kind::LoginExpired, false),
        (Code::Unauthenticated, "etcdserver: invalid auth token", Kind::LoginExpired, false),
        (Code::PermissionDenied, "etcdserver: permission denied", Kind::Refused, false),
        (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", Kind::Compacted, false),
    ];

    #[test]
    fn who_hangs_up_after_tls_may_not_take_the_certificate() {
        let of = |kind, member: &str, text: &str| Failure::new(kind, member, text).hung_up();
        let closed = "operation was canceled: transport error: operation was canceled: connection closed";
        assert!(of(Kind::Lost, "https://m:1", closed));
        assert!(of(Kind::Lost, "https://m:1", "connection error: stream closed because of a broken pipe"));
        assert!(!of(Kind::Lost, "http://m:1", closed), "nobody asks for a certificate there");
        assert!(!of(Kind::NotSent, "https://m:1", "tcp connect error: Connection refused (os error 111)"));
        assert!(!of(Kind::Foreign, "https://m:1", closed));
    }

    #[test]
    fn only_what_etcd_refuses_beforehand_is_known_not_to_have_happened() {
        for (code, message, kind, unknown) in SAYINGS {
            let failure = Failure::of("http://m:1", &Status::new(*code, *message));
            assert_eq!((failure.kind, failure.leaves_unknown()), (*kind, *unknown), "{message}");
            assert!(failure.into_error().to_string().contains("http://m:1"));
        }
    }
}
