//! The values of the chart.

use serde_json::Value;

use crate::helm::{IMAGES, chart, helm, template, template_of};

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", chart())).unwrap()
}

#[test]
fn helm_lint_finds_no_problems() {
    helm(&["lint", "--strict", &chart()]).unwrap();
}

/// Compares the schema's properties with the values, as deep as the schema goes.
fn compare(path: &str, schema: &Value, values: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let described: Vec<_> = values.as_object().unwrap_or_else(|| panic!("{path} is no object")).keys().collect();
    for name in properties.keys() {
        // Fields that Kubernetes defines may be omitted.
        let is_ours = ![".resources", ".podSecurityContext", ".securityContext", ".dnsConfig"].contains(&path);
        assert!(!is_ours || described.contains(&name), "{path}.{name} is only in the schema");
        compare(&format!("{path}.{name}"), &properties[name], &values[name]);
    }
    for name in described {
        assert!(properties.contains_key(name), "{path}.{name} is only in values.yaml");
    }
}

#[test]
fn values_and_schema_agree() {
    let schema = serde_json::from_str(&read("values.schema.json")).unwrap();
    compare("", &schema, &serde_yaml::from_str(&read("values.yaml")).unwrap());
}

/// The values that the README's table lists, with their defaults.
fn listed() -> Vec<(String, Value)> {
    let text = read("README.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (path, rest) = row.split_once("` | `").unwrap_or_else(|| panic!("{row} has no default"));
        let default = serde_yaml::from_str(rest.split_once("` | ").unwrap().0).unwrap();
        (path.to_owned(), default)
    })
    .collect()
}

/// Adds the paths of the values that neither the table nor a row above them lists.
fn collect_unlisted(path: &str, value: &Value, listed: &[(String, Value)], unlisted: &mut Vec<String>) {
    if listed.iter().any(|(name, _)| name == path) {
        return;
    }
    match value.as_object() {
        Some(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect_unlisted(&path, value, listed, unlisted);
            }
        }
        _ => unlisted.push(path.to_owned()),
    }
}

#[test]
fn the_readme_lists_every_value_with_its_default() {
    let values: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let listed = listed();
    assert!(listed.len() > 20, "{listed:?}");
    for (path, default) in &listed {
        let value = values.pointer(&format!("/{}", path.replace('.', "/")));
        assert_eq!(value, Some(default), "{path}");
    }
    let mut unlisted = Vec::new();
    collect_unlisted("", &values, &listed, &mut unlisted);
    assert_eq!(unlisted, Vec::<String>::new());
}

/// The images are not in a public registry, and anybody could register the name of a default.
#[test]
fn the_registry_is_required() {
    for (given, missing) in [(&[][..], "image"), (&IMAGES[..2], "serverImage"), (&IMAGES[2..], "image")] {
        let refusal = template_of(given).unwrap_err();
        let expected = format!("{missing}.repository is needed: no public registry has this image");
        assert!(refusal.contains(&expected), "{given:?}: {refusal}");
    }
    assert!(template(&[]).is_ok());
    let refusal = template_of(&["--set", "global.imageRegistry=mirror.example.com"]).unwrap_err();
    assert!(refusal.contains("image.repository is needed"), "{refusal}");
}

#[test]
fn invalid_values_are_refused_and_named() {
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
        ("extraArgs[0]=--resync=5m", "'/extraArgs/0'"),
        ("extraArgs[0]=--openshift", "'/extraArgs/0'"),
        ("env[0].name=OPENSHIFT", "'/env/0/name'"),
        ("extraArgs[0]=diff", "'/extraArgs/0'"),
        ("nameOverride=Auth", "'/nameOverride'"),
        (r"podLabels.app\.kubernetes\.io/name=auth", "'/podLabels/app.kubernetes.io~1name'"),
        (r"commonLabels.app\.kubernetes\.io/instance=auth", "'/commonLabels/app.kubernetes.io~1instance'"),
        ("podSecurityContext.runAsNonroot=true", "additional properties 'runAsNonroot' not allowed"),
        ("securityContext.runAsUser=me", "'/securityContext/runAsUser'"),
        ("openshift=perhaps", "'/openshift'"),
        ("dnsConfig.policy=None", "additional properties 'policy' not allowed"),
        ("global.imageRegistry=https://mirror.example.com", "'/global/imageRegistry'"),
        ("global.imageRegistry=mirror.example.com/", "'/global/imageRegistry'"),
        ("metrics.serviceMonitor.relabelings[0].source=node", "additional properties 'source' not allowed"),
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
