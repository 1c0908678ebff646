//! The chapter on shipped types is about the types that are shipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;

use stead_clusres::{
    FileSystem, GenericApplication, GenericScript, GenericService, IpAddress, Ipv6Address, OcfAgent, builtin,
};
use stead_resapi::{CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES, decode_multi_sz};
use stead_sdk::Resource;
use stead_sdk::testing::Harness;

/// The names of a type's properties, as it tells them itself.
fn properties<T: Resource>() -> Vec<String> {
    let opened = Harness::<T>::new("book").open().unwrap();
    let (code, output, _) = opened.control(CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES, &[], 4096);
    assert_eq!(code, 0);
    let units: Vec<u16> = output.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    decode_multi_sz(&units)
}

#[test]
fn every_type_and_property_is_told_and_every_example_fits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/resource-types.md");
    let book = fs::read_to_string(path).unwrap();
    let types: [(&str, Vec<String>, bool); 7] = [
        (GenericApplication::TYPE_NAME, properties::<GenericApplication>(), false),
        (GenericScript::TYPE_NAME, properties::<GenericScript>(), true),
        (GenericService::TYPE_NAME, properties::<GenericService>(), false),
        (FileSystem::TYPE_NAME, properties::<FileSystem>(), false),
        (IpAddress::TYPE_NAME, properties::<IpAddress>(), false),
        (Ipv6Address::TYPE_NAME, properties::<Ipv6Address>(), false),
        (OcfAgent::TYPE_NAME, properties::<OcfAgent>(), true),
    ];
    let shipped: Vec<&str> = builtin().iter().map(|(name, _)| *name).collect();
    assert_eq!(shipped, types.each_ref().map(|(name, ..)| *name));
    for (name, known, open_ended) in types {
        let chapter =
            book.split(&format!("\n## {name}\n")).nth(1).unwrap_or_else(|| panic!("no chapter {name}"));
        let chapter = chapter.split("\n## ").next().unwrap();
        for property in &known {
            assert!(chapter.contains(&format!("`{property}`")), "{name}: {property} is not told");
        }
        let example =
            chapter.split("```toml\n").nth(1).and_then(|text| text.split("```").next()).expect(name);
        let example: toml::Table =
            toml::from_str(&format!("[[group]]\nname = \"g\"\n{example}")).expect(name);
        let resource = &example["group"][0]["resource"][0];
        assert_eq!(resource["type"].as_str(), Some(name));
        for property in resource["properties"].as_table().unwrap().keys() {
            assert!(open_ended || known.contains(property), "{name}: the example sets {property}");
        }
    }
}
