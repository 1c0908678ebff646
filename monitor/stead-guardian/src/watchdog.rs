//! The watchdog: a device that resets the machine when nobody pets it for W. It backs the kernel's timers up for what no
//! signal can end: a process that waits for a device for ever, a guardian that is stopped while something lives on.
//!
//! The rule: it is petted only while the lease has time left, or when it is verified that nothing of any group is on this
//! machine. So a machine that can do neither is reset at the latest W after the lease ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use stead_types::Time;

use crate::sys;

/// It is petted so many times in W.
const TURNS: u32 = 4;

/// What a watchdog can do.
pub(crate) trait Device {
    /// Starts its time anew.
    ///
    /// # Errors
    /// When the device does not take it.
    fn pet(&mut self) -> io::Result<()>;

    /// Ends it, if it can be ended: the machine is not reset.
    fn release(self);
}

/// A device of the kernel's.
pub(crate) struct Kernel(File);

impl Device for Kernel {
    fn pet(&mut self) -> io::Result<()> {
        self.0.write_all(b"\0")
    }

    fn release(mut self) {
        // Closed without this letter it goes on and resets the machine.
        let _ = self.0.write_all(b"V");
    }
}

/// Opens a device and sets its timeout, which counts in whole seconds. It runs from now on.
fn open(path: &Path, timeout: Duration) -> io::Result<(Kernel, Duration)> {
    if !std::fs::metadata(path)?.file_type().is_char_device() {
        return Err(io::Error::other("it is no device"));
    }
    let file = OpenOptions::new().write(true).open(path)?;
    let wanted = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
    match sys::set_watchdog(&file, wanted.max(1)) {
        Ok(set) => {
            let set = Duration::from_secs(u64::from(set.unsigned_abs()));
            if set <= timeout {
                return Ok((Kernel(file), set));
            }
            Kernel(file).release();
            let (set, wanted) = (set.as_millis(), timeout.as_millis());
            Err(io::Error::other(format!("its timeout is {set} ms, and must not be more than {wanted} ms")))
        }
        Err(error) => {
            Kernel(file).release();
            Err(error)
        }
    }
}

/// A watchdog that runs.
pub(crate) struct Watchdog<D> {
    device: D,
    timeout: Duration,
    petted: Time,
    complained: bool,
}

impl<D: Device> Watchdog<D> {
    pub(crate) const fn new(device: D, timeout: Duration, now: Time) -> Self {
        Watchdog { device, timeout, petted: now, complained: false }
    }

    /// Pets it, if that is due and allowed. `safe` says that the lease has time left, or that everything is verified empty.
    pub(crate) fn mind(&mut self, now: Time, safe: bool) {
        if !safe {
            if !self.complained {
                self.complained = true;
                let within = self.timeout.as_millis();
                note!(
                    "stead guardian: the watchdog is not petted: something may live on; the machine is reset within {within} ms"
                );
            }
            return;
        }
        self.complained = false;
        if now.since(self.petted) >= self.timeout / TURNS {
            self.petted = now;
            if let Err(error) = self.device.pet() {
                note!("stead guardian: the watchdog cannot be petted: {error}");
            }
        }
    }

    /// When [`Watchdog::mind`] is due.
    pub(crate) fn next(&self) -> Time {
        self.petted.after(self.timeout / TURNS)
    }

    pub(crate) fn release(self) {
        self.device.release();
    }
}

/// The watchdog that `node.toml` names, with W; and in words for people what came of it.
///
/// # Errors
/// When one is named and cannot be used.
pub(crate) fn choose(
    device: Option<&Path>,
    timeout: Duration,
    now: Time,
) -> Result<(Option<Watchdog<Kernel>>, String), String> {
    let Some(path) = device else {
        let words = "no watchdog: node.toml names none; a process that no signal ends is not covered";
        return Ok((None, words.to_owned()));
    };
    let (device, set) = open(path, timeout).map_err(|error| {
        format!("watchdog {}: {error}; put it right, or take it out of node.toml", path.display())
    })?;
    let words = format!("watchdog {} resets this machine after {} s", path.display(), set.as_secs());
    Ok((Some(Watchdog::new(device, set, now)), words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Writes down when it was petted.
    struct Fake(Rc<RefCell<Vec<&'static str>>>);

    impl Device for Fake {
        fn pet(&mut self) -> io::Result<()> {
            self.0.borrow_mut().push("pet");
            Ok(())
        }

        fn release(self) {
            self.0.borrow_mut().push("release");
        }
    }

    #[test]
    fn it_is_petted_in_time_and_only_while_it_is_safe() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let ms = Time::from_millis;
        let mut watchdog = Watchdog::new(Fake(Rc::clone(&log)), Duration::from_secs(2), ms(1_000));
        assert_eq!(watchdog.next(), ms(1_500));
        watchdog.mind(ms(1_499), true);
        assert_eq!(log.borrow().len(), 0, "not due");
        watchdog.mind(ms(1_500), true);
        assert_eq!((log.borrow().len(), watchdog.next()), (1, ms(2_000)));
        for at in (2_000..9_000).step_by(100) {
            watchdog.mind(ms(at), false);
        }
        assert_eq!(log.borrow().len(), 1, "never while something may live");
        watchdog.mind(ms(9_000), true);
        assert_eq!(log.borrow().len(), 2, "verified empty");
        watchdog.release();
        assert_eq!(log.borrow().last(), Some(&"release"));
    }

    #[test]
    fn what_is_no_watchdog_is_refused() {
        let choose = |device: Option<&Path>| choose(device, Duration::from_secs(2), Time::from_millis(0));
        let error = choose(Some(Path::new("/dev/null"))).map(|_| ()).unwrap_err();
        assert!(error.starts_with("watchdog /dev/null: ") && error.ends_with("out of node.toml"), "{error}");
        assert!(choose(Some(Path::new("/nowhere"))).is_err());
        let file = std::env::temp_dir().join(format!("stead-watchdog-{}", std::process::id()));
        std::fs::write(&file, "precious").unwrap();
        let error = choose(Some(&file)).map(|_| ()).unwrap_err();
        assert!(error.contains("it is no device"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious", "nothing is written to it");
        std::fs::remove_file(&file).unwrap();
        let (none, words) = choose(None).unwrap();
        assert!(none.is_none() && words.starts_with("no watchdog: node.toml names none"));
    }
}
