//! The HTTP interface on the node's Unix socket. Only root and the node's own user may speak.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{DefaultBodyLimit, Path as InPath, Query, Request as HttpRequest, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use futures_util::stream;
use rustix::fd::OwnedFd;
use serde::Deserialize;
use stead_api::{Apply, Control, Controlled, Event, Failure, Line, NodeOperate, Operate, routes};
use stead_policy::Request;
use stead_types::Code;
use tokio::net::UnixListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::command::{Command, Input, Kind};
use crate::edge::elsewhere::{self, Letters, elsewhere, explainer};
use crate::edge::history::History;
use crate::edge::request;
use crate::mailbox::Mailbox;
use crate::report;

/// How the interface reaches the loop.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) inputs: Sender<Input>,
    pub(crate) wake: Arc<OwnedFd>,
    pub(crate) history: Arc<History>,
    pub(crate) end: watch::Receiver<bool>,
    /// The way to what other nodes have; none on one machine.
    pub(crate) mailbox: Option<Arc<Mailbox>>,
}

impl Way {
    pub(crate) fn ask(&self, command: Command) {
        self.send(Input::Command(command));
    }

    /// Hands something to the loop and wakes it.
    pub(crate) fn send(&self, input: Input) {
        let _ = self.inputs.send(input);
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// The running interface.
#[derive(Debug)]
pub(crate) struct Api {
    end: watch::Sender<bool>,
    ended: std::sync::mpsc::Receiver<()>,
}

/// The largest request, in bytes.
const LARGEST_BODY: usize = 64 << 20;

/// Longest time for answers to get out when the node ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Api {
    /// Opens `node.sock` in `data` and serves it on a thread of its own, as well as what other nodes ask.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(crate) fn start(
        data: &Path,
        way: Way,
        letters: Option<Letters>,
        end: watch::Sender<bool>,
    ) -> io::Result<Api> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            listen(data)?
        };
        let (said, ended) = std::sync::mpsc::channel();
        let app = router(way.clone()).into_make_service_with_connect_info::<Peer>();
        std::thread::Builder::new().name("api".to_owned()).spawn(move || {
            let mut end = way.end.clone();
            let finish = async move {
                let _ = end.wait_for(|end| *end).await;
            };
            if let Some(letters) = letters {
                runtime.spawn(elsewhere::serve(way.clone(), letters));
            }
            let served =
                runtime.block_on(async { axum::serve(listener, app).with_graceful_shutdown(finish).await });
            if let Err(error) = served {
                tracing::error!(%error, "interface ended");
            }
            let _ = said.send(());
        })?;
        Ok(Api { end, ended })
    }

    /// Lets answers get out, and ends.
    pub(crate) fn end(&self) {
        let _ = self.end.send(true);
        let _ = self.ended.recv_timeout(LAST_WORDS);
    }
}

/// A path for sockets: through a descriptor of the folder, since a socket's address holds 107 bytes only.
fn short(data: &Path) -> io::Result<(OwnedFd, PathBuf)> {
    use std::os::fd::AsRawFd;
    let folder: OwnedFd = fs::File::open(data)?.into();
    let path = PathBuf::from(format!("/proc/self/fd/{}/node.sock", folder.as_raw_fd()));
    Ok((folder, path))
}

fn listen(data: &Path) -> io::Result<UnixListener> {
    let (_folder, path) = short(data)?;
    // The store is locked by this process: whoever made an older socket is gone.
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Who is on the other end.
#[derive(Clone, Debug)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Peer(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

async fn only_us(ConnectInfo(Peer(uid)): ConnectInfo<Peer>, request: HttpRequest, next: Next) -> Response {
    let own = rustix::process::geteuid().as_raw();
    match uid {
        Some(uid) if uid == 0 || uid == own => next.run(request).await,
        Some(_) | None => {
            let text = format!("only root and the user with id {own}, who runs this node, may use it");
            refused(StatusCode::FORBIDDEN, "request", Code::ERROR_ACCESS_DENIED, text)
        }
    }
}

fn router(way: Way) -> Router {
    Router::new()
        .route(routes::STATUS, get(status))
        .route(routes::CONFIG, get(config))
        .route(routes::APPLY, post(apply))
        .route(routes::GROUP, post(group))
        .route(routes::RESOURCE, post(resource))
        .route(routes::NODE, post(node))
        .route(routes::CONTROL, post(control))
        .route(routes::TYPE_CONTROL, post(type_control))
        .route(routes::TYPE, delete(delete_type))
        .route(routes::GROUP_SET, delete(delete_group_set))
        .route(routes::SETTINGS, get(settings))
        .route(routes::EXPLAIN, get(explain))
        .route(routes::SITUATION, get(situation))
        .route(routes::EVENTS, get(events))
        .route(routes::SHUTDOWN, post(shutdown))
        .route(routes::OPENAPI, get(|| async { Json(stead_api::openapi()) }))
        .fallback(|request: HttpRequest| async move {
            let what = format!("{} {}", request.method(), request.uri().path());
            let text = format!("there is no such route; see {}", routes::OPENAPI);
            refused(StatusCode::NOT_FOUND, &what, Code::ERROR_INVALID_FUNCTION, text)
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(only_us))
        .with_state(way)
}

fn refused(status: StatusCode, what: &str, code: Code, detail: String) -> Response {
    let failure = Failure { what: what.to_owned(), error: report::code(code), detail };
    (status, Json(Line::Refused(failure))).into_response()
}

fn bad(what: &str, detail: impl Into<String>) -> Response {
    refused(StatusCode::BAD_REQUEST, what, Code::ERROR_INVALID_PARAMETER, detail.into())
}

fn stopped() -> Response {
    let detail = "the node is ending".to_owned();
    refused(StatusCode::SERVICE_UNAVAILABLE, "request", Code::ERROR_CLUSTER_SHUTTING_DOWN, detail)
}

/// A body of JSON; an empty one is what `T` says it is.
fn body<T: for<'a> Deserialize<'a> + Default>(what: &str, bytes: &Bytes) -> Result<T, Box<Response>> {
    if bytes.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(bytes).map_err(|error| Box::new(bad(what, format!("the body: {error}"))))
}

fn line<T: serde::Serialize>(value: &T) -> Result<Bytes, Infallible> {
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    Ok(Bytes::from(text))
}

fn streamed(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// The lines of an answer, as they come.
fn lines(receiver: mpsc::UnboundedReceiver<Line>) -> Response {
    let stream = stream::unfold(receiver, |mut receiver| async {
        let next = receiver.recv().await?;
        Some((line(&next), receiver))
    });
    streamed(Body::from_stream(stream))
}

/// Asks the loop; none if it has ended.
pub(crate) async fn answer<T>(way: &Way, make: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    way.ask(make(sender));
    receiver.await.ok()
}

async fn status(State(way): State<Way>) -> Response {
    answer(&way, Command::Status).await.map_or_else(stopped, |status| Json(status).into_response())
}

async fn situation(State(way): State<Way>) -> Response {
    answer(&way, Command::Situation).await.map_or_else(stopped, |situation| Json(situation).into_response())
}

async fn config(State(way): State<Way>) -> Response {
    match answer(&way, Command::Config).await {
        Some(Ok(config)) => Json(config).into_response(),
        Some(Err(text)) => {
            refused(StatusCode::INTERNAL_SERVER_ERROR, "configuration", Code::ERROR_INVALID_DATA, text)
        }
        None => stopped(),
    }
}

async fn apply(State(way): State<Way>, bytes: Bytes) -> Response {
    match body::<Apply>("configuration: apply", &bytes) {
        Ok(apply) => {
            let (sender, receiver) = mpsc::unbounded_channel();
            way.ask(Command::Apply(apply, sender));
            lines(receiver)
        }
        Err(response) => *response,
    }
}

fn operate(
    way: &Way,
    what: &str,
    bytes: &Bytes,
    make: impl FnOnce(&Operate) -> Result<Request, String>,
) -> Response {
    let given: Operate = match body(what, bytes) {
        Ok(given) => given,
        Err(response) => return *response,
    };
    match make(&given) {
        Ok(request) => asked(way, request, given.no_wait),
        Err(text) => bad(what, text),
    }
}

/// The lines of the answer to a request.
fn asked(way: &Way, request: Request, no_wait: bool) -> Response {
    let (sender, receiver) = mpsc::unbounded_channel();
    way.ask(Command::Request { request, no_wait, lines: sender });
    lines(receiver)
}

/// A request about something that may be another node's: it is asked there.
async fn operate_on(
    way: &Way,
    (kind, name): (Kind, &str),
    (what, path): (String, String),
    bytes: &Bytes,
    make: impl FnOnce(&Operate) -> Result<Request, String>,
) -> Response {
    let given: Operate = match body(&what, bytes) {
        Ok(given) => given,
        Err(response) => return *response,
    };
    let request = match make(&given) {
        Ok(request) => request,
        Err(text) => return bad(&what, text),
    };
    // A move is ordered where it is asked, whoever has the group.
    let carried = !matches!(request, Request::MoveGroup { .. });
    match elsewhere(way, kind, name).await {
        Some(there) if carried => lines(there.lines(what, path, &given)),
        Some(_) | None => asked(way, request, given.no_wait),
    }
}

async fn group(
    State(way): State<Way>,
    InPath((name, verb)): InPath<(String, String)>,
    bytes: Bytes,
) -> Response {
    let asked = (format!("group \"{name}\": {verb}"), format!("groups/{name}/{verb}"));
    operate_on(&way, (Kind::Group, &name), asked, &bytes, |given| request::group(&name, &verb, given)).await
}

async fn resource(
    State(way): State<Way>,
    InPath((name, verb)): InPath<(String, String)>,
    bytes: Bytes,
) -> Response {
    let asked = (format!("resource \"{name}\": {verb}"), format!("resources/{name}/{verb}"));
    let make = |given: &Operate| request::resource(&name, &verb, given);
    operate_on(&way, (Kind::Resource, &name), asked, &bytes, make).await
}

async fn node(
    State(way): State<Way>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    InPath((name, verb)): InPath<(String, String)>,
    bytes: Bytes,
) -> Response {
    let what = format!("node \"{name}\": {verb}");
    let given: NodeOperate = match body(&what, &bytes) {
        Ok(given) => given,
        Err(response) => return *response,
    };
    match request::fencing(&name, &verb, &given) {
        Some(Ok((node, ask))) => {
            let (sender, receiver) = mpsc::unbounded_channel();
            let by = uid.map_or_else(|| "somebody".to_owned(), |uid| format!("user {uid}"));
            way.ask(Command::Fencing(node, ask, by, sender));
            return lines(receiver);
        }
        Some(Err(text)) => return bad(&what, text),
        None => {}
    }
    match request::node(&name, &verb, &given) {
        Ok(request) => asked(&way, request, given.no_wait),
        Err(text) => bad(&what, text),
    }
}

async fn delete_type(State(way): State<Way>, InPath(name): InPath<String>, bytes: Bytes) -> Response {
    let what = format!("resource type \"{name}\": delete");
    operate(&way, &what, &bytes, |_| {
        let type_name = name.parse().map_err(|error: stead_types::NameError| error.to_string())?;
        Ok(Request::DeleteType { type_name })
    })
}

async fn delete_group_set(State(way): State<Way>, InPath(name): InPath<String>, bytes: Bytes) -> Response {
    let what = format!("group set \"{name}\": delete");
    operate(&way, &what, &bytes, |_| {
        let set = name.parse().map_err(|error: stead_types::NameError| error.to_string())?;
        Ok(Request::DeleteGroupSet { set })
    })
}

async fn settings(State(way): State<Way>) -> Response {
    answer(&way, Command::Settings).await.map_or_else(stopped, |settings| Json(settings).into_response())
}

async fn shutdown(State(way): State<Way>) -> Response {
    operate(&way, "shutdown", &Bytes::new(), |_| Ok(Request::Shutdown))
}

async fn control(State(way): State<Way>, InPath(name): InPath<String>, bytes: Bytes) -> Response {
    let what = format!("resource \"{name}\": control");
    let given: Control = match body(&what, &bytes) {
        Ok(given) => given,
        Err(response) => return *response,
    };
    let resource = match name.parse() {
        Ok(resource) => resource,
        Err(error) => {
            let error: stead_types::NameError = error;
            return bad(&what, error.to_string());
        }
    };
    let controlled = match elsewhere(&way, Kind::Resource, &name).await {
        Some(there) => Some(there.one(&what, format!("control/{name}"), &given).await),
        None => answer(&way, |sender| Command::Control(resource, given, sender)).await,
    };
    match controlled {
        Some(Ok(controlled)) => Json::<Controlled>(controlled).into_response(),
        Some(Err(failure)) => (StatusCode::CONFLICT, Json(Line::Refused(failure))).into_response(),
        None => stopped(),
    }
}

async fn type_control(State(way): State<Way>, InPath(name): InPath<String>, bytes: Bytes) -> Response {
    let what = format!("resource type \"{name}\": control");
    let given: Control = match body(&what, &bytes) {
        Ok(given) => given,
        Err(response) => return *response,
    };
    let type_name = match name.parse() {
        Ok(type_name) => type_name,
        Err(error) => {
            let error: stead_types::NameError = error;
            return bad(&what, error.to_string());
        }
    };
    match answer(&way, |sender| Command::TypeControl(type_name, given, sender)).await {
        Some(Ok(controlled)) => Json(controlled).into_response(),
        Some(Err(failure)) => (StatusCode::CONFLICT, Json(Line::Refused(failure))).into_response(),
        None => stopped(),
    }
}

async fn explain(State(way): State<Way>, InPath((kind, name)): InPath<(String, String)>) -> Response {
    let what = format!("{kind} \"{name}\": explain");
    let Some(of) = Kind::from_word(&kind) else {
        return bad(&what, "what is explained is a group, a resource or any");
    };
    let explained = match explainer(&way, of, &name).await {
        Some(there) => match there.one(&what, format!("explain/{kind}/{name}"), &()).await {
            Ok(explained) => Some(explained),
            // It may have been lost while it was asked.
            Err(failure) => match explainer(&way, of, &name).await {
                Some(_) => return (StatusCode::CONFLICT, Json(Line::Refused(failure))).into_response(),
                None => answer(&way, |sender| Command::Explain(of, name, sender)).await,
            },
        },
        None => answer(&way, |sender| Command::Explain(of, name, sender)).await,
    };
    match explained {
        Some(Some(explanation)) => Json(explanation).into_response(),
        Some(None) => {
            let text = "there is nothing of this name; see `stead status`".to_owned();
            refused(StatusCode::NOT_FOUND, &what, Code::ERROR_RESOURCE_NOT_FOUND, text)
        }
        None => stopped(),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Which {
    after: u64,
    last: Option<usize>,
    follow: bool,
    group: Option<String>,
    resource: Option<String>,
}

impl Which {
    fn takes(&self, event: &Event) -> bool {
        let same = |wanted: &Option<String>, has: &Option<String>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| has.as_ref().is_some_and(|has| has.eq_ignore_ascii_case(wanted)))
        };
        same(&self.group, &event.group) && same(&self.resource, &event.resource)
    }
}

struct Following {
    past: std::vec::IntoIter<Event>,
    live: broadcast::Receiver<Event>,
    which: Which,
    end: watch::Receiver<bool>,
}

impl Following {
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.past.next() {
            return Some(event);
        }
        loop {
            let received = tokio::select! {
                received = self.live.recv() => received,
                _ = self.end.wait_for(|end| *end) => return None,
            };
            match received {
                Ok(event) if self.which.takes(&event) => return Some(event),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    return Some(elsewhere::missed(missed));
                }
            }
        }
    }
}

async fn events(State(way): State<Way>, Query(which): Query<Which>) -> Response {
    let (past, live) =
        way.history.read(which.after, which.last.unwrap_or(usize::MAX), |event| which.takes(event));
    if !which.follow {
        return Json(past).into_response();
    }
    let following = Following { past: past.into_iter(), live, which, end: way.end.clone() };
    let stream = stream::unfold(following, |mut following| async {
        let next = following.next().await?;
        Some((line(&next), following))
    });
    streamed(Body::from_stream(stream))
}

/// The routes that may concern another node, without the server around them.
#[cfg(test)]
pub(crate) mod routes_for_tests {
    use super::{Bytes, InPath, Response, State, Way};

    pub(crate) async fn group(way: Way, asked: (String, String), bytes: Bytes) -> Response {
        super::group(State(way), InPath(asked), bytes).await
    }

    pub(crate) async fn resource(way: Way, asked: (String, String), bytes: Bytes) -> Response {
        super::resource(State(way), InPath(asked), bytes).await
    }

    pub(crate) async fn control(way: Way, name: String, bytes: Bytes) -> Response {
        super::control(State(way), InPath(name), bytes).await
    }

    pub(crate) async fn explain(way: Way, asked: (String, String)) -> Response {
        super::explain(State(way), InPath(asked)).await
    }
}
