//! Agents as they are met: those that work, fail, hang and lie.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stead_fence::{Device, Ended, Power, fence, power, succeeded, switch_on, validate};

/// Reads its parameters into a file, keeps the machine's power in another, and misbehaves as its name says.
const AGENT: &str = r#"#!/bin/sh
folder=$(dirname "$0"); how=$(basename "$0"); how=${how#fence_}
while IFS= read -r line; do
  echo "$line" >> "$folder/told"
  case $line in action=*) action=${line#action=};; esac
done
echo "$action" >> "$folder/asked"
state=$(cat "$folder/power" 2>/dev/null || echo ON)
case $action in
metadata)
  [ $how != foreign ] || { echo 'no metadata'; exit 0; }
  status='<action name="status"/>'; [ $how != blind ] || status=
  echo "<?xml version=\"1.0\" ?><resource-agent name=\"x\"><parameters><parameter name=\"plug\"/><parameter name=\"passwd\"/></parameters>"
  echo "<actions><action name=\"on\"/><action name=\"off\"/>$status</actions></resource-agent>"; exit 0;;
off)
  case $how in
  fails) echo "Failed: cannot login with secret-7" >&2; exit 1;;
  hangs) echo $$ > "$folder/process"; sleep 600 & echo $! > "$folder/child"; wait;;
  crashes) kill -SEGV $$;;
  lies|dumb|confused) exit 0;;
  esac
  echo OFF > "$folder/power"; echo 'Success: Powered OFF'; exit 0;;
on) [ $how != weak ] || exit 1; echo ON > "$folder/power"; exit 0;;
status)
  [ $how != dumb ] || exit 2
  [ $how != confused ] || { echo 'Status: OFF'; exit 0; }
  echo "Status: $state"; [ "$state" = ON ] && exit 0; exit 2;;
esac
exit 1
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn device(&self, how: &str) -> Device {
        let agent = self.file(&format!("fence_{how}"), AGENT, 0o755);
        Device {
            name: "rack".to_owned(),
            agent: agent.display().to_string(),
            nodes: [("n2".to_owned(), [("plug".to_owned(), "7".to_owned())].into())].into(),
            timeout: 20_000,
            ..Device::default()
        }
    }

    fn read(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.path(name)).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

fn alive(process: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap_or_default();
    let state = stat.rfind(')').and_then(|end| stat[end + 1..].split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}

#[test]
fn off_is_believed_when_it_was_seen() {
    let place = Place::new();
    let mut device = place.device("good");
    device.secrets.insert("passwd".to_owned(), place.file("secret", "secret-7\n", 0o600));
    validate(&device).unwrap();
    assert_eq!(power(&device, "n2").0, Power::On);
    let report = fence(&device, "n2", u128::MAX);
    assert!(report.confirmed(), "{report}");
    assert_eq!(report.session, u128::MAX.to_string());
    assert_eq!(place.read("asked"), ["metadata", "status", "off", "status"]);
    // Whoever waits for the end is told before the machine is switched on again.
    assert!(succeeded(&switch_on(&device, "n2")));
    assert_eq!(place.read("asked").last().unwrap(), "on");
    let told = place.read("told");
    for line in ["action=off", "nodename=n2", "plug=7", "passwd=secret-7"] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:?}");
    }
    assert_eq!(power(&device, "n2").0, Power::On, "a reboot");
    device.reboot = false;
    assert!(fence(&device, "n2", 1).confirmed());
    assert_eq!(power(&device, "n2").0, Power::Off);
    assert!(fence(&device, "n2", 1).confirmed(), "off already");
}

#[test]
fn that_it_does_not_come_back_changes_nothing() {
    let place = Place::new();
    let device = place.device("weak");
    assert!(fence(&device, "n2", 1).confirmed());
    let on = switch_on(&device, "n2");
    assert_eq!((succeeded(&on), on.ended), (false, Ended::Exited(1)));
}

/// Whatever goes wrong, nothing is confirmed.
#[test]
fn nothing_else_confirms() {
    for (how, runs, power, text) in [
        ("fails", 1, Power::Unknown, "off exited with status 1: Failed: cannot login"),
        ("crashes", 1, Power::Unknown, "off was killed by signal 11"),
        // Off succeeded, and the machine is on.
        ("lies", 2, Power::On, "status exited with status 0: Status: ON"),
        // An exit status of "off" without a word may be one of "I did not understand".
        ("dumb", 2, Power::Unknown, "status exited with status 2"),
        ("confused", 2, Power::Unknown, "status exited with status 0: Status: OFF"),
    ] {
        let report = fence(&Place::new().device(how), "n2", 1);
        assert_eq!((report.runs.len(), report.power), (runs, power), "{how}: {report}");
        assert!(!report.confirmed() && report.to_string().contains(text), "{how}: {report}");
        assert!(report.to_string().contains("did not confirm that node \"n2\" is off"), "{report}");
    }
}

#[test]
fn an_agent_that_hangs_is_killed_with_its_children() {
    let place = Place::new();
    let mut device = place.device("hangs");
    device.timeout = 1_000;
    let began = Instant::now();
    let report = fence(&device, "n2", 1);
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!((report.runs.len(), &report.runs[0].ended), (1, &Ended::TooLong));
    for file in ["process", "child"] {
        let process = place.read(file).concat();
        let began = Instant::now();
        while alive(&process) {
            assert!(began.elapsed() < Duration::from_secs(30), "{file} {process} lives");
        }
    }
}

#[test]
fn secrets_are_not_told() {
    let place = Place::new();
    let mut device = place.device("fails");
    device.secrets.insert("passwd".to_owned(), place.file("secret", "secret-7\n", 0o600));
    let report = fence(&device, "n2", 1);
    let text = format!("{report} {report:?} {}", serde_json::to_string(&report).unwrap());
    assert!(text.contains("with ***") && !text.contains("secret-7"), "{text}");
}

#[test]
fn wrong_devices_are_refused_with_a_remedy() {
    let place = Place::new();
    let good = place.device("good");
    good.check().unwrap();
    type Change = Box<dyn Fn(&mut Device)>;
    let agent = |name: &str| -> Change {
        let name = name.to_owned();
        Box::new(move |device| device.agent.clone_from(&name))
    };
    let loose = place.file("fence_loose", AGENT, 0o757).display().to_string();
    let open = place.file("open", "x", 0o644);
    let cases: Vec<(Change, &str)> = vec![
        (Box::new(|device| device.name.clear()), "name: it must not be empty"),
        (agent("fence_nosuch"), "apt install fence-agents"),
        (agent("sbin/fence_x"), "a path must begin with /"),
        (agent("fence_ssh"), "use an agent for its power supply"),
        (agent("/usr/lib/stonith/plugins/external/ssh"), "use an agent for its power supply"),
        (agent("fence_dummy"), "what it confirms says nothing"),
        (agent("fence_scsi"), "its processes and addresses live on"),
        (agent(&loose), "others could change it"),
        (agent("/"), "is no program; name one"),
        (agent("/etc/passwd"), "is no program"),
        (Box::new(|device| device.timeout = 999), "999 ms; allowed are 1000 to 600000"),
        (Box::new(|device| device.nodes.clear()), "it switches no node off"),
        (
            Box::new(|device| drop(device.parameters.insert("action".into(), "on".into()))),
            "parameter action: it is given by stead",
        ),
        (
            Box::new(|device| drop(device.parameters.insert("a\nb".into(), String::new()))),
            "names of parameters have letters",
        ),
        (
            Box::new(|device| drop(device.parameters.insert("ip".into(), "1\naction=on".into()))),
            "a value is one line",
        ),
        (
            Box::new(|device| drop(device.parameters.insert("plug".into(), "1".into()))),
            "nodes.n2.plug: it is in parameters as well",
        ),
        (
            Box::new(move |device| drop(device.secrets.insert("passwd".into(), open.clone()))),
            "others can read it; `chmod 600` it",
        ),
        (
            Box::new(|device| drop(device.secrets.insert("passwd".into(), "/nowhere".into()))),
            "secrets.passwd: /nowhere",
        ),
    ];
    for (change, text) in cases {
        let mut device = good.clone();
        change(&mut device);
        let error = device.check().unwrap_err().to_string();
        assert!(error.starts_with("fence device ") && error.contains(text), "{text}: {error}");
        let report = fence(&device, "n2", 1);
        assert!(matches!(report.runs[0].ended, Ended::NotRun(_)) && !report.confirmed(), "{report}");
    }
    let report = fence(&good, "n3", 1);
    assert!(report.to_string().contains("it does not switch \"n3\" off; it does: n2"), "{report}");
    assert_eq!(place.read("asked"), Vec::<String>::new(), "nothing was run");
    let unknown = serde_json::from_str::<Device>(r#"{"name": "x", "pasword": 1}"#).unwrap_err();
    assert!(unknown.to_string().contains("pasword"), "{unknown}");
}

#[test]
fn what_the_agent_says_of_itself_is_compared() {
    let place = Place::new();
    let mut device = place.device("good");
    device.parameters.insert("colour".to_owned(), "red".to_owned());
    let error = validate(&device).unwrap_err().to_string();
    assert!(error.contains("knows no such parameter; it knows: plug, passwd"), "{error}");
    let error = validate(&place.device("blind")).unwrap_err().to_string();
    assert!(error.contains("knows no action \"status\""), "{error}");
    let error = validate(&place.device("foreign")).unwrap_err().to_string();
    assert!(error.contains("its metadata cannot be read"), "{error}");
    assert!(!place.read("asked").contains(&"off".to_owned()));
}

/// The agents' own library, by the agent that only pretends, under a name that is not refused.
#[test]
fn a_real_agent_keeps_the_contract() {
    let place = Place::new();
    let Ok(text) = fs::read_to_string("/usr/sbin/fence_dummy") else {
        println!("SKIPPED: no fence_dummy here; `apt install fence-agents`");
        return;
    };
    let agent = place.file("fence_real", &text, 0o755);
    let device = Device {
        name: "real".to_owned(),
        agent: agent.display().to_string(),
        parameters: [
            ("status_file".to_owned(), place.path("power").display().to_string()),
            ("type".to_owned(), "file".to_owned()),
            ("power_wait".to_owned(), "0".to_owned()),
        ]
        .into(),
        nodes: [("n2".to_owned(), BTreeMap::new())].into(),
        reboot: false,
        timeout: 60_000,
        ..Device::default()
    };
    fs::write(place.path("power"), "on").unwrap();
    validate(&device).unwrap();
    assert_eq!(power(&device, "n2").0, Power::On, "{:?}", power(&device, "n2"));
    let report = fence(&device, "n2", 1);
    assert!(report.confirmed(), "{report}");
    // One that lacks what it needs says so, and that is not taken for "off".
    let lost = Device { agent: "fence_ipmilan".to_owned(), parameters: BTreeMap::new(), ..device };
    let report = fence(&lost, "n2", 1);
    assert_eq!((report.power, &report.runs[0].ended), (Power::Unknown, &Ended::Exited(1)), "{report}");
    assert_eq!(power(&lost, "n2").0, Power::Unknown);
}
