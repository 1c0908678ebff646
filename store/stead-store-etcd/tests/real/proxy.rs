//! A TCP relay that can hold back requests or lose answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Requests wait until the mode changes, and arrive then.
    HoldRequests,
    /// Answers are lost.
    LoseAnswers,
}

/// The relay; its threads end with the connections.
pub(crate) struct Proxy {
    pub(crate) url: String,
    mode: Arc<(Mutex<Mode>, Condvar)>,
}

fn pump(mut from: TcpStream, mut to: TcpStream, mode: &(Mutex<Mode>, Condvar), requests: bool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        let held = |mode: &mut Mode| requests && *mode == Mode::HoldRequests;
        let mode = *mode.1.wait_while(mode.0.lock().unwrap(), held).unwrap();
        if !requests && mode == Mode::LoseAnswers {
            continue;
        }
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

impl Proxy {
    /// A relay to `http://HOST:PORT`.
    pub(crate) fn start(target: &str) -> Self {
        let target = target.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mode = Arc::new((Mutex::new(Mode::Pass), Condvar::new()));
        let shared = Arc::clone(&mode);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&target)) else { continue };
                let copies = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let modes = (Arc::clone(&shared), Arc::clone(&shared));
                thread::spawn(move || pump(client, server, &modes.0, true));
                thread::spawn(move || pump(copies.1, copies.0, &modes.1, false));
            }
        });
        Proxy { url, mode }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.0.lock().unwrap() = mode;
        self.mode.1.notify_all();
    }
}
