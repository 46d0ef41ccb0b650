//! What the API server refuses by itself, with a sentence that helps.

use serde_json::{Value, json};

use crate::common::kube::{kubectl, scauth};

/// A ScAuth with that spec, as the API server would take it.
fn apply(name: &str, spec: Value, dry_run: bool) -> Result<(), String> {
    let manifest = scauth(name, spec);
    let mut arguments = vec!["apply", "-f", "-"];
    if dry_run {
        arguments.push("--dry-run=server");
    }
    let output = kubectl(&arguments, &manifest.to_string());
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

fn refused(name: &str, spec: Value, sentence: &str) {
    let error = apply(name, spec.clone(), true).err().unwrap_or_else(|| panic!("{spec} was taken"));
    assert!(error.contains(sentence), "{spec}: {error}");
}

fn external() -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db-app", "key": "uri"}}}})
}

/// `base` with one more field at the top of the spec.
fn with(mut base: Value, field: &str, value: Value) -> Value {
    base[field] = value;
    base
}

#[test]
fn the_smallest_specs_are_taken() {
    for spec in [
        json!({"database": {"embedded": {}}}),
        external(),
        json!({"database": {"external": {"host": "db", "name": "auth", "credentialsFrom": {"name": "db"}}}}),
    ] {
        assert_eq!(apply("smallest", spec, true), Ok(()));
    }
}

#[test]
fn there_is_exactly_one_database() {
    let sentence = "set exactly one of spec.database.embedded and spec.database.external";
    refused("a", json!({"database": {}}), sentence);
    let mut both = external();
    both["database"]["embedded"] = json!({});
    refused("a", both, sentence);
    refused("a", json!({}), "spec.database: Required value");
    refused("a", json!({"database": {"external": {}}}), "set either urlFrom");
    refused(
        "a",
        json!({"database": {"external": {"host": "db"}}}),
        "with host, name and credentialsFrom are needed too",
    );
    let mut mixed = external();
    mixed["database"]["external"]["port"] = json!(5432);
    refused("a", mixed, "with urlFrom, the address holds engine, port, name and credentials");
}

#[test]
fn an_embedded_database_has_one_replica() {
    let embedded = json!({"database": {"embedded": {}}});
    refused("a", with(embedded.clone(), "replicas", json!(2)), "an embedded database has one writer");
    assert_eq!(apply("a", with(embedded, "replicas", json!(1)), true), Ok(()));
}

#[test]
fn a_host_is_a_bare_host_name() {
    for host in [
        "https://auth.example.com",
        "auth.example.com/login",
        "Auth.Example.com",
        "a_b.example.com",
        "*.example.com",
        "-a.com",
    ] {
        let spec = with(external(), "expose", json!({"ingress": {"host": host}}));
        refused("a", spec, "is the bare host name");
    }
    let spec = with(external(), "expose", json!({"ingress": {"host": "auth.example.com", "className": "traefik"}}));
    assert_eq!(apply("a", spec, true), Ok(()));
    refused("a", with(external(), "expose", json!({})), "set spec.expose.ingress, or remove spec.expose");
}

#[test]
fn lifetimes_sizes_and_audiences_are_bounded() {
    for (auth, sentence) in [
        (json!({"accessTokenTtl": "2d"}), "spec.auth.accessTokenTtl is at most 1d"),
        (json!({"accessTokenTtl": "soon"}), "write a duration such as 90s, 15m or 1h"),
        (json!({"refreshTokenTtl": "400d"}), "spec.auth.refreshTokenTtl is at most 366d"),
        (json!({"refreshTokenTtl": "30m"}), "must not be shorter than accessTokenTtl"),
        (json!({"sessionTtl": "400d"}), "spec.auth.sessionTtl is at most 366d"),
        (json!({"sessionTtl": "29d"}), "must not be shorter than refreshTokenTtl"),
        (json!({"registration": "Domains"}), "registrationDomains goes together with registration: Domains"),
        (
            json!({"registration": "Domains", "registrationDomains": ["@example.com"]}),
            "write domains such as example.com",
        ),
        (json!({"corsOrigins": ["https://app.example.com/path"]}), "without a path"),
        (json!({"password": {"minLength": 0}}), "should be greater than or equal to 1"),
        (json!({"audiences": ["a,b"]}), "without spaces and commas"),
        (json!({"issuer": "auth.example.com"}), "write an address such as https://auth.example.com"),
    ] {
        refused("a", with(external(), "auth", auth), sentence);
    }
    let small = json!({"limits": {"memory": "32Mi"}});
    refused("a", with(external(), "resources", small), "give spec.resources.limits.memory 64Mi or more");
    refused("a", json!({"database": {"embedded": {"size": "1GB"}}}), "write a size such as 1Gi or 500Mi");
}

#[test]
fn names_and_namespaces_must_suit_all_children() {
    refused(&"a".repeat(53), external(), "at most 52 characters in all");
    refused("a.b", external(), "use a letter, then lower-case letters");
    refused("default", external(), "the namespace would be the cluster's own");
    refused("a", with(external(), "namespace", json!("kube-system")), "default and kube-* are the cluster's own");
}

#[test]
fn a_field_that_does_not_exist_is_not_ignored() {
    refused("a", with(external(), "replica", json!(2)), "unknown field \"spec.replica\"");
}

#[test]
fn what_cannot_change_is_refused_with_the_reason() {
    let name = "unchanging";
    let embedded = |embedded: Value| json!({"namespace": "one", "database": {"embedded": embedded}});
    let before = embedded(json!({"size": "2Gi", "storageClassName": "local"}));
    kubectl(&["delete", "scauth", name, "--ignore-not-found"], "");
    assert_eq!(apply(name, before.clone(), false), Ok(()));

    let moved = with(before.clone(), "namespace", json!("two"));
    refused(name, moved, "spec.namespace cannot change");
    let mut nowhere = before.clone();
    nowhere.as_object_mut().unwrap().remove("namespace");
    // Client-side apply sees that the field was dropped.
    refused(name, nowhere, "spec.namespace cannot change");
    let mut other = external();
    other["namespace"] = json!("one");
    refused(name, other, "a database cannot become embedded or external later");
    refused(name, embedded(json!({"size": "1Gi", "storageClassName": "local"})), "size can only grow");
    refused(name, embedded(json!({"storageClassName": "local"})), "size can only grow");
    refused(name, embedded(json!({"size": "2Gi", "storageClassName": "fast"})), "storageClassName cannot change");
    refused(name, embedded(json!({"size": "2Gi"})), "storageClassName cannot change");
    assert_eq!(apply(name, embedded(json!({"size": "3Gi", "storageClassName": "local"})), true), Ok(()));

    assert!(kubectl(&["delete", "scauth", name], "").status.success());
}
