//! The checked-in OpenAPI document is the one that is served. `UPDATE=1` rewrites it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

#[test]
fn every_type_of_stead_itself_has_a_fence_class() {
    let classes: Vec<String> = stead_api::BUILTIN_TYPES
        .iter()
        .map(|name| stead_api::fence_class(name, None).0.to_string())
        .collect();
    assert_eq!(classes, ["F1", "F1", "F3", "F2", "F4", "F4", "F4"]);
    let mut doc: stead_api::TypeDoc = serde_json::from_str(r#"{"name": "My Type", "dll": "/x.so"}"#).unwrap();
    assert!(stead_api::fence_class("My Type", Some(&doc)).1.contains("processes alone"));
    doc.fence_class = Some("F5".to_owned());
    assert!(stead_api::fence_class("My Type", Some(&doc)).1.contains("watchdog, and nothing less"));
    doc.accept_no_watchdog = true;
    assert!(stead_api::fence_class("My Type", Some(&doc)).1.contains("ACCEPTED"));
}

#[test]
fn the_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let document = stead_api::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(checked_in == document, "openapi.json is stale: run UPDATE=1 cargo test -p stead-api");
    for verb in ["online", "offline", "move"] {
        assert!(stead_api::GROUP_VERBS.contains(&verb) && document.contains(verb));
    }
}
