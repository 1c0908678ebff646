//! The members of the etcd cluster: one is preferred until it fails, then the next one is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message;
use stead_store::StoreError;
use tokio::time::{Instant, sleep, timeout};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic_prost::ProstCodec;

use crate::failure::{Failure, Kind};
use crate::floor::Floor;
use crate::hedge::{Reply, worst};
use crate::options::Options;
use crate::trust::Trust;
use crate::version;
use crate::wire::{
    AskMembers, AskStatus, Done, Found, Header, LoggedIn, Login, MemberList, MemberStatus, Number,
};

/// A round in which nobody answered is followed by a pause, which grows up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(320));

/// The list of members is asked for again after this: while only one is known, and then.
const LEARN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// A connection that is silent for so long is tested, and given up when that is not answered. etcd takes offence at
/// less than five seconds.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3));

/// An answer that says which database it is of.
pub(crate) trait Headed {
    fn header(&self) -> Option<Header>;
}

impl Headed for Found {
    fn header(&self) -> Option<Header> {
        self.header
    }
}

impl Headed for Done {
    fn header(&self) -> Option<Header> {
        self.header
    }
}

/// One member, by one of its addresses.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) url: String,
    channel: Channel,
    /// It was given, not learned from the others.
    configured: bool,
}

#[derive(Debug, Default)]
struct State {
    members: Vec<Arc<Member>>,
    preferred: usize,
    login: Option<MetadataValue<Ascii>>,
}

/// All members that are known.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) options: Options,
    trust: Trust,
    state: Mutex<State>,
    /// The id of the etcd cluster; 0 while it is not known.
    cluster: AtomicU64,
    pub(crate) floor: Arc<Floor>,
    /// The list of members should be asked for.
    stale: AtomicBool,
    /// When it was asked for last.
    learned: Mutex<Option<Instant>>,
}

/// Why a call to all members failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The revision it asked for is compacted.
    Compacted,
    /// Anything else.
    Error(StoreError),
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Compacted => {
                StoreError::Io("etcd: a revision that was just read is compacted".to_owned())
            }
            Trouble::Error(error) => error,
        }
    }
}

/// The last failure of each member that was asked during a call.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    last: BTreeMap<String, Failure>,
    asked: usize,
    logins: usize,
}

impl Attempts {
    /// The error of the whole call.
    pub(crate) fn error(&self, patience: Duration) -> StoreError {
        let all = |kinds: &[Kind]| self.last.values().all(|failure| kinds.contains(&failure.kind));
        let texts: Vec<String> =
            self.last.values().map(|failure| format!("{}: {}", failure.member, failure.text)).collect();
        let texts = texts.join("; ");
        if all(&[Kind::Foreign, Kind::Behind]) {
            let advice = "if it was restored or moved on purpose, adopt it";
            return StoreError::Replaced(format!("etcd {texts}; {advice}"));
        }
        if all(&[Kind::Untrusted, Kind::Distrusted, Kind::Refused, Kind::LoginExpired]) {
            return StoreError::Refused(format!("etcd {texts}"));
        }
        if !self.last.is_empty() && self.last.values().all(Failure::hung_up) {
            return StoreError::Refused(format!(
                "etcd {texts}: every connection is closed as soon as it is made, for {} s now. That is how a member refuses a \
                 client certificate, or that there is none; check this node's certificate and key",
                patience.as_secs_f64()
            ));
        }
        StoreError::Unavailable(format!(
            "no etcd member answered well within {} s ({texts}); check that a majority of the members runs and can be \
             reached from this node",
            patience.as_secs_f64()
        ))
    }
}

/// Whether to go on after a failure.
#[derive(Debug)]
pub(crate) enum Next {
    /// Ask again: the same member or another one.
    Again,
    /// Give up.
    End(StoreError),
}

/// Whether a list of members that was asked for then may no longer be right.
fn old(learned: Option<Instant>, now: Instant, known: usize) -> bool {
    let good_for = if known < 2 { LEARN.0 } else { LEARN.1 };
    learned.is_none_or(|at| now.saturating_duration_since(at) >= good_for)
}

impl Members {
    /// Knows the members of the options; asks nobody. To be called on the runtime.
    pub(crate) fn new(options: Options) -> Result<Self, StoreError> {
        let members = Members {
            trust: Trust::new(options.tls.clone())?,
            floor: options.memory.as_ref().map(|memory| Arc::clone(&memory.floor)).unwrap_or_default(),
            options,
            state: Mutex::default(),
            cluster: AtomicU64::new(0),
            stale: AtomicBool::new(false),
            learned: Mutex::new(None),
        };
        for url in &members.options.endpoints {
            let member = members.member(url, true)?;
            members.lock().members.push(Arc::new(member));
        }
        Ok(members)
    }

    pub(crate) fn member(&self, url: &str, configured: bool) -> Result<Member, StoreError> {
        self.member_with(url, configured, self.trust.config())
    }

    fn member_with(
        &self,
        url: &str,
        configured: bool,
        tls: Option<ClientTlsConfig>,
    ) -> Result<Member, StoreError> {
        let failed = |error: &dyn std::error::Error| {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            StoreError::Io(format!(
                "etcd endpoint {url}: {error}{cause}; it should look like https://10.0.0.1:2379"
            ))
        };
        let mut endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|error| failed(&error))?
            // Shorter than an attempt, so that "could not connect" is told as that.
            .connect_timeout(self.options.attempt.mul_f64(0.8))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1);
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).map_err(|error| {
                let cause = std::error::Error::source(&error).map(|source| format!(": {source}"));
                let text = format!("{error}{}", cause.unwrap_or_default());
                StoreError::Refused(format!(
                    "certificates for etcd: {text}; check authority, certificate and key"
                ))
            })?;
        }
        Ok(Member { url: url.to_owned(), channel: endpoint.connect_lazy(), configured })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The member to ask.
    pub(crate) fn preferred(&self) -> Option<Arc<Member>> {
        let state = self.lock();
        state.members.get(state.preferred).cloned()
    }

    /// Prefers the one after this, unless somebody else did so already.
    pub(crate) fn turn_from(&self, url: &str) {
        self.stale.store(true, Ordering::Release);
        let mut state = self.lock();
        if state.members.get(state.preferred).is_some_and(|preferred| preferred.url == url) {
            state.preferred = (state.preferred + 1) % state.members.len().max(1);
        }
    }

    /// Prefers this one, which has answered.
    pub(crate) fn prefer(&self, url: &str) {
        let mut state = self.lock();
        if let Some(place) = state.members.iter().position(|member| member.url == url) {
            state.preferred = place;
        }
    }

    /// All members, the preferred one first.
    pub(crate) fn in_order(&self) -> Vec<Arc<Member>> {
        let state = self.lock();
        let (before, from) = state.members.split_at(state.preferred.min(state.members.len()));
        from.iter().chain(before).cloned().collect()
    }

    /// Connects anew with certificates that were replaced since they were read. True if they were. Connections that are
    /// good until then are given up with what they are used for.
    pub(crate) fn renew_trust(&self) -> bool {
        let known: Vec<(String, bool)> =
            self.lock().members.iter().map(|member| (member.url.clone(), member.configured)).collect();
        let renewed = self.trust.renewed(|tls| {
            let one = |(url, configured): &(String, bool)| {
                self.member_with(url, *configured, Some(tls.clone())).map(Arc::new)
            };
            known.iter().map(one).collect::<Result<Vec<_>, _>>()
        });
        let Some(renewed) = renewed else { return false };
        let mut state = self.lock();
        for member in renewed {
            if let Some(place) = state.members.iter().position(|known| known.url == member.url) {
                state.members[place] = member;
            }
        }
        true
    }

    /// The member after this one.
    pub(crate) fn after(&self, member: &Member) -> Option<Arc<Member>> {
        let state = self.lock();
        let place =
            state.members.iter().position(|known| known.url == member.url).map_or(0, |place| place + 1);
        state.members.get(place % state.members.len().max(1)).cloned()
    }

    /// Expects answers of this etcd cluster only.
    pub(crate) fn expect(&self, cluster: u64) {
        self.cluster.store(cluster, Ordering::Release);
    }

    pub(crate) fn cluster(&self) -> u64 {
        self.cluster.load(Ordering::Acquire)
    }

    /// Checks that a member belongs to the cluster.
    pub(crate) fn check_cluster(&self, member: &Member, header: Option<Header>) -> Result<Header, Failure> {
        let Some(header) = header else {
            return Err(Failure::new(Kind::Lost, &member.url, "an answer without a header"));
        };
        let expected = self.cluster();
        if expected != 0 && header.cluster != expected {
            let text = format!("it belongs to etcd cluster {:x}, not to {expected:x}", header.cluster);
            return Err(Failure::new(Kind::Foreign, &member.url, text));
        }
        Ok(header)
    }

    /// Checks that an answer is of this cluster and not from before what was known when it was asked for.
    pub(crate) fn check(
        &self,
        member: &Member,
        floor: Number,
        header: Option<Header>,
    ) -> Result<Header, Failure> {
        let header = self.check_cluster(member, header)?;
        if header.revision < floor {
            self.floor.doubt();
            let text = format!("it is at revision {}, but {floor} was there already", header.revision);
            return Err(Failure::new(Kind::Behind, &member.url, text));
        }
        self.floor.note(header.revision);
        Ok(header)
    }

    /// A request with what etcd wants to know besides: who asks, and that a member cut off from the others must not
    /// answer.
    pub(crate) fn request<Q>(&self, message: Q, login: Option<MetadataValue<Ascii>>) -> tonic::Request<Q> {
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        if let Some(login) = login {
            request.metadata_mut().insert("token", login);
        }
        request
    }

    pub(crate) fn grpc(member: &Member) -> Grpc<Channel> {
        Grpc::new(member.channel.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX)
    }

    /// Asks one member once, without a login.
    async fn unary<Q, R>(
        &self,
        member: &Member,
        path: &'static str,
        mut request: tonic::Request<Q>,
    ) -> Result<R, Failure>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        request.set_timeout(self.options.attempt);
        let mut grpc = Members::grpc(member);
        let work = async {
            grpc.ready().await.map_err(|error| tonic::Status::from_error(Box::new(error)))?;
            grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::<Q, R>::default()).await
        };
        match timeout(self.options.attempt, work).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.trust.explain(Failure::of(&member.url, &status))),
            Err(_) => Err(Failure::silent(&member.url, self.options.attempt.as_secs_f64())),
        }
    }

    /// The token to show, got from this member if there is none.
    pub(crate) async fn login(&self, member: &Member) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let Some(login) = &self.options.login else { return Ok(None) };
        let known = self.lock().login.clone();
        if known.is_some() {
            return Ok(known);
        }
        let message = Login { user: login.user.clone(), password: login.password.clone() };
        let request = self.request(message, None);
        let answer: Result<LoggedIn, Failure> =
            self.unary(member, "/etcdserverpb.Auth/Authenticate", request).await;
        let answer = answer.map_err(|failure| match failure.kind {
            // Only the login was lost; what it is for was never sent.
            Kind::Lost => Failure { kind: Kind::NotSent, ..failure },
            Kind::Distrusted => Failure { kind: Kind::Untrusted, ..failure },
            Kind::Refused => Failure { text: format!("user {:?}: {}", login.user, failure.text), ..failure },
            Kind::NotSent
            | Kind::NoSpace
            | Kind::Untrusted
            | Kind::LoginExpired
            | Kind::TooLarge
            | Kind::Compacted
            | Kind::Senseless
            | Kind::Foreign
            | Kind::Behind => failure,
        })?;
        let token = MetadataValue::try_from(answer.token)
            .map_err(|_| Failure::new(Kind::Refused, &member.url, "its token cannot be sent back"))?;
        self.lock().login = Some(token.clone());
        Ok(Some(token))
    }

    pub(crate) fn forget_login(&self) {
        self.lock().login = None;
    }

    /// Asks one member once.
    pub(crate) async fn ask<Q, R>(
        &self,
        member: &Member,
        path: &'static str,
        message: Q,
    ) -> Result<R, Failure>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let login = self.login(member).await?;
        self.unary(member, path, self.request(message, login)).await
    }

    /// Takes note of a failure, and says whether to ask again; it pauses after a round of failures.
    pub(crate) async fn failed(
        &self,
        attempts: &mut Attempts,
        member: &Member,
        failure: Failure,
        until: Instant,
    ) -> Next {
        let kind = failure.kind;
        attempts.last.insert(member.url.clone(), failure.clone());
        match kind {
            Kind::TooLarge | Kind::Compacted | Kind::Senseless | Kind::Refused | Kind::NoSpace => {
                return Next::End(failure.into_error());
            }
            Kind::LoginExpired => {
                self.forget_login();
                attempts.logins += 1;
                if attempts.logins > 3 {
                    return Next::End(failure.into_error());
                }
            }
            Kind::NotSent
            | Kind::Lost
            | Kind::Untrusted
            | Kind::Distrusted
            | Kind::Foreign
            | Kind::Behind => {
                attempts.asked += 1;
                self.turn_from(&member.url);
                if self.renew_trust() {
                    // What failed with the certificates of before says nothing.
                    attempts.last.clear();
                    return Next::Again;
                }
            }
        }
        let members = self.lock().members.len();
        let hopeless = |failure: &Failure| {
            matches!(failure.kind, Kind::Untrusted | Kind::Distrusted | Kind::Foreign | Kind::Behind)
        };
        if attempts.last.len() >= members && attempts.last.values().all(hopeless) {
            return Next::End(attempts.error(self.options.deadline));
        }
        if Instant::now() >= until {
            return Next::End(attempts.error(self.options.deadline));
        }
        if attempts.asked != 0 && attempts.asked.is_multiple_of(members.max(1)) {
            let round = u32::try_from(attempts.asked / members.max(1)).unwrap_or(u32::MAX);
            let pause = PAUSES.0.saturating_mul(1 << round.min(8)).min(PAUSES.1);
            sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        }
        Next::Again
    }

    /// Asks until somebody answers: for what changes nothing.
    pub(crate) async fn read<Q, R>(
        self: &Arc<Self>,
        path: &'static str,
        message: Q,
        until: Instant,
    ) -> Result<(R, Header), Trouble>
    where
        Q: Message + Clone + 'static,
        R: Message + Headed + Default + 'static,
    {
        let mut attempts = Attempts::default();
        loop {
            let Some(member) = self.preferred() else {
                return Err(Trouble::Error(attempts.error(self.options.deadline)));
            };
            let failures = match self.ask_for(path, message.clone(), until).await {
                Ok(Reply { answer, header, .. }) => {
                    self.refresh();
                    return Ok((answer, header));
                }
                Err(failures) => failures,
            };
            if failures.iter().any(|failure| failure.kind == Kind::Compacted) {
                return Err(Trouble::Compacted);
            }
            for failure in &failures {
                attempts.last.insert(failure.member.clone(), failure.clone());
            }
            let failure = worst(failures);
            match self.failed(&mut attempts, &member, failure, until).await {
                Next::Again => {}
                Next::End(error) => return Err(Trouble::Error(error)),
            }
        }
    }

    /// Asks for the list of members, if one of them failed or it is old, without waiting for it. Who knew only the first
    /// member of a cluster that has grown since would have nobody to turn to when that one stops.
    pub(crate) fn refresh(self: &Arc<Self>) {
        let stale = self.stale.swap(false, Ordering::AcqRel);
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if stale || old(*learned, now, self.lock().members.len()) {
            *learned = Some(now);
            let members = Arc::clone(self);
            tokio::spawn(async move { members.learn().await });
        }
    }

    /// Takes over the list of members that the preferred one has. Nothing depends on it, so a failure is no matter.
    pub(crate) async fn learn(&self) {
        let Some(member) = self.preferred() else { return };
        let answer: Result<MemberList, Failure> =
            self.ask(&member, "/etcdserverpb.Cluster/MemberList", AskMembers {}).await;
        let Ok(list) = answer else { return };
        if self.check_cluster(&member, list.header).is_err() {
            return;
        }
        let scheme = if self.trust.secured() { "https://" } else { "http://" };
        let listed: Vec<String> = list
            .members
            .into_iter()
            // A learner answers nothing that stead asks.
            .filter(|member| !member.learner)
            .flat_map(|member| member.client_urls)
            // Never in clear where TLS is set up, and never to an address that means "any".
            .filter(|url| url.starts_with(scheme) && !url.contains("//0.0.0.0:") && !url.contains("//[::]:"))
            .collect();
        let known: Vec<String> = self.lock().members.iter().map(|member| member.url.clone()).collect();
        let new = listed.iter().filter(|url| !known.contains(url));
        let new: Vec<Member> = new.filter_map(|url| self.member(url, false).ok()).collect();
        let mut state = self.lock();
        let preferred = state.members.get(state.preferred).map(|member| member.url.clone());
        state.members.retain(|member| member.configured || listed.contains(&member.url));
        for member in new {
            if !state.members.iter().any(|known| known.url == member.url) {
                state.members.push(Arc::new(member));
            }
        }
        let place = state.members.iter().position(|member| Some(&member.url) == preferred.as_ref());
        state.preferred = place.unwrap_or(0);
    }

    /// The addresses of all members that are known.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.lock().members.iter().map(|member| member.url.clone()).collect()
    }

    /// What an operator should know of the versions of the members that answer.
    pub(crate) async fn version_warning(&self) -> Option<String> {
        let members = self.lock().members.clone();
        let ask = members.iter().map(|member| async move {
            let answer: Result<MemberStatus, Failure> =
                self.ask(member, "/etcdserverpb.Maintenance/Status", AskStatus {}).await;
            answer.ok().map(|status| (member.url.clone(), status.version))
        });
        let all: Vec<_> = futures_util::future::join_all(ask).await.into_iter().flatten().collect();
        version::warning(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_members_is_asked_for_now_and_then_and_more_often_by_who_knows_one_only() {
        let now = Instant::now();
        let moment = Duration::from_millis(1);
        for (known, good_for) in [(1, LEARN.0), (2, LEARN.1), (3, LEARN.1)] {
            assert!(old(None, now, known));
            assert!(!old(Some(now), now + good_for - moment, known));
            assert!(old(Some(now), now + good_for, known));
        }
    }
}
