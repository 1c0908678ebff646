//! A complete resource type: *Greeter*, a TCP port that greets whoever connects.
//!
//! It shows what most types need: private properties with ranges and defaults, an online that takes its time and shows
//! progress, an offline that waits for the work to end, a terminate that does not wait, both health checks, and tests
//! without any cluster. README.md tells how to build it and how to drive it by hand.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

/// A health check that takes longer has failed.
const PATIENCE: Duration = Duration::from_millis(200);

/// What runs while the resource is online.
struct Serving {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Serving {
    /// Tells the thread to end. It sits in `accept`, so it is woken by a connection.
    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
    }
}

/// One instance of the type.
pub struct Greeter {
    context: Context,
    serving: Mutex<Option<Serving>>,
}

impl Greeter {
    fn take(&self) -> Option<Serving> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn address(&self) -> Option<SocketAddr> {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.as_ref().map(|serving| serving.address)
    }
}

impl Resource for Greeter {
    const TYPE_NAME: &'static str = "Greeter";

    const PROPERTIES: &'static [Property] = &[
        Property::number("Port").required().range(1, 65_535),
        Property::text("Greeting").default_text("hello"),
    ];

    fn open(context: &Context) -> Result<Self, Failure> {
        // Nothing is checked here that matters only online: the resource may be meant for another day.
        Ok(Greeter { context: context.clone(), serving: Mutex::new(None) })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        let properties = self.context.properties();
        let port = u16::try_from(properties.number("Port")).unwrap_or(0);
        let greeting = properties.text("Greeting");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // A port may be free only when its last owner is gone: wait for it, showing that it is being waited for. The
        // wait ends when somebody asks for it.
        let listener = loop {
            match TcpListener::bind(address) {
                Ok(listener) => break listener,
                Err(error) if operation.progress() && operation.wait(Duration::from_millis(100)) => {
                    self.context.log(Level::Warning, &format!("{address}: {error}; trying again"));
                }
                Err(error) => return Err(Failure::from(error)),
            }
        };
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for visitor in listener.incoming() {
                if told.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(mut visitor) = visitor {
                    let _ = writeln!(visitor, "{greeting}");
                }
            }
        });
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Serving { address, stop, thread });
        Ok(Online::polled())
    }

    fn offline(&self, _: &Operation) -> Result<(), Failure> {
        if let Some(serving) = self.take() {
            serving.stop();
            // The port must be free when this returns.
            let _ = serving.thread.join();
        }
        Ok(())
    }

    fn terminate(&self) {
        // As offline, but without waiting: this may be called while anything else runs, also twice.
        if let Some(serving) = self.take() {
            serving.stop();
        }
    }

    fn looks_alive(&self) -> bool {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.as_ref().is_some_and(|serving| !serving.thread.is_finished())
    }

    fn is_alive(&self) -> bool {
        // The thorough check does what a user of the resource does.
        let Some(address) = self.address() else { return false };
        let greeted = || -> std::io::Result<bool> {
            let mut visit = TcpStream::connect_timeout(&address, PATIENCE)?;
            visit.set_read_timeout(Some(PATIENCE))?;
            Ok(visit.read(&mut [0; 1])? == 1)
        };
        greeted().unwrap_or(false)
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        if properties.text("Greeting").contains('\n') {
            return vec![Problem::new("Greeting", "it must be one line")];
        }
        Vec::new()
    }
}

stead_sdk::export!(Greeter);

#[cfg(test)]
mod tests {
    use stead_sdk::testing::{Harness, State, Value};

    use super::*;

    fn free_port() -> u16 {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
    }

    fn greeting(port: u16) -> String {
        let mut text = String::new();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn it_greets_while_it_is_online_and_frees_the_port_after() {
        let port = free_port();
        let harness =
            Harness::<Greeter>::new("greeter").number("Port", port.into()).text("Greeting", "good day");
        let greeter = harness.open().unwrap();
        for _ in 0..3 {
            greeter.online();
            assert_eq!(greeter.wait_settled(), State::Online);
            assert!(greeter.looks_alive() && greeter.is_alive());
            assert_eq!(greeting(port), "good day\n");
            greeter.offline();
            assert_eq!(greeter.wait_settled(), State::Offline);
            assert!(!greeter.is_alive());
            drop(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free"));
        }
    }

    #[test]
    fn it_waits_for_a_taken_port_and_gives_up_when_told() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let greeter = Harness::<Greeter>::new("greeter").number("Port", port.into()).open().unwrap();
        greeter.online();
        greeter.wait_report(|report| report.checkpoint >= 2);
        drop(taken);
        assert_eq!(greeter.wait_settled(), State::Online);
        greeter.terminate();
        greeter.terminate();
        assert!(!greeter.looks_alive());
    }

    #[test]
    fn bad_properties_are_refused() {
        let greeter = Harness::<Greeter>::new("greeter").number("Port", 80).open().unwrap();
        let both = [("Port", Value::Dword(80)), ("Greeting", Value::Sz("a\nb".to_owned()))];
        let (code, lines) = greeter.validate(&both);
        assert!(
            code != 0 && lines.iter().any(|line| line.contains("it must be one line")),
            "{code}: {lines:?}"
        );
    }
}
