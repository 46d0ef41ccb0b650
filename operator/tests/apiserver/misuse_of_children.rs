//! More ways to get a spec wrong: what the operator passes on to the children, and what the API server would refuse only in
//! them.

use serde_json::{Value, json};

use crate::harness::admin;
use crate::misuse::{ingress, pod, refusal, route, with};

const KEY: &str = "write keys of at most 63 characters, such as team or example.com/team";
const PEER: &str = "a peer has either ipBlock, or podSelector or namespaceSelector or both";
const PARENTS: &str =
    "name each Gateway or listener in parentRefs once: items with one Gateway have different sectionNames";
const OBJECT: &str = "the name of a Secret or ConfigMap has lower-case letters, digits, hyphens and dots";

fn expose(part: Value) -> Value {
    let mut spec = ingress(json!({}));
    spec["expose"].as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    spec
}

fn volume(source: Value) -> Value {
    let mut volume = json!({"name": "a"});
    volume.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    pod(json!({"volumes": [volume]}))
}

fn variable(source: Value) -> Value {
    pod(json!({"env": [{"name": "A", "valueFrom": source}]}))
}

fn peer(list: &str, peer: Value) -> Value {
    json!({"networkPolicy": {list: [peer]}})
}

fn parents(parents: Value) -> Value {
    route(parents, json!(["a.test"]))
}

fn spread(key: &str, when: &str) -> Value {
    json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when})
}

fn min_domains(when: &str) -> Value {
    let mut constraint = spread("zone", when);
    constraint["minDomains"] = json!(2);
    constraint
}

fn keys() -> Vec<Value> {
    let long = "a".repeat(64);
    let route = |annotations: Value| {
        let mut spec = route(json!([{"name": "a"}]), json!(["a.test"]));
        spec["expose"]["httpRoute"]["annotations"] = annotations;
        spec
    };
    vec![
        pod(json!({"labels": {"team name": "a"}})),
        pod(json!({"labels": {"": "a"}})),
        pod(json!({"labels": {"-team": "a"}})),
        pod(json!({"labels": {"Example.com/team": "a"}})),
        pod(json!({"labels": {"a/b/c": "a"}})),
        pod(json!({"labels": {"a..b/team": "a"}})),
        pod(json!({"labels": {"a.-b/team": "a"}})),
        pod(json!({"labels": {(format!("{}/team", "a".repeat(254))): "a"}})),
        pod(json!({"annotations": {"A..b/team": "a"}})),
        json!({"service": {"annotations": {"a-.b/team": "a"}}}),
        pod(json!({"labels": {"example.com/": "a"}})),
        pod(json!({"labels": {(long.clone()): "a"}})),
        pod(json!({"annotations": {"a b": "a"}})),
        pod(json!({"annotations": {"example.com/a/b": "a"}})),
        pod(json!({"nodeSelector": {"disk type": "ssd"}})),
        json!({"namespaceLabels": {"team name": "a"}}),
        json!({"namespaceAnnotations": {"a:b": "a"}}),
        json!({"serviceAccountAnnotations": {"eks.amazonaws.com/role arn": "a"}}),
        json!({"service": {"annotations": {"a b": "a"}}}),
        json!({"monitoring": {"labels": {"release!": "a"}}}),
        ingress(json!({"annotations": {"cert-manager.io/cluster issuer": "a"}})),
        expose(json!({"labels": {"_team": "a"}})),
        route(json!({"external-dns.alpha.kubernetes.io/": "a"})),
    ]
}

fn others() -> Vec<(Value, &'static str)> {
    let toleration = |toleration: Value| pod(json!({"tolerations": [toleration]}));
    vec![
        // Namespace and Ingress.
        (
            json!({"namespaceLabels": {"pod-security.kubernetes.io/enforce-version": "1.33"}}),
            "a Pod Security version is latest",
        ),
        (
            json!({"namespaceLabels": {"pod-security.kubernetes.io/warn-version": "newest"}}),
            "a Pod Security version is latest",
        ),
        (
            ingress(json!({"className": "a", "annotations": {"kubernetes.io/ingress.class": "a"}})),
            "set className or the annotation kubernetes.io/ingress.class, not both",
        ),
        (ingress(json!({"host": "192.0.2.1"})), "spec.expose.ingress.host is a host name, not an address"),
        (route(json!([{"name": "a"}]), json!(["192.0.2.1"])), "write host names in hostnames, not addresses"),
        // DNS and volumes.
        (pod(json!({"dnsConfig": {"searches": ["a_.test/b"]}})), "write search domains such as svc.cluster.local"),
        (pod(json!({"dnsConfig": {"searches": ["A.test"]}})), "write search domains such as svc.cluster.local"),
        (volume(json!({"csi": {"driver": "a driver"}})), "write the name of a CSI driver"),
        (volume(json!({"csi": {"driver": "a".repeat(64)}})), "write the name of a CSI driver"),
        (volume(json!({"csi": {"driver": "a", "nodePublishSecretRef": {"name": "A"}}})), OBJECT),
        (volume(json!({"secret": {"secretName": "A"}})), OBJECT),
        (volume(json!({"secret": {}})), "a volume from a Secret needs secretName"),
        (volume(json!({"configMap": {"name": "a/b"}})), OBJECT),
        (volume(json!({"projected": {"sources": [{"secret": {"name": "A"}}]}})), OBJECT),
        (volume(json!({"projected": {"sources": [{"configMap": {"name": "a b"}}]}})), OBJECT),
        // Variables.
        (variable(json!({"secretKeyRef": {"name": "A", "key": "a"}})), OBJECT),
        (variable(json!({"configMapKeyRef": {"name": "A", "key": "a"}})), OBJECT),
        (variable(json!({"secretKeyRef": {"name": "a", "key": "a/b"}})), "a key of a Secret or ConfigMap has letters"),
        (variable(json!({"fieldRef": {"fieldPath": "metadata.nam"}})), "write a fieldPath such as metadata.name"),
        (variable(json!({"resourceFieldRef": {"resource": "limits.memori"}})), "or a resource such as limits.memory"),
        // Peers and Gateways.
        (peer("ingressFrom", json!({})), PEER),
        (peer("ingressFrom", json!({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}})), PEER),
        (json!({"monitoring": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "namespaceSelector": {}}]}}), PEER),
        (json!({"networkPolicy": {"egressTo": [{"to": [{"podSelector": {}}, {}]}]}}), PEER),
        (parents(json!([{"name": "edge"}, {"name": "edge", "sectionName": "web"}])), PARENTS),
        (parents(json!([{"name": "edge", "port": 443}, {"name": "edge", "port": 8443}])), PARENTS),
        (
            parents(
                json!([{"name": "edge", "sectionName": "web"}, {"name": "edge", "sectionName": "web", "port": 443}]),
            ),
            PARENTS,
        ),
        (
            parents(json!([{"name": "a", "namespace": "n"}, {"name": "a", "namespace": "n", "sectionName": "web"}])),
            PARENTS,
        ),
        // Spread constraints.
        (
            pod(
                json!({"topologySpreadConstraints": [spread("zone", "ScheduleAnyway"), spread("zone", "ScheduleAnyway")]}),
            ),
            "name each topologyKey in topologySpreadConstraints once for each whenUnsatisfiable",
        ),
        (
            pod(json!({"topologySpreadConstraints": [min_domains("ScheduleAnyway")]})),
            "minDomains needs whenUnsatisfiable DoNotSchedule",
        ),
        // Projected volumes.
        (volume(json!({"projected": {"sources": [{}]}})), "each of sources has exactly one kind"),
        (
            volume(json!({"projected": {"sources": [{"secret": {"name": "a"}, "configMap": {"name": "a"}}]}})),
            "each of sources has exactly one kind",
        ),
        (
            volume(json!({"projected": {"sources": [{"serviceAccountToken": {"path": "a"}}]}})),
            "the server's pods have no token of a service account",
        ),
        // Tolerations.
        (toleration(json!({"operator": "Equal", "value": "a"})), "a toleration without a key has the operator Exists"),
        (toleration(json!({"key": "a", "operator": "Exists", "value": "b"})), "with the operator Exists has no value"),
        (toleration(json!({"key": "a", "tolerationSeconds": 5})), "tolerationSeconds needs the effect NoExecute"),
    ]
}

#[tokio::test]
async fn each_misuse_of_a_child_is_refused_at_once_with_one_sentence() {
    let client = admin().await;
    let keys = keys().into_iter().map(|part| (part, KEY));
    for (part, wanted) in keys.chain(others()) {
        let sentences = refusal(&client, &with(&part)).await;
        assert!(sentences.len() == 1 && sentences[0].contains(wanted), "{part}: {sentences:?}, not: {wanted}");
    }
}

/// The API server's own sentences, which name the right words.
#[tokio::test]
async fn a_wrong_word_in_a_field_of_kubernetes_is_refused_with_the_right_ones() {
    let client = admin().await;
    let toleration = |toleration: Value| pod(json!({"tolerations": [toleration]}));
    let on_nodes = |expression: Value| {
        let terms = json!([{"matchExpressions": [expression]}]);
        let required = json!({"nodeSelectorTerms": terms});
        pod(json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}))
    };
    let near = |term: Value| {
        pod(json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}))
    };
    let spread = |constraint: Value| pod(json!({"topologySpreadConstraints": [constraint]}));
    let peer = |one: Value| peer("ingressFrom", one);
    let port = |port: Value| json!({"networkPolicy": {"egressTo": [{"ports": [{"port": port}]}]}});
    let temporary = |limit: Value| volume(json!({"emptyDir": {"sizeLimit": limit}}));
    let divided =
        |divisor: Value| variable(json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": divisor}}));
    let selector = |operator: &str| json!({"matchExpressions": [{"key": "a", "operator": operator, "values": ["b"]}]});
    for (part, wanted) in [
        (toleration(json!({"key": "a", "operator": "In"})), r#""Equal", "Exists""#),
        (toleration(json!({"key": "a", "effect": "NoRun"})), r#""NoExecute", "NoSchedule""#),
        (toleration(json!({"key": "a b"})), "should match"),
        (on_nodes(json!({"key": "a", "operator": "Equals", "values": ["b"]})), r#""In", "Lt", "NotIn""#),
        (on_nodes(json!({"key": "a b", "operator": "Exists"})), "should match"),
        (near(json!({"topologyKey": "zone", "labelSelector": selector("Gt")})), r#""In", "NotIn""#),
        (near(json!({"topologyKey": ""})), "should match"),
        (
            spread(json!({"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"})),
            "greater than or equal to 1",
        ),
        (
            spread(json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "Wait"})),
            r#""DoNotSchedule", "ScheduleAnyway""#,
        ),
        (peer(json!({"podSelector": selector("Equals")})), r#""In", "NotIn""#),
        (peer(json!({"ipBlock": {"cidr": "10.0.0.1"}})), "should match"),
        (
            json!({"networkPolicy": {"egressTo": [{"ports": [{"protocol": "tcp", "port": 53}]}]}}),
            r#""SCTP", "TCP", "UDP""#,
        ),
        (volume(json!({"secret": {"secretName": "a", "defaultMode": 999}})), "less than or equal to 511"),
        // Numbers that the operator could not read, and quantities that are none.
        (port(json!(5_432_543_254_i64)), "less than or equal to 65535"),
        (port(json!(0)), "greater than or equal to 1"),
        (port(json!("Postgres")), "should match"),
        (port(json!("5432")), "should match"),
        (port(json!("a-name-that-is-too-long")), "may not be more than 15 bytes"),
        (
            spread(json!({"maxSkew": 3_000_000_000_i64, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"})),
            "less than or equal to 2147483647",
        ),
        (
            spread(
                json!({"maxSkew": 1, "minDomains": 3_000_000_000_i64, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}),
            ),
            "less than or equal to 2147483647",
        ),
        (
            toleration(json!({"key": "a", "effect": "NoExecute", "tolerationSeconds": i64::MAX})),
            "less than or equal to",
        ),
        (temporary(json!("lots")), "should match"),
        (temporary(json!("-1Gi")), "should match"),
        (temporary(json!(-5)), "greater than or equal to 0"),
        (temporary(json!(i64::MAX)), "less than or equal to"),
        (divided(json!("1x")), "should match"),
        (divided(json!(2)), "less than or equal to 1"),
    ] {
        let sentences = refusal(&client, &with(&part)).await;
        assert!(sentences.first().is_some_and(|first| first.contains(wanted)), "{part}: {sentences:?}, not: {wanted}");
    }
}

#[tokio::test]
async fn right_keys_names_and_words_are_accepted() {
    let client = admin().await;
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}, {"key": "cores", "operator": "Gt", "values": ["2"]}]},
    ]}}});
    let fields =
        ["metadata.labels['a.test/b']", "metadata.annotations['c']", "spec.nodeName", "status.hostIP", "status.podIPs"];
    let fields: Vec<_> = fields
        .iter()
        .enumerate()
        .map(|(number, path)| json!({"name": format!("F{number}"), "valueFrom": {"fieldRef": {"fieldPath": path}}}))
        .collect();
    for part in [
        pod(json!({"labels": {"a": "b", "Team_1.x": "c", "example.com/Team-a": "d", ("a".repeat(63)): ""}})),
        pod(json!({"labels": {"a--b.c-1.test/team": "a", (format!("{}/{}", "a".repeat(253), "b".repeat(63))): "a"}})),
        pod(
            json!({"annotations": {"Example.com/a": "b c", "a": "", "traffic.sidecar.istio.io/excludeOutboundPorts": "5432"}}),
        ),
        json!({"namespaceLabels": {"pod-security.kubernetes.io/enforce-version": "v1.33", "pod-security.kubernetes.io/warn-version": "latest"}}),
        ingress(json!({"annotations": {"kubernetes.io/ingress.class": "a"}})),
        pod(json!({"dnsConfig": {"searches": ["a.test", "svc.cluster.local.", "_x.a-b.test", "."]}})),
        volume(json!({"csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true}})),
        volume(json!({"configMap": {"name": "a.b-c", "defaultMode": 0o444}})),
        pod(
            json!({"tolerations": [{"operator": "Exists"}, {"key": "a.test/b", "effect": "NoExecute", "tolerationSeconds": 5}]}),
        ),
        pod(json!({"affinity": affinity})),
        pod(json!({"env": fields})),
        variable(json!({"resourceFieldRef": {"resource": "requests.ephemeral-storage"}})),
        variable(json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}})),
        variable(json!({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}})),
        volume(json!({"emptyDir": {"sizeLimit": "1.5Gi"}})),
        volume(json!({"emptyDir": {"sizeLimit": 1_073_741_824}})),
        variable(json!({"resourceFieldRef": {"resource": "limits.cpu", "divisor": 1}})),
        volume(json!({"emptyDir": {"sizeLimit": "500000k", "medium": "Memory"}})),
        volume(json!({"projected": {"sources": [{"secret": {"name": "a"}}, {"downwardAPI": {"items": []}}]}})),
        pod(
            json!({"topologySpreadConstraints": [min_domains("DoNotSchedule"), spread("zone", "ScheduleAnyway"), spread("a.test/b", "ScheduleAnyway")]}),
        ),
        parents(
            json!([{"name": "edge", "sectionName": "web"}, {"name": "edge", "sectionName": "api"}, {"name": "other"}]),
        ),
        parents(json!([{"name": "edge"}, {"name": "edge", "namespace": "n"}])),
        json!({"networkPolicy": {"egressTo": [
            {"to": [{"podSelector": {}, "namespaceSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}],
             "ports": [{"port": 5432, "endPort": 5439}, {"port": "http-2"}, {"protocol": "UDP"}]},
            {},
        ]}}),
        json!({"networkPolicy": {"ingressFrom": [{"ipBlock": {"cidr": "fd00::/8", "except": ["fd00::1/128"]}}]}}),
    ] {
        assert_eq!(refusal(&client, &with(&part)).await, [""; 0], "{part}");
    }
}
