//! What the chart can be told.

use serde_json::Value;

use crate::helm::{IMAGES, chart, helm, template, template_of};

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", chart())).unwrap()
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    helm(&["lint", "--strict", &chart()]).unwrap();
}

/// The schema's properties and the values, down to where the schema names no more.
fn compare(path: &str, schema: &Value, values: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let known = properties.keys().filter(|name| *name != "global");
    let described: Vec<_> = values.as_object().unwrap_or_else(|| panic!("{path} is no object")).keys().collect();
    for name in known {
        // What Kubernetes defines may be left out.
        let is_ours = path != ".resources";
        assert!(!is_ours || described.contains(&name), "{path}.{name} stands in the schema alone");
        compare(&format!("{path}.{name}"), &properties[name], &values[name]);
    }
    for name in described {
        assert!(properties.contains_key(name), "{path}.{name} stands in values.yaml alone");
    }
}

#[test]
fn values_and_schema_name_the_same() {
    let schema = serde_json::from_str(&read("values.schema.json")).unwrap();
    compare("", &schema, &serde_yaml::from_str(&read("values.yaml")).unwrap());
}

/// There is no public registry of them, and a default would belong to whoever takes its name.
#[test]
fn the_registry_is_asked_for() {
    for (given, missing) in [(&[][..], "image"), (&IMAGES[..2], "serverImage"), (&IMAGES[2..], "image")] {
        let refusal = template_of(given).unwrap_err();
        let expected = format!("{missing}.repository is needed: no public registry has this image");
        assert!(refusal.contains(&expected), "{given:?}: {refusal}");
    }
    assert!(template(&[]).is_ok());
}

#[test]
fn nonsense_is_refused_and_named() {
    let cases = [
        ("replicas=many", "'/replicas': got string, want integer"),
        ("replica=2", "additional properties 'replica' not allowed"),
        ("image.tag=a b", "'/image/tag'"),
        ("image.digest=sha256:12", "'/image/digest'"),
        ("image.repository=registry.example.com/operator:1", "'/image/repository'"),
        ("image.pullPolicy=Sometimes", "'Always', 'IfNotPresent', 'Never'"),
        ("resync=soon", "'/resync'"),
        ("crds.keep=perhaps", "'/crds/keep': got string, want boolean"),
        ("env[0].name=SERVER_IMAGE", "'/env/0/name'"),
        ("serviceAccount.create=false", "serviceAccount.name is needed where serviceAccount.create is false"),
    ];
    for (value, expected) in cases {
        let refusal = template(&["--set", value]).expect_err(value);
        assert!(refusal.contains(expected), "{value}: {refusal}");
    }
    let digest = format!("image.digest=sha256:{}", "0a".repeat(32));
    let text = template(&["--set", &digest, "--set", "image.repository=localhost:5000/operator"]).unwrap();
    assert!(text.contains(&format!("image: localhost:5000/operator@sha256:{}\n", "0a".repeat(32))));
}
