//! A TCP relay that can hold back requests or lose answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::cluster::HUNG;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// A request waits until the mode changes, and arrives then. That it was given up meanwhile is not passed on.
    HoldRequests,
    /// Requests are lost.
    LoseRequests,
    /// Answers are lost.
    LoseAnswers,
}

struct State {
    mode: Mode,
    /// Requests that came late and were answered.
    late: usize,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

/// The relay; its threads end with the connections.
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Shared,
}

/// What comes within a moment belongs to one request.
const MOMENT: Duration = Duration::from_millis(100);

fn requests(mut client: TcpStream, mut server: TcpStream, state: &Shared, late: &Mutex<bool>) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let mut request = bytes[..count].to_vec();
        let mode = state.0.lock().unwrap().mode;
        if mode == Mode::LoseRequests {
            continue;
        }
        if mode == Mode::HoldRequests {
            client.set_read_timeout(Some(MOMENT)).unwrap();
            while let Ok(count @ 1..) = client.read(&mut bytes) {
                request.extend(&bytes[..count]);
            }
            drop(
                state
                    .1
                    .wait_while(state.0.lock().unwrap(), |state| state.mode == Mode::HoldRequests)
                    .unwrap(),
            );
            *late.lock().unwrap() = true;
            server.write_all(&request).unwrap();
            // The connection stays, and whatever else the client said on it is lost.
            client.set_read_timeout(None).unwrap();
            while let Ok(1..) = client.read(&mut bytes) {}
            return;
        }
        if server.write_all(&request).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

fn answers(mut server: TcpStream, mut client: TcpStream, state: &Shared, late: &Mutex<bool>) {
    let mut bytes = [0; 16 * 1024];
    loop {
        match server.read(&mut bytes) {
            Ok(count @ 1..) => {
                let mut state_now = state.0.lock().unwrap();
                if *late.lock().unwrap() {
                    state_now.late += 1;
                    state.1.notify_all();
                }
                let lost = state_now.mode == Mode::LoseAnswers;
                drop(state_now);
                if !lost && client.write_all(&bytes[..count]).is_err() {
                    // It has gone; what is still answered only counts.
                    continue;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => break,
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

impl Proxy {
    /// A relay to `http://HOST:PORT`.
    pub(crate) fn start(target: &str) -> Self {
        let target = target.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Shared = Arc::new((Mutex::new(State { mode: Mode::Pass, late: 0 }), Condvar::new()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&target)) else { continue };
                let copies = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let states = (Arc::clone(&shared), Arc::clone(&shared));
                let late = Arc::new(Mutex::new(false));
                let lates = (Arc::clone(&late), late);
                thread::spawn(move || requests(client, server, &states.0, &lates.0));
                thread::spawn(move || answers(copies.1, copies.0, &states.1, &lates.1));
            }
        });
        Proxy { url, state }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.0.lock().unwrap().mode = mode;
        self.state.1.notify_all();
    }

    /// Waits until a request that came late was answered.
    pub(crate) fn wait_for_late_answer(&self) {
        let state = self.state.0.lock().unwrap();
        let (state, _) = self.state.1.wait_timeout_while(state, HUNG, |state| state.late == 0).unwrap();
        assert_ne!(state.late, 0, "the late request is not answered");
    }
}
