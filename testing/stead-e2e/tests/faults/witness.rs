//! The witness itself: does it see two at once?

use std::path::Path;
use std::process::{Child, Command};

use stead_e2e::witness::testimony;
use stead_e2e::{kill, until};

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(folder: &Path) -> Killed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stead-witness"));
    Killed(command.arg(folder).arg("g").spawn().unwrap())
}

#[test]
fn two_that_live_at_once_are_seen_and_two_in_turn_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let lives = |wanted: usize| {
        until(&format!("{wanted} lives"), || {
            let testimony = testimony(folder.path(), "g");
            (testimony.lives().len() == wanted).then_some(testimony)
        })
    };
    let first = run(folder.path());
    lives(1);
    drop(first);
    let second = run(folder.path());
    let testimony = lives(2);
    assert_eq!(testimony.overlaps(), Vec::<String>::new());
    assert!(testimony.lives_on().is_some());

    // One that cannot run still lives.
    let stopped = rustix::process::Pid::from_child(&second.0);
    rustix::process::kill_process(stopped, rustix::process::Signal::STOP).unwrap();
    let third = run(folder.path());
    let testimony = lives(3);
    assert_eq!(testimony.overlaps().len(), 1, "by the lock: {testimony:?}");
    rustix::process::kill_process(stopped, rustix::process::Signal::CONT).unwrap();
    until("the notes of both to overlap", || {
        (stead_e2e::witness::testimony(folder.path(), "g").overlaps().len() == 2).then_some(())
    });
    kill(u64::from(third.0.id()));
}
