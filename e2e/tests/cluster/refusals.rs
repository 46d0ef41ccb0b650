//! Specs that the API server refuses, with a helpful message.

use sc_auth_e2e::kube::{kubectl, scauth};
use serde_json::{Value, json};

/// Applies a ScAuth with this spec.
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
fn the_smallest_specs_are_accepted() {
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
    refused("a", mixed, "with urlFrom or urlFile, the address holds engine, port, name and credentials");
}

#[test]
fn an_embedded_database_has_one_replica() {
    let embedded = json!({"database": {"embedded": {}}});
    refused("a", with(embedded.clone(), "replicas", json!(2)), "an embedded database has one writer");
    assert_eq!(apply("a", with(embedded, "replicas", json!(1)), true), Ok(()));
}

#[test]
fn either_the_spec_or_an_autoscaler_sets_the_number_of_pods() {
    let scaled = with(external(), "autoscaling", json!({"min": 2, "max": 5, "cpu": 300}));
    assert_eq!(apply("a", scaled.clone(), true), Ok(()));
    refused(
        "a",
        with(scaled, "replicas", json!(2)),
        "with spec.autoscaling the autoscaler decides: remove spec.replicas",
    );
    refused("a", with(external(), "autoscaling", json!({"max": 1})), "max must not be less than min (2 by default)");
    let embedded = json!({"database": {"embedded": {}}, "autoscaling": {"max": 3}});
    refused("a", embedded, "an embedded database has one writer: remove spec.autoscaling");
}

#[test]
fn a_pod_template_cannot_break_the_pods() {
    let pod = |template: Value| with(external(), "podTemplate", template);
    let taken = pod(json!({
        "labels": {"team": "billing"}, "annotations": {"linkerd.io/inject": "enabled"}, "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}], "priorityClassName": "high",
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]}}},
        "env": [{"name": "SC_AUTH_LEEWAY", "value": "9s"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "volumes": [{"name": "extra", "configMap": {"name": "extra"}}, {"name": "scratch", "emptyDir": {}}],
        "volumeMounts": [{"name": "extra", "mountPath": "/extra"}],
    }));
    assert_eq!(apply("a", taken, true), Ok(()));
    for (template, sentence) in [
        (json!({"labels": {"app.kubernetes.io/name": "mine"}}), "are the operator's own: it finds the pods by them"),
        (
            json!({"annotations": {"sc-auth.io/image": "mine"}}),
            "annotations that begin with sc-auth.io/ are the operator's own",
        ),
        (json!({"securityContext": {}}), "unknown field \"spec.podTemplate.securityContext\""),
        (json!({"affinity": {"nodeAfinity": {}}}), "unknown field \"spec.podTemplate.affinity.nodeAfinity\""),
        (json!({"env": [{"name": "SC_AUTH_ISSUER", "value": "x"}]}), "this variable is reserved"),
        (json!({"env": [{"name": "DB_PASS_FILE", "value": "x"}]}), "this variable is reserved"),
        (json!({"env": [{"name": "SC_AUTH_DEPLOYMENT_FILE", "value": "x"}]}), "this variable is reserved"),
        (json!({"volumes": [{"name": "keys", "emptyDir": {}}]}), "volumes called keys, admin"),
        (json!({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}), "unknown field"),
        (
            json!({"volumes": [{"name": "a", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]}),
            "the server's pods have no token of a service account",
        ),
        (json!({"volumeMounts": [{"name": "a", "mountPath": "/a"}]}), "each of volumeMounts names one of volumes"),
        (
            json!({"volumes": [{"name": "a", "emptyDir": {}}], "volumeMounts": [{"name": "a", "mountPath": "/run/sc-auth/keys"}]}),
            "those are the operator's own",
        ),
    ] {
        refused("a", pod(template), sentence);
    }
}

#[test]
fn the_interval_of_rotations_is_between_an_hour_and_a_year() {
    for rotation in ["30m", "367d", "8785h", "soon"] {
        let spec = with(external(), "keys", json!({"rotation": rotation}));
        assert!(apply("a", spec, true).is_err(), "{rotation}");
    }
    assert_eq!(apply("a", with(external(), "keys", json!({"rotation": "90d", "algorithm": "ES256"})), true), Ok(()));
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
    for expose in
        [json!({}), json!({"none": {}, "ingress": {"host": "auth.example.com"}}), json!({"trustedProxies": []})]
    {
        refused(
            "a",
            with(external(), "expose", expose),
            "set spec.expose.ingress, or httpRoute, or none, and only one of them",
        );
    }
    for expose in [
        json!({"none": {}, "trustedProxies": ["10.0.0.0/8", "fd00::/8"]}),
        json!({"httpRoute": {"parentRefs": [{"name": "edge", "namespace": "gateways"}], "hostnames": ["auth.example.com"]}}),
        json!({"ingress": {"host": "auth.example.com", "annotations": {"cert-manager.io/cluster-issuer": "a"}, "tls": {}}}),
    ] {
        assert_eq!(apply("a", with(external(), "expose", expose), true), Ok(()));
    }
    let proxies = json!({"none": {}, "trustedProxies": ["10.0.0.1"]});
    refused("a", with(external(), "expose", proxies), "write networks such as 10.0.0.0/8 or fd00::/8");
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
        (json!({"audiences": ["a", "sc-auth/refresh"]}), "sc-auth/refresh is the audience of refresh tokens"),
        (json!({"issuer": "auth.example.com"}), "write an address such as https://auth.example.com"),
    ] {
        refused("a", with(external(), "auth", auth), sentence);
    }
    let small = json!({"limits": {"memory": "32Mi"}});
    refused("a", with(external(), "resources", small), "give spec.resources.limits.memory 64Mi or more");
    refused("a", json!({"database": {"embedded": {"size": "1GB"}}}), "write a size such as 1Gi, 1.5Gi or 500M");
}

#[test]
fn names_and_namespaces_must_suit_all_children() {
    refused(&"a".repeat(53), external(), "at most 52 characters in all");
    refused("a.b", external(), "use a letter, then lower-case letters");
    refused("default", external(), "the namespace would be the cluster's own");
    refused("a", with(external(), "namespace", json!("kube-system")), "default and kube-* are the cluster's own");
}

#[test]
fn an_unknown_field_is_refused() {
    refused("a", with(external(), "replica", json!(2)), "unknown field \"spec.replica\"");
}

#[test]
fn forbidden_changes_are_refused_with_the_reason() {
    let name = "unchanging";
    // Suspended, because size and class can still change while the claim has no volume.
    let embedded = |embedded: Value| json!({"namespace": "one", "suspend": true, "database": {"embedded": embedded}});
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
