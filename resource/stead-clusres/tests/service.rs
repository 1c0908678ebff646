//! *Generic Service*, driven as a monitor would.
//!
//! The machines that test this need no systemd: the `systemctl` here is a script that keeps processes in a real
//! control group and answers as systemd's documentation says.
//!
//! Windows: mscs/generic-service
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use common::{Place, again, alone, eventually, inside, runs, sh, skip};
use stead_clusres::GenericService;
use stead_resapi as abi;
use stead_sdk::testing::{Harness, Opened, State, Value};

/// Keeps `NAME.unit` files with the state of each unit; `NAME.how` says how it misbehaves.
const SYSTEMCTL: &str = r#"
cd "$STEAD_FAKE"
echo "$*" >> asked
while :; do case $1 in --no-pager|--no-ask-password|--system) shift;; *) break;; esac; done
verb=$1
for unit in "$@"; do :; done
name=${unit%.service}
cgroup=/stead-fake-$(basename "$STEAD_FAKE")
how=$(cat "$name.how" 2>/dev/null)
state=$(cat "$name.unit" 2>/dev/null || echo inactive)
main=$(cat "$name.pid" 2>/dev/null || echo 0)
if [ "$main" != 0 ] && ! grep -qx "$main" $STEAD_CGROUPS$cgroup/cgroup.procs 2>/dev/null; then main=0; state=failed; fi
case $verb in
show)
  load=loaded; [ -e "$name.how" ] || load=not-found; [ "$how" != masked ] || load=masked
  [ "$how" != mute ] || exit 1
  kind=simple; [ "$how" != oneshot ] || kind=oneshot
  result=success; [ "$state" != failed ] || result=exit-code
  enabled=disabled; [ "$how" != enabled ] || enabled=enabled
  printf 'LoadState=%s\nActiveState=%s\nSubState=%s\nResult=%s\nExecMainStatus=3\nMainPID=%s\nControlGroup=%s\nUnitFileState=%s\nType=%s\n' \
    $load $state $state $result $main $cgroup $enabled $kind ;;
start)
  case $how in
  broken) echo failed > "$name.unit"; echo "Job for $unit failed." >&2; exit 1;;
  oneshot) exit 0;;
  slow) echo $$ > slow; exec sleep 600;;
  esac
  [ "$state" = active ] && exit 0
  mkdir -p $STEAD_CGROUPS$cgroup
  # systemd's processes are nobody's children here, and carry no mark.
  setsid env -u STEAD_RESOURCE_MARK sh -c "echo \$\$ > $STEAD_CGROUPS$cgroup/cgroup.procs; echo \$\$ > $name.new
    mv $name.new $name.pid; exec sleep 600" > /dev/null 2>&1 < /dev/null &
  while ! [ -e "$name.pid" ]; do :; done
  echo active > "$name.unit" ;;
stop|kill)
  [ "$how" = stubborn ] && [ $verb = stop ] && exit 1
  case "$*" in *--no-block*) exit 0;; esac
  [ ! -d $STEAD_CGROUPS$cgroup ] || { echo 1 > $STEAD_CGROUPS$cgroup/cgroup.kill
    while grep -q 'populated 1' $STEAD_CGROUPS$cgroup/cgroup.events; do :; done; }
  echo inactive > "$name.unit"; rm -f "$name.pid" ;;
esac
exit 0"#;

/// Where control groups of version 2 are.
fn hierarchy() -> Option<&'static str> {
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    roots.into_iter().find(|root| Path::new(root).join("cgroup.controllers").exists())
}

/// A node with a systemd that knows these units, each with its manners.
fn prepare(test: &str, units: &[(&str, &str)]) -> Option<Place> {
    if inside().is_none() {
        if hierarchy().is_none() {
            skip(&format!("{test}: it needs control groups of version 2"));
            return None;
        }
        if !alone(test, &[]) {
            return None;
        }
    }
    if inside().as_deref() == Some("yes") {
        // Once more, with the script in front of what may be there.
        let place = Place::new();
        place.script("systemctl", SYSTEMCTL);
        for (unit, how) in units {
            fs::write(place.path(&format!("{unit}.how")), how).unwrap();
        }
        fs::create_dir_all("/run/systemd/system").unwrap();
        let folder = place.path("").canonicalize().unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let status = again(&["env"], test, "fake")
            .env("PATH", path)
            .env("STEAD_FAKE", &folder)
            .env("STEAD_CGROUPS", hierarchy().unwrap())
            .status()
            .unwrap();
        let group = format!("{}/stead-fake-{}", hierarchy().unwrap(), folder.file_name().unwrap().display());
        if Path::new(&group).exists() {
            let _ = fs::write(format!("{group}/cgroup.kill"), "1");
            eventually("the control group is empty", || fs::remove_dir(&group).is_ok());
        }
        assert!(status.success());
        return None;
    }
    Some(Place::at(std::env::var("STEAD_FAKE").unwrap()))
}

fn service(name: &str) -> Harness<GenericService> {
    Harness::new("web").text("ServiceName", name)
}

fn settled(harness: Harness<GenericService>) -> (Opened<GenericService>, State) {
    let service = harness.open().unwrap();
    service.online();
    let state = service.wait_settled();
    (service, state)
}

fn said(service: &Opened<GenericService>, words: &[&str]) -> bool {
    service.lines().iter().any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn a_service_is_started_watched_and_stopped() {
    let Some(place) = prepare("a_service_is_started_watched_and_stopped", &[("web", ""), ("db@main", "")])
    else {
        return;
    };
    let (service, state) = settled(service("web"));
    assert_eq!(state, State::Online, "{:?}", service.lines());
    let process: u32 = place.read("web.pid").trim().parse().unwrap();
    assert!(runs(process) && service.is_alive() && service.looks_alive());
    assert_ne!(service.event(), 0, "its end is an event");
    service.offline();
    assert_eq!(service.wait_settled(), State::Offline, "{:?}", service.lines());
    assert!(!runs(process) && !service.is_alive());
    // It dies: seen by the event handle, and by the check.
    service.online();
    assert_eq!(service.wait_settled(), State::Online);
    let counter = || fs::read_to_string(format!("/proc/self/fdinfo/{}", service.event())).unwrap();
    assert!(counter().contains("eventfd-count:                0"), "{}", counter());
    sh(&format!("kill -9 {}", place.read("web.pid")));
    eventually("the event handle rings", || counter().contains("eventfd-count:                1"));
    assert!(!service.is_alive());
    assert!(said(&service, &["web.service", "failed", "exit status 3", "1042"]), "{:?}", service.lines());
    service.terminate();
    let (instance, state) = settled(self::service("db@").text("StartupParameters", "main"));
    assert_eq!(state, State::Online, "{:?}", instance.lines());
    assert!(place.read("asked").contains("start -- db@main.service"));
    instance.terminate();
}

#[test]
fn what_cannot_be_started_says_why() {
    let units = [("broken", "broken"), ("once", "oneshot"), ("hidden", "masked"), ("mute", "mute")];
    let Some(_place) = prepare("what_cannot_be_started_says_why", &units) else { return };
    for (name, code, words) in [
        ("nosuch", abi::ERROR_SERVICE_DOES_NOT_EXIST, vec!["nosuch.service", "not installed", "1040"]),
        ("hidden", abi::ERROR_SERVICE_DISABLED, vec!["masked", "unmask", "1040"]),
        ("broken", abi::ERROR_SERVICE_NOT_ACTIVE, vec!["broken.service", "Job for", "exit-code", "1041"]),
        ("once", abi::ERROR_SERVICE_NOT_ACTIVE, vec!["RemainAfterExit=yes", "1041"]),
        ("mute", abi::ERROR_SERVICE_NOT_ACTIVE, vec!["does not answer"]),
    ] {
        let (service, state) = settled(service(name));
        assert_eq!(state, State::Failed, "{name}");
        assert_eq!(service.reports().last().unwrap().code, code, "{name}: {:?}", service.lines());
        assert!(said(&service, &words), "{name}: {:?}", service.lines());
        service.terminate();
    }
    fs::remove_dir_all("/run/systemd").unwrap();
    let (service, state) = settled(service("broken"));
    assert_eq!(state, State::Failed);
    assert!(said(&service, &["not run by systemd", "Generic Application"]), "{:?}", service.lines());
}

#[test]
fn a_start_that_hangs_is_ended_by_terminate() {
    let Some(place) = prepare("a_start_that_hangs_is_ended_by_terminate", &[("slow", "slow")]) else {
        return;
    };
    let service = service("slow").open().unwrap();
    service.online();
    let process = place.numbers("slow", 1)[0];
    service.wait_report(|report| report.checkpoint > 0);
    service.terminate();
    assert!(!runs(process));
    let asked = place.read("asked");
    assert!(
        asked.contains("kill --signal KILL -- slow.service") && asked.contains("stop -- slow.service"),
        "{asked}"
    );
}

#[test]
fn a_stop_that_fails_fails_and_terminate_kills() {
    let units = [("deaf", "stubborn"), ("boot", "enabled")];
    let Some(place) = prepare("a_stop_that_fails_fails_and_terminate_kills", &units) else { return };
    let (deaf, state) = settled(service("deaf"));
    assert_eq!(state, State::Online, "{:?}", deaf.lines());
    let process: u32 = place.read("deaf.pid").trim().parse().unwrap();
    deaf.offline();
    assert_eq!(deaf.wait_settled(), State::Failed);
    assert!(said(&deaf, &["could not be stopped", "active"]), "{:?}", deaf.lines());
    assert!(runs(process));
    deaf.terminate();
    assert!(!runs(process));
    // One that systemd starts by itself, and one that runs already, are told.
    let (first, _) = settled(service("boot"));
    assert!(said(&first, &["enabled", "systemctl disable boot.service"]), "{:?}", first.lines());
    let (second, state) = settled(service("boot"));
    assert_eq!(state, State::Online);
    assert!(said(&second, &["taken over"]), "{:?}", second.lines());
    second.terminate();
}

#[test]
fn undo_stops_the_service_of_a_dead_monitor_and_of_no_other() {
    const TEST: &str = "undo_stops_the_service_of_a_dead_monitor_and_of_no_other";
    let Some(place) = prepare(TEST, &[("web", "")]) else { return };
    if inside().as_deref() == Some("hold") {
        // The monitor that is going to be killed.
        let (_web, state) = settled(service("web"));
        println!("HELD {state:?}");
        std::thread::park();
    }
    let mut child = again(&["env"], TEST, "hold").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("HELD Online")));
    let process: u32 = place.read("web.pid").trim().parse().unwrap();
    let undo = || stead_clusres::undo(|_, _| ());
    assert_eq!((undo(), runs(process)), (vec![], true), "its monitor lives");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(runs(process), "a service outlives its monitor");
    fs::write(place.path("web.how"), "mute").unwrap();
    let left = undo();
    assert!(
        left.len() == 1 && left[0].contains("service web.service, which resource \"web\" left"),
        "{left:?}"
    );
    fs::write(place.path("web.how"), "").unwrap();
    assert_eq!((undo(), runs(process)), (vec![], false));
    assert!(place.read("asked").contains("kill --signal KILL -- web.service"));
    let asked = place.read("asked").len();
    assert_eq!(undo(), Vec::<String>::new());
    assert_eq!(place.read("asked").len(), asked, "it is forgotten");
}

#[test]
fn impossible_properties_are_refused() {
    let opened = service("web").open().unwrap();
    let text = |text: &str| Value::Sz(text.to_owned());
    assert_eq!(opened.validate(&[("ServiceName", text("web"))]), (0, Vec::new()));
    for (list, word) in [
        (vec![], "required"),
        (vec![("ServiceName", text("a b"))], "no name of a systemd service"),
        (vec![("ServiceName", text("cron.timer"))], "is a timer"),
        (vec![("ServiceName", text("db@"))], "template"),
        (vec![("ServiceName", text("web")), ("StartupParameters", text("-v"))], "web@.service"),
        (vec![("ServiceName", text("web")), ("UseNetworkName", Value::Dword(1))], "Network Name"),
    ] {
        let (code, said) = opened.validate(&list);
        assert_ne!(code, 0, "{list:?}");
        assert!(said.iter().any(|line| line.contains(word)), "{word}: {said:?}");
    }
}
