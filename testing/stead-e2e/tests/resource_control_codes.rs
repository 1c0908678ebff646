//! mscs/resource-control-codes: those that the monitor answers where the resource DLL does not.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::Node;

const ENUM_COMMON: &str = "0x01000051";
const GET_RO_COMMON: &str = "0x01000055";
const GET_COMMON: &str = "0x01000059";
const SET_COMMON: &str = "0x0140005e";
const VALIDATE_COMMON: &str = "0x01000061";
const COMMON_FMTS: &str = "0x01000065";
const PRIVATE_FMTS: &str = "0x0100008d";

fn node() -> Node {
    let node = Node::up(
        r#"
[[group]]
name = "web"
[[group.resource]]
name = "app"
type = "Generic Application"
common = { RestartThreshold = 7 }
properties = { CommandLine = "sleep infinity" }
"#,
    );
    node.wait("app", "Online");
    node
}

/// The bytes of hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    hex.as_bytes().chunks(2).map(byte).collect()
}

/// The output of a control code that succeeds.
fn output(node: &Node, code: &str, input: &[u8]) -> Vec<u8> {
    let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut arguments = vec!["resource", "control", "app", code];
    if !input.is_empty() {
        arguments.push(&hex);
    }
    let answer: serde_json::Value =
        serde_json::from_str(&node.ok(&[&["--json"], arguments.as_slice()].concat())).unwrap();
    assert_eq!(answer["result"]["code"], 0, "{code}: {answer}");
    bytes(answer["output"].as_str().unwrap())
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// A property list with one DWORD, as resource-property lists are laid out.
fn list(name: &str, value: u32) -> Vec<u8> {
    let name = wide(name);
    let mut bytes = [1u32, 0x0004_0003, u32::try_from(name.len()).unwrap()].map(u32::to_le_bytes).concat();
    bytes.extend(&name);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend([0x0001_0002, 4, value, 0].map(u32::to_le_bytes).concat());
    bytes
}

/// The DWORD behind a name in a property list.
fn dword(bytes: &[u8], name: &str) -> u32 {
    let name = wide(name);
    let at = bytes.windows(name.len()).position(|window| window == name).expect("the property is there");
    let value = (at + name.len()).next_multiple_of(4);
    assert_eq!(bytes[value..value + 8], [0x0001_0002u32, 4].map(u32::to_le_bytes).concat());
    u32::from_le_bytes(bytes[value + 8..value + 12].try_into().unwrap())
}

#[test]
fn common_properties_are_read_changed_and_refused() {
    let mut node = node();
    let names = String::from_utf16(
        &output(&node, ENUM_COMMON, &[])
            .chunks(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    for expected in
        ["Name", "Type", "StatusInformation", "PendingTimeout", "RestartThreshold", "SeparateMonitor"]
    {
        assert!(names.contains(&expected), "{expected}: {names:?}");
    }
    let common = output(&node, GET_COMMON, &[]);
    assert_eq!(dword(&common, "RestartThreshold"), 7);
    assert_eq!(dword(&common, "RestartAction"), 2, "a default is told too");
    assert_eq!(dword(&output(&node, COMMON_FMTS, &[]), "RestartThreshold"), 2, "CLUSPROP_FORMAT_DWORD");
    let fixed = output(&node, GET_RO_COMMON, &[]);
    let type_name = wide("Generic Application");
    assert!(fixed.windows(type_name.len()).any(|window| window == type_name));

    output(&node, VALIDATE_COMMON, &list("RestartThreshold", 9));
    assert_eq!(dword(&output(&node, GET_COMMON, &[]), "RestartThreshold"), 7, "checked, not changed");
    output(&node, SET_COMMON, &list("RestartThreshold", 9));
    assert_eq!(dword(&output(&node, GET_COMMON, &[]), "RestartThreshold"), 9);
    // A change that comes back to the resource by the way the call went.
    output(&node, SET_COMMON, &list("LooksAlivePollInterval", 1_000));
    assert_eq!(dword(&output(&node, GET_COMMON, &[]), "LooksAlivePollInterval"), 1_000);
    let config: serde_json::Value = serde_json::from_str(&node.ok(&["config"])).unwrap();
    assert_eq!(config["groups"][0]["resources"][0]["common"]["RestartThreshold"], 9, "{config}");

    for (input, expected) in [
        (list("RestartAction", 3), "ERROR_INVALID_PARAMETER"),
        (list("Nonsense", 3), "ERROR_INVALID_PARAMETER"),
        (list("StatusInformation", 3), "ERROR_RESOURCE_PROPERTY_UNCHANGEABLE"),
        (vec![1, 0, 0], "ERROR_INSUFFICIENT_BUFFER"),
        (vec![1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0], "ERROR_INVALID_DATA"),
    ] {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        let said = node.fails(1, &["resource", "control", "app", SET_COMMON, &hex]);
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(node.state("app"), "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn codes_of_a_type_are_answered_without_any_resource_of_it() {
    let mut node = node();
    let ask = |name: &str, code: &str| {
        let said = node.ok(&["--json", "type", "control", name, code]);
        let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(answer["result"]["code"], 0, "{code}: {answer}");
        answer["output"].as_str().unwrap().to_owned()
    };
    // mscs/resource-type-control-codes: common properties, formats, characteristics, class.
    let common = bytes(&ask("Generic Script", "0x02000059"));
    assert_eq!(dword(&common, "PendingTimeout"), 180_000);
    assert_eq!(dword(&bytes(&ask("Generic Application", "0x02000091")), "CommandLine"), 3);
    assert_eq!(ask("Generic Script", "0x02000005"), "00000000", "no quorum");
    assert_eq!(ask("Generic Script", "0x0200000d"), "0000000000000000");
    assert_eq!(ask("Generic Script", "0x020001b9"), "", "may be deleted");
    let said = node.fails(1, &["type", "control", "Generic Script", "0x02000195"]);
    assert!(said.contains("ERROR_INVALID_FUNCTION"), "{said}");
    let said = node.fails(1, &["type", "control", "Generic Script", "0x01000005"]);
    assert!(said.contains("ERROR_INVALID_PARAMETER"), "a code of a resource: {said}");
    let said = node.fails(3, &["type", "control", "Nonsense", "0x02000005"]);
    assert!(said.contains("stead type list"), "{said}");
    assert_eq!(node.state("app"), "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_code_is_known_by_its_documented_name() {
    let mut node = node();
    assert_eq!(output(&node, "GET_RESOURCE_TYPE", &[]), wide("Generic Application"));
    assert_eq!(output(&node, "CLUSCTL_RESOURCE_GET_ID", &[]), wide("app"));
    let said = node.fails(2, &["resource", "control", "app", "GET_NAEM"]);
    assert!(said.contains("did you mean GET_NAME?"), "{said}");
    let said = node.fails(2, &["type", "control", "Generic Script", "GET_CLAS_INFO"]);
    assert!(said.contains("did you mean GET_CLASS_INFO?"), "{said}");
    assert_eq!(node.ok(&["type", "control", "Generic Script", "get-class-info"]).trim(), "0000000000000000");
    let help = node.ok(&["resource", "control", "--help"]);
    assert!(help.contains("0x01000081  GET_PRIVATE_PROPERTIES"), "{help}");
    assert_eq!(node.end(), 0);
}

#[test]
fn formats_of_private_properties_are_those_of_the_type() {
    let mut node = node();
    let formats = output(&node, PRIVATE_FMTS, &[]);
    assert_eq!(dword(&formats, "CommandLine"), 3, "CLUSPROP_FORMAT_SZ");
    assert_eq!(dword(&formats, "StopGracePeriod"), 2, "CLUSPROP_FORMAT_DWORD");
    assert_eq!(node.end(), 0);
}
