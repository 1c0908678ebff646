//! Which cluster this machine is a node of.
//!
//! `node.toml` in the data folder says it ([`NodeFile`]); without one the machine is a cluster by itself. The file is
//! written by [`create`] and [`join`], and whoever reads it reads all of it or nothing: unknown keys are errors.
//!
//! etcd may be somebody else's, or *managed*: then each node runs a member, the guardian keeps it running
//! ([`member_main`]), and the cluster has a certificate authority of its own ([`Authority`]). A node is invited by one
//! that is there ([`invite`]): what it needs travels in a document that is sealed with a key, is used once, and can be
//! fetched for a quarter of an hour ([`Invitation`]).
#![warn(clippy::print_stdout, clippy::print_stderr, reason = "on a full disk they panic")]

mod adopt;
mod authority;
mod certificate;
mod create;
mod documents;
mod error;
mod etcd;
mod file;
mod invitation;
mod invite;
mod join;
mod leave;
mod member;
mod name;
mod secret;
mod status;
mod timers;

pub use adopt::{Adoption, adopt};
pub use authority::{Authority, Pair};
pub use certificate::{
    CertificateDoc, CertificateLine, CertificateList, Renewed, certificates, renew, tell_certificate,
};
pub use create::{CreateOrder, Created, create};
pub use documents::{Identity, MEMBER, META, MemberDoc, belongs};
pub use error::Trouble;
pub use file::{ClusterName, Etcd, Member, NodeFile, PATH, SEEN};
pub use invitation::Invitation;
pub use invite::{InviteOrder, Invited, invite};
pub use join::{JoinOrder, Joined, join, join_by_invitation};
pub use leave::{Left, leave, remove_member};
pub use member::member_main;
pub use name::check_name;
pub use status::{ClusterStatus, MemberLine, status};
pub use timers::{Profile, Timers};
