//! mscs/resource-common-properties, mscs/resource-type-common-properties: whole answers, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::{Node, compile, root};

const ENUM: &str = "ENUM_COMMON_PROPERTIES";
const GET_RO: &str = "GET_RO_COMMON_PROPERTIES";
const GET: &str = "GET_COMMON_PROPERTIES";
const SET: &str = "0x0140005e";
const VALIDATE: &str = "0x01000061";
const FMTS: &str = "GET_COMMON_PROPERTY_FMTS";

/// Those that can be changed and are numbers, with their documented defaults; `PendingTimeout` is what the type here says.
const NUMBERS: [(&str, u32); 11] = [
    ("LooksAlivePollInterval", u32::MAX),
    ("IsAlivePollInterval", u32::MAX),
    ("PendingTimeout", 90_000),
    ("DeadlockTimeout", 300_000),
    ("RestartAction", 2),
    ("RestartThreshold", 3),
    ("RestartPeriod", 900_000),
    ("RestartDelay", 500),
    ("RetryPeriodOnFailure", 3_600_000),
    ("SeparateMonitor", 0),
    ("EmbeddedFailureAction", 2),
];

const OF_TYPES: [(&str, u32); 4] = [
    ("LooksAlivePollInterval", 5_000),
    ("IsAlivePollInterval", 60_000),
    ("PendingTimeout", 180_000),
    ("DeadlockTimeout", 300_000),
];

/// The value of a property, by its format.
#[derive(Clone, Copy)]
enum Value<'a> {
    Dword(u32),
    Sz(&'a str),
    ULargeInteger(u64),
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// Syntax, length, data, padding.
fn entry(bytes: &mut Vec<u8>, syntax: u32, data: &[u8]) {
    bytes.extend([syntax, u32::try_from(data.len()).unwrap()].map(u32::to_le_bytes).concat());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// A property list as it is documented, written without stead's own code.
fn list(properties: &[(&str, Value<'_>)]) -> Vec<u8> {
    let mut bytes = u32::try_from(properties.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in properties {
        entry(&mut bytes, 0x0004_0003, &wide(name));
        match value {
            Value::Dword(number) => entry(&mut bytes, 0x0001_0002, &number.to_le_bytes()),
            Value::Sz(text) => entry(&mut bytes, 0x0001_0003, &wide(text)),
            Value::ULargeInteger(number) => entry(&mut bytes, 0x0001_0006, &number.to_le_bytes()),
        }
        bytes.extend([0; 4]);
    }
    bytes
}

fn multi_sz(names: &[&str]) -> Vec<u8> {
    names.iter().flat_map(|name| wide(name)).chain([0, 0]).collect()
}

/// What stands behind the description.
fn described<'a>(description: &'a str, numbers: &[(&'a str, u32)]) -> Vec<(&'a str, Value<'a>)> {
    let numbers = numbers.iter().map(|(name, number)| (*name, Value::Dword(*number)));
    [("Description", Value::Sz(description))].into_iter().chain(numbers).collect()
}

/// The formats: SZ is 3, DWORD is 2.
fn formats(numbers: &[(&'static str, u32)]) -> Vec<u8> {
    let numbers = numbers.iter().map(|(name, _)| (*name, Value::Dword(2)));
    list(&[("Description", Value::Dword(3))].into_iter().chain(numbers).collect::<Vec<_>>())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The output of a control code that succeeds, in hexadecimal digits.
fn output(node: &Node, kind: &str, name: &str, code: &str, input: &[u8]) -> String {
    let input = hex(input);
    let mut arguments = vec!["--json", kind, "control", name, code];
    if !input.is_empty() {
        arguments.push(&input);
    }
    let answer: serde_json::Value = serde_json::from_str(&node.ok(&arguments)).unwrap();
    assert_eq!(answer["result"]["code"], 0, "{code}: {answer}");
    answer["output"].as_str().unwrap().to_owned()
}

#[test]
fn resource_common_properties() {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("testing/stead-e2e/dll/notices.c");
    let dll = compile(&source, folder.path(), "notices.so", &[]);
    let config = format!(
        "[[type]]\nname = \"Notices\"\ndll = {dll:?}\ndescription = \"tells everything\"\n\
         common = {{ PendingTimeout = 90000 }}\n\
         [[group]]\nname = \"web\"\ndescription = \"the shop\"\n[[group.resource]]\nname = \"r\"\n\
         type = \"Notices\"\ndescription = \"its \\u00fcber server\"\n"
    );
    let mut node = Node::up(&config);
    node.wait("r", "Online");
    let ask = |code: &str| output(&node, "resource", "r", code, &[]);
    let fixed = [
        "Name",
        "Type",
        "PersistentState",
        "MonitorProcessId",
        "StatusInformation",
        "LastOperationStatusCode",
        "ResourceSpecificData1",
        "ResourceSpecificData2",
        "ResourceSpecificStatus",
    ];
    let numbers = NUMBERS.map(|(name, _)| name);
    assert_eq!(ask(ENUM), hex(&multi_sz(&[fixed.as_slice(), &["Description"], &numbers].concat())));
    let monitor = u32::try_from(node.processes("monitor")[0]).unwrap();
    let told = [
        Value::Sz("r"),
        Value::Sz("Notices"),
        Value::Dword(1),
        Value::Dword(monitor),
        Value::ULargeInteger(0),
        Value::ULargeInteger(0),
        Value::ULargeInteger(0x0000_0001_0000_0002),
        Value::ULargeInteger(0),
        Value::Sz("fine"),
    ];
    let told: Vec<(&str, Value<'_>)> = fixed.into_iter().zip(told).collect();
    assert_eq!(ask(GET_RO), hex(&list(&told)));
    assert_eq!(ask(GET), hex(&list(&described("its \u{fc}ber server", &NUMBERS))));
    assert_eq!(ask(FMTS), hex(&formats(&NUMBERS)));

    // Checked, changed, put back to the default; nobody notices but who reads it.
    let process = node.processes("monitor");
    let new = list(&[("description", Value::Sz("old")), ("RestartDelay", Value::Dword(0))]);
    output(&node, "resource", "r", VALIDATE, &new);
    assert_eq!(ask(GET), hex(&list(&described("its \u{fc}ber server", &NUMBERS))), "checked, not changed");
    output(&node, "resource", "r", SET, &new);
    let changed = NUMBERS.map(|(name, number)| (name, if name == "RestartDelay" { 0 } else { number }));
    assert_eq!(ask(GET), hex(&list(&described("old", &changed))));
    let stored: serde_json::Value = serde_json::from_str(&node.ok(&["config"])).unwrap();
    assert_eq!(stored["groups"][0]["resources"][0]["description"], "old");
    assert_eq!(stored["groups"][0]["description"], "the shop");
    assert_eq!(stored["types"][0]["description"], "tells everything");
    let default = [1, 0x0004_0003, 24].map(u32::to_le_bytes).concat();
    let default = [default, wide("Description"), [0x0001_0003, 0, 0].map(u32::to_le_bytes).concat()].concat();
    output(&node, "resource", "r", SET, &default);
    assert_eq!(ask(GET), hex(&list(&described("", &changed))));
    for (name, value, error) in [
        ("Description", Value::Dword(1), "ERROR_INVALID_DATA"),
        ("PersistentState", Value::Dword(0), "ERROR_RESOURCE_PROPERTY_UNCHANGEABLE"),
        ("ResourceSpecificStatus", Value::Sz("x"), "ERROR_RESOURCE_PROPERTY_UNCHANGEABLE"),
    ] {
        let said = node.fails(1, &["resource", "control", "r", SET, &hex(&list(&[(name, value)]))]);
        assert!(said.contains(error), "{name}: {said}");
    }
    node.ok(&["resource", "set", "r", "--description", "new"]);
    node.ok(&["group", "set", "web", "--description", "all of it"]);
    assert_eq!(ask(GET), hex(&list(&described("new", &changed))));
    let stored: serde_json::Value = serde_json::from_str(&node.ok(&["config"])).unwrap();
    assert_eq!(stored["groups"][0]["description"], "all of it");
    let long = "x".repeat(4_097);
    let said = node.fails(5, &["group", "set", "web", "--description", &long]);
    assert!(said.contains("at most 4096"), "{said}");
    assert_eq!((node.state("r"), node.processes("monitor")), ("Online".to_owned(), process));
    assert_eq!(node.end(), 0);
}

#[test]
fn resource_type_common_properties() {
    let mut node = Node::up("[[group]]\nname = \"g\"\n");
    let ask = |code: &str| output(&node, "type", "Generic Script", code, &[]);
    let names = ["Name", "DllName", "Description"];
    let numbers = OF_TYPES.map(|(name, _)| name);
    assert_eq!(ask(ENUM), hex(&multi_sz(&[names.as_slice(), &numbers].concat())));
    let fixed = [("Name", Value::Sz("Generic Script")), ("DllName", Value::Sz(""))];
    assert_eq!(ask(GET_RO), hex(&list(&fixed)));
    assert_eq!(ask(GET), hex(&list(&described("", &OF_TYPES))));
    assert_eq!(ask(FMTS), hex(&formats(&OF_TYPES)));
    assert_eq!(ask("GET_COMMON_RESOURCE_PROPERTY_FMTS"), hex(&formats(&NUMBERS)));
    assert_eq!(node.end(), 0);
}
