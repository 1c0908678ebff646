//! The way to the node: HTTP over its Unix socket.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stead_api::Line;
use tokio::net::UnixStream;

use crate::exit::Exit;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) exit: Exit,
    pub(crate) text: String,
}

impl Trouble {
    fn no_way(data: &Path, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::PermissionDenied {
            let text = format!(
                "{}: {error}; only root and the user that runs the node may speak to it",
                data.join("node.sock").display()
            );
            return Trouble { exit: Exit::NoNode, text };
        }
        Trouble::no_node(data, error)
    }

    fn no_node(data: &Path, error: &impl ToString) -> Self {
        if let Some(standing) = standing(data) {
            let text = format!("the node of {} does not answer yet: {standing}", data.display());
            return Trouble { exit: Exit::NoNode, text };
        }
        let text = format!(
            "no node answers at {}: {}; start one with `stead up FILE`, or name its folder with --data",
            data.join("node.sock").display(),
            error.to_string()
        );
        Trouble { exit: Exit::NoNode, text }
    }

    fn broken(error: &impl ToString) -> Self {
        Trouble { exit: Exit::NoNode, text: format!("the node went away: {}", error.to_string()) }
    }
}

/// A node's interface.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    data: PathBuf,
}

/// Percent-encodes a part of a path.
pub(crate) fn encode(part: &str) -> String {
    part.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// What keeps the node of this folder from answering, if it has said so.
pub(crate) fn standing(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join(stead_api::STANDING)).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

async fn connect(data: &Path) -> io::Result<UnixStream> {
    // Through a descriptor of the folder: a socket's address holds 107 bytes only.
    let folder = std::fs::File::open(data)?;
    UnixStream::connect(format!("/proc/self/fd/{}/node.sock", folder.as_raw_fd())).await
}

/// So long is waited for what can be done without.
const SOON: std::time::Duration = std::time::Duration::from_secs(2);

impl Client {
    /// The node whose data are in this folder. Nothing is asked yet.
    pub(crate) fn new(data: &Path) -> Self {
        Client { data: data.to_owned() }
    }

    async fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Response<Incoming>, Trouble> {
        let stream = connect(&self.data).await.map_err(|error| Trouble::no_way(&self.data, &error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Trouble::no_node(&self.data, &error))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "stead")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Trouble::broken(&error))?;
        sender.send_request(request).await.map_err(|error| Trouble::broken(&error))
    }

    /// True if a node answers.
    pub(crate) async fn answers(&self) -> bool {
        connect(&self.data).await.is_ok()
    }

    /// Asks for one document.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.one(Method::GET, path, Vec::new()).await
    }

    /// Asks for one document that is not needed: none if nobody answers soon.
    pub(crate) async fn soon<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        tokio::time::timeout(SOON, self.get(path)).await.ok()?.ok()
    }

    /// Sends one document and reads one.
    pub(crate) async fn exchange<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Trouble> {
        self.one(Method::POST, path, serde_json::to_vec(body).unwrap_or_default()).await
    }

    async fn one<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Trouble> {
        let response = self.send(method, path, body).await?;
        let good = response.status().is_success();
        let bytes = response.into_body().collect().await.map_err(|error| Trouble::broken(&error))?.to_bytes();
        if !good {
            return Err(refusal(&bytes));
        }
        serde_json::from_slice(&bytes).map_err(|error| Trouble {
            exit: Exit::Failed,
            text: format!(
                "the node's answer is not understood ({error}); are node and command of one version?"
            ),
        })
    }

    /// Sends a request whose answer is lines.
    pub(crate) async fn lines(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Lines, Trouble> {
        let response = self.send(method, path, serde_json::to_vec(body).unwrap_or_default()).await?;
        if response.status().is_success() {
            return Ok(Lines { body: response.into_body(), buffer: Vec::new() });
        }
        let bytes = response.into_body().collect().await.map_err(|error| Trouble::broken(&error))?.to_bytes();
        Err(refusal(&bytes))
    }
}

fn refusal(bytes: &[u8]) -> Trouble {
    match serde_json::from_slice(bytes) {
        Ok(Line::Refused(failure)) => {
            Trouble { exit: Exit::Refused, text: crate::show::failure(&failure, "refused") }
        }
        Ok(_) | Err(_) => Trouble {
            exit: Exit::Refused,
            text: format!("refused: {}", String::from_utf8_lossy(bytes).trim()),
        },
    }
}

/// Lines of JSON as they come.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Lines {
    /// The next line; none when the node has said everything.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Trouble> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(|error| Trouble {
                    exit: Exit::Failed,
                    text: format!(
                        "the node's answer is not understood ({error}); are node and command of one version?"
                    ),
                });
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(Trouble::broken(&error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_and_slashes_are_one_part_of_a_path() {
        assert_eq!(encode("Cluster Group/é?"), "Cluster%20Group%2F%C3%A9%3F");
    }
}
