//! Fifty ways to get a spec wrong. The API server refuses each at once, with one sentence that says what to do.

use kube::Client;
use kube::api::{Patch, PatchParams};
use sc_auth_operator::api::ScAuth;
use serde_json::{Value, json};

use crate::harness::{admin, apply, manifest, scauths, settle};

/// Applies a ScAuth like `kubectl apply --dry-run=server`, and returns the sentences of the refusal.
pub async fn refusal(client: &Client, spec: &Value) -> Vec<String> {
    let object = manifest("misuse", spec.clone());
    let params = PatchParams { dry_run: true, ..PatchParams::apply("person").force() }.validation_strict();
    match scauths(client).patch("misuse", &params, &Patch::Apply(&object)).await {
        Ok(_) => Vec::new(),
        Err(kube::Error::Api(answer)) => {
            let causes = answer.details.map(|details| details.causes).unwrap_or_default();
            let sentences: Vec<_> = causes.into_iter().map(|cause| cause.message).collect();
            if sentences.is_empty() { vec![answer.message] } else { sentences }
        }
        Err(error) => panic!("{spec}: {error}"),
    }
}

/// A spec that is right but for one part of it.
pub fn with(part: &Value) -> Value {
    let mut spec = json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}});
    for (name, value) in part.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

pub fn pod(part: Value) -> Value {
    json!({"podTemplate": part})
}

fn resources(kind: &str, part: Value) -> Value {
    json!({"resources": {kind: part}})
}

fn embedded(part: Value) -> Value {
    json!({"database": {"embedded": part}})
}

fn external(part: Value) -> Value {
    json!({"database": {"external": part}})
}

pub fn ingress(part: Value) -> Value {
    let mut ingress = json!({"host": "auth.example.com"});
    for (name, value) in part.as_object().unwrap() {
        ingress[name] = value.clone();
    }
    json!({"expose": {"ingress": ingress}})
}

pub fn route(parents: Value, hosts: Value) -> Value {
    json!({"expose": {"httpRoute": {"parentRefs": parents, "hostnames": hosts}}})
}

fn mounts(mounts: Value) -> Value {
    pod(json!({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}], "volumeMounts": mounts}))
}

/// A database whose address is in files of a volume at /a.
fn mounted(part: Value) -> Value {
    let mut spec = mounts(json!([{"name": "a", "mountPath": "/a"}]));
    spec["database"] = json!({"external": part});
    spec
}

/// A database whose certificate is to be verified, in that mode.
fn verified(mode: &str) -> Value {
    external(
        json!({"urlFrom": {"name": "db", "key": "uri"}, "tls": {"mode": mode, "caFrom": {"name": "ca", "key": "ca"}}}),
    )
}

fn misuses() -> Vec<(Value, &'static str)> {
    let secret_name = "the name of a Secret has lower-case letters, digits, hyphens and dots";
    let label = "the value of a label has at most 63 letters";
    vec![
        // Lists with the same key twice.
        (
            pod(json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]})),
            "name each variable in env once",
        ),
        (
            pod(json!({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "configMap": {"name": "a"}}]})),
            "give each of volumes a name of its own",
        ),
        (
            mounts(json!([{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/a"}])),
            "give each of volumeMounts a mountPath of its own",
        ),
        (pod(json!({"imagePullSecrets": [{"name": "a"}, {"name": "a"}]})), "name each Secret in imagePullSecrets once"),
        (
            route(json!([{"name": "a"}, {"name": "a"}]), json!(["a.test"])),
            "name each Gateway or listener in parentRefs once",
        ),
        (route(json!([{"name": "a"}]), json!(["a.test", "a.test"])), "name each host in hostnames once"),
        // Resources.
        (resources("requests", json!({"cpu": "1"})), "requests.cpu is more than limits.cpu (500m by default)"),
        (
            resources("requests", json!({"memory": "1Gi"})),
            "requests.memory is more than limits.memory (128Mi by default)",
        ),
        (
            json!({"resources": {"limits": {"cpu": "0.25"}, "requests": {"cpu": "300m"}}}),
            "requests.cpu is more than limits.cpu",
        ),
        (resources("limits", json!({"memory": "32Mi"})), "give spec.resources.limits.memory 64Mi or more"),
        (resources("limits", json!({"memory": "128MB"})), "write memory such as 128Mi, 128M or 1.5Gi"),
        (resources("limits", json!({"memory": "a lot"})), "write memory such as 128Mi, 128M or 1.5Gi"),
        (resources("requests", json!({"memory": "64m"})), "write memory such as 128Mi, 128M or 1.5Gi"),
        (resources("requests", json!({"memory": 64})), "write memory such as 128Mi, 128M or 1.5Gi"),
        (resources("limits", json!({"cpu": "half"})), "write CPU cores such as 500m, 0.5 or 1"),
        (resources("limits", json!({"cpu": "0"})), "write CPU cores such as 500m, 0.5 or 1"),
        (resources("requests", json!({"cpu": "-1"})), "write CPU cores such as 500m, 0.5 or 1"),
        // Names.
        (external(json!({"urlFrom": {"name": "DB", "key": "uri"}})), secret_name),
        (external(json!({"urlFrom": {"name": "", "key": "uri"}})), secret_name),
        (external(json!({"urlFrom": {"name": "db", "key": "a/b"}})), "a key of a Secret has letters, digits"),
        (external(json!({"host": "db", "name": "a", "credentialsFrom": {"name": "db_app"}})), secret_name),
        (ingress(json!({"tls": {"secretName": "My Certificate"}})), secret_name),
        (pod(json!({"imagePullSecrets": [{"name": "a b"}]})), secret_name),
        (ingress(json!({"className": "NGINX"})), "the name of an IngressClass has lower-case letters"),
        (embedded(json!({"storageClassName": "Fast SSD"})), "the name of a StorageClass has lower-case letters"),
        (pod(json!({"priorityClassName": "High"})), "the name of a PriorityClass has lower-case letters"),
        (route(json!([{"name": "Edge"}]), json!(["a.test"])), "the name of a Gateway has lower-case letters"),
        (route(json!([{"name": "a", "namespace": "A"}]), json!(["a.test"])), "a namespace has lower-case letters"),
        (
            route(json!([{"name": "a", "sectionName": "Web"}]), json!(["a.test"])),
            "the name of a listener has lower-case",
        ),
        (json!({"namespace": "Team A"}), "a namespace has lower-case letters, digits and hyphens"),
        // Hosts, images and networks.
        (ingress(json!({"host": "https://auth.example.com"})), "is the bare host name"),
        (ingress(json!({"host": ""})), "is the bare host name"),
        (route(json!([{"name": "a"}]), json!(["*.a.test"])), "write bare host names"),
        (json!({"image": "registry.example.com/server:"}), "write an image such as"),
        (json!({"image": "registry.example.com/server:v1:v2"}), "write an image such as"),
        (json!({"image": "registry.example.com//server"}), "write an image such as"),
        (json!({"image": "server@sha256:abc"}), "write an image such as"),
        (json!({"expose": {"none": {}, "trustedProxies": ["10.0.0.1"]}}), "write networks such as 10.0.0.0/8"),
        // Labels and annotations.
        (pod(json!({"labels": {"team": "a b"}})), label),
        (pod(json!({"nodeSelector": {"disk": "-ssd"}})), label),
        (json!({"monitoring": {"labels": {"release": "kube/prometheus"}}}), label),
        (pod(json!({"annotations": {"sc-auth.io/image": "a"}})), "are the operator's own"),
        // Environment and volumes.
        (pod(json!({"env": [{"name": "1A", "value": "1"}]})), "a variable's name has letters, digits and underscores"),
        (
            pod(
                json!({"env": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]}),
            ),
            "a variable has value or valueFrom, not both",
        ),
        (pod(json!({"env": [{"name": "A", "valueFrom": {}}]})), "valueFrom has exactly one source"),
        (pod(json!({"env": [{"name": "SC_AUTH_ISSUER", "value": "a"}]})), "this variable is reserved"),
        (pod(json!({"volumes": [{"name": "a"}]})), "set exactly one of configMap, secret, emptyDir, projected and csi"),
        (mounts(json!([{"name": "c", "mountPath": "/c"}])), "each of volumeMounts names one of volumes"),
        (mounts(json!([{"name": "a", "mountPath": "a"}])), "a mountPath is absolute"),
        (mounts(json!([{"name": "a", "mountPath": "/a/../run/sc-auth"}])), "a mountPath is absolute"),
        (mounts(json!([{"name": "a", "mountPath": "/a:b"}])), "a mountPath is absolute"),
        (mounts(json!([{"name": "a", "mountPath": "/a", "subPath": "../b"}])), "a subPath is relative to the volume"),
        // Sizes and times.
        (embedded(json!({"size": "1GB"})), "write a size such as 1Gi, 1.5Gi or 500M"),
        (embedded(json!({"size": 1})), "write a size such as 1Gi, 1.5Gi or 500M"),
        (json!({"keys": {"rotation": "30m"}}), "write a duration such as 30d or 12h"),
        (json!({"auth": {"accessTokenTtl": "2d"}}), "spec.auth.accessTokenTtl is at most 1d"),
        (json!({"monitoring": {"interval": "soon"}}), "write a duration such as 30s or 1m"),
        (json!({"autoscaling": {"max": 1}}), "max must not be less than min (2 by default)"),
    ]
}

/// Of volumes and of files in them instead of Secrets.
fn misuses_of_files() -> Vec<(Value, &'static str)> {
    vec![
        (
            pod(json!({"volumes": [{"name": "a", "csi": {"driver": "a"}, "emptyDir": {}}]})),
            "set exactly one of configMap, secret, emptyDir, projected and csi",
        ),
        (external(json!({"urlFile": "/a/url"})), "is in one of spec.podTemplate.volumeMounts"),
        (mounted(json!({"urlFile": "/ab/url"})), "is in one of spec.podTemplate.volumeMounts"),
        (mounted(json!({"urlFile": "/a/../b/url"})), "has no .. in its path"),
        (
            mounted(json!({"urlFile": "/a/url", "tls": {"mode": "verify-ca", "caFile": "/b/ca.crt"}})),
            "is in one of spec.podTemplate.volumeMounts",
        ),
        (mounted(json!({"urlFile": "/a/url", "urlFrom": {"name": "db", "key": "uri"}})), "set either urlFrom"),
        (mounted(json!({"urlFile": "/a/url", "userFile": "/a/user"})), "with urlFrom or urlFile, the address holds"),
        (mounted(json!({"host": "db", "name": "a", "userFile": "/a/user"})), "with host, name and credentialsFrom"),
        (
            mounted(json!({"host": "db", "name": "a", "userFile": "/a/user", "credentialsFrom": {"name": "db"}})),
            "set credentialsFrom, or userFile and passwordFile, not both",
        ),
        (
            mounted(
                json!({"urlFile": "/a/url", "tls": {"mode": "verify-ca", "caFile": "/a/ca.crt", "caFrom": {"name": "ca", "key": "ca"}}}),
            ),
            "set caFrom or caFile, not both",
        ),
        (
            mounted(json!({"urlFile": "/a/url", "tls": {"mode": "required", "caFile": "/a/ca.crt"}})),
            "caFrom and caFile need mode verify-ca or verify-identity",
        ),
        (verified("required"), "caFrom and caFile need mode verify-ca or verify-identity"),
        (verified("preferred"), "caFrom and caFile need mode verify-ca or verify-identity"),
        (verified("disabled"), "caFrom and caFile need mode verify-ca or verify-identity"),
        (
            json!({"resources": {"limits": {"ephemeral-storage": "1Gi"}, "requests": {"ephemeral-storage": "2Gi"}}}),
            "requests.ephemeral-storage is more than limits.ephemeral-storage",
        ),
        (resources("limits", json!({"ephemeral-storage": "1GB"})), "write storage such as 1Gi or 500M"),
        (resources("requests", json!({"ephemeral-storage": "500m"})), "write storage such as 1Gi or 500M"),
    ]
}

/// Of what is passed on to the children.
fn misuses_of_children() -> Vec<(Value, &'static str)> {
    vec![
        // Namespace, ServiceAccount, Service, DNS and image.
        (json!({"namespaceLabels": {"pod-security.kubernetes.io/enforce": "lax"}}), "a Pod Security level is"),
        (json!({"namespaceLabels": {"pod-security.kubernetes.io/warn": ""}}), "a Pod Security level is"),
        (json!({"namespaceLabels": {"kubernetes.io/metadata.name": "other"}}), "are the cluster's own"),
        (json!({"namespaceLabels": {"sc-auth.io/scauth": "other"}}), "are the operator's own"),
        (json!({"namespaceLabels": {"team": "a b"}}), "the value of a label has at most 63 letters"),
        (json!({"serviceAccountAnnotations": {"sc-auth.io/applied": "a"}}), "are the operator's own"),
        (json!({"service": {"annotations": {"sc-auth.io/applied": "a"}}}), "are the operator's own"),
        (json!({"service": {"nodePort": 30080}}), "need spec.service.type NodePort or LoadBalancer"),
        (
            json!({"service": {"type": "ClusterIP", "externalTrafficPolicy": "Local"}}),
            "need spec.service.type NodePort or LoadBalancer",
        ),
        (
            json!({"service": {"type": "NodePort", "loadBalancerClass": "a.test/b"}}),
            "loadBalancerClass and loadBalancerSourceRanges need spec.service.type LoadBalancer",
        ),
        (
            json!({"service": {"loadBalancerSourceRanges": ["203.0.113.0/24"]}}),
            "loadBalancerClass and loadBalancerSourceRanges need spec.service.type LoadBalancer",
        ),
        (
            json!({"service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["203.0.113.1"]}}),
            "write networks such as 203.0.113.0/24",
        ),
        (json!({"namespaceAnnotations": {"sc-auth.io/allow": "*"}}), "are the operator's own"),
        (
            json!({"service": {"type": "LoadBalancer", "loadBalancerClass": "a b"}}),
            "write a loadBalancerClass such as service.k8s.aws/nlb",
        ),
        (pod(json!({"dnsPolicy": "None"})), "dnsPolicy None needs dnsConfig.nameservers"),
        (pod(json!({"dnsPolicy": "None", "dnsConfig": {"searches": ["a.test"]}})), "dnsPolicy None needs"),
        (pod(json!({"dnsConfig": {"nameservers": ["dns.test"]}})), "write addresses of name servers such as 10.0.0.10"),
        (json!({"networkPolicy": {"ingressPorts": [15008, 8001]}}), "spec.monitoring.from opens port 8001"),
        // Labels and annotations of Ingress and HTTPRoute.
        (json!({"expose": {"none": {}, "labels": {"team": "a"}}}), "spec.expose.labels needs ingress or httpRoute"),
        (
            json!({"expose": {"ingress": {"host": "a.test"}, "labels": {"app.kubernetes.io/name": "a"}}}),
            "are the operator's own",
        ),
        (
            json!({"expose": {"httpRoute": {"parentRefs": [{"name": "a"}], "hostnames": ["a.test"], "annotations": {"sc-auth.io/a": "a"}}}}),
            "are the operator's own",
        ),
    ]
}

fn misuses_of_login() -> Vec<(Value, &'static str)> {
    let login = |part: Value| json!({"login": part});
    let color = |theme: &str, color: &str| login(json!({"accentColor": {theme: color}}));
    let session = |session: Value| login(json!({"session": session}));
    vec![
        (login(json!({"title": "a\u{200b}b"})), "write a title without invisible and control characters"),
        (login(json!({"title": "\u{a0}"})), "without leading or trailing spaces"),
        (login(json!({"title": "Shop "})), "without leading or trailing spaces"),
        (
            login(json!({"logo": {"configMap": "Brand", "key": "logo.png"}})),
            "the name of a ConfigMap has lower-case letters",
        ),
        (login(json!({"logo": {"configMap": "brand", "key": "../logo.png"}})), "a key of a ConfigMap has letters"),
        (color("light", "#777777"), "the contrast to white is less than 4.5:1: choose a darker colour"),
        (color("light", "#FFFF00"), "choose a darker colour"),
        (color("dark", "#0b57d0"), "the contrast to #1f242a is less than 4.5:1: choose a lighter colour"),
        (session(json!({"idle": "soon"})), "write a duration such as 30m or 12h"),
        (session(json!({"maximum": "7w"})), "write a duration such as 12h or 7d"),
        (session(json!({"idle": "299s"})), "spec.login.session.idle is at least 5m"),
        (session(json!({"maximum": "367d"})), "spec.login.session.maximum is at most 366d"),
        (session(json!({"idle": "8d"})), "spec.login.session.maximum (7d by default) must not be shorter than idle"),
        (session(json!({"maximum": "11h"})), "must not be shorter than idle (12h by default)"),
    ]
}

#[tokio::test]
async fn valid_login_settings_are_accepted() {
    let client = admin().await;
    for part in [
        json!({"title": "PT Contoh \u{2013} Masuk", "language": "id"}),
        json!({"accentColor": {"light": "#767676", "dark": "#8AB4F8"}}),
        json!({"accentColor": {"light": "#000000"}}),
        json!({"accentColor": {"dark": "#ffffff"}}),
        json!({"logo": {"configMap": "brand.v1", "key": "logo_1.webp"}}),
        json!({"session": {"idle": "5m", "maximum": "366d"}}),
        json!({"session": {"idle": "300s", "maximum": "300s"}}),
        json!({}),
    ] {
        assert_eq!(refusal(&client, &with(&json!({"login": part}))).await, [""; 0], "{part}");
    }
}

#[tokio::test]
async fn each_misuse_is_refused_at_once_with_one_sentence() {
    let client = admin().await;
    assert!(misuses().len() >= 50);
    for (part, wanted) in [misuses(), misuses_of_files(), misuses_of_children(), misuses_of_login()].concat() {
        let sentences = refusal(&client, &with(&part)).await;
        assert!(sentences.len() == 1 && sentences[0].contains(wanted), "{part}: {sentences:?}, not: {wanted}");
    }
}

/// The API server checks no rule then, and says that too.
#[tokio::test]
async fn a_wrong_word_or_number_is_refused_with_the_right_ones() {
    let client = admin().await;
    for (part, wanted) in [
        (json!({"service": {"type": "ExternalName"}}), r#""ClusterIP", "NodePort", "LoadBalancer""#),
        (
            json!({"service": {"type": "NodePort", "externalTrafficPolicy": "local"}}),
            r#"supported values: "Cluster", "Local""#,
        ),
        (json!({"imagePullPolicy": "always"}), r#"supported values: "Always", "IfNotPresent", "Never""#),
        (pod(json!({"dnsPolicy": "ClusterFirstWithHostNet"})), r#""ClusterFirst", "Default", "None""#),
        (pod(json!({"migration": "None"})), r#"supported values: "InitContainer", "Server""#),
        (json!({"networkPolicy": {"ingressPorts": [0]}}), "should be greater than or equal to 1"),
        (json!({"service": {"type": "NodePort", "nodePort": 70_000}}), "should be less than or equal to 65535"),
        (pod(json!({"volumes": [{"name": "a", "csi": {"readOnly": true}}]})), "Required value"),
    ] {
        let sentences = refusal(&client, &with(&part)).await;
        assert!(sentences.first().is_some_and(|first| first.contains(wanted)), "{part}: {sentences:?}, not: {wanted}");
    }
}

#[tokio::test]
async fn every_form_of_a_quantity_is_accepted() {
    let client = admin().await;
    for memory in
        [json!("128M"), json!("134217728"), json!(134_217_728), json!("1.5Gi"), json!("1e9"), json!("131072Ki")]
    {
        for part in [resources("limits", json!({"memory": memory})), embedded(json!({"size": memory}))] {
            assert_eq!(refusal(&client, &with(&part)).await, [""; 0], "{part}");
        }
    }
    for cpu in [json!("0.5"), json!("500m"), json!(2), json!("2")] {
        let part = resources("limits", json!({"cpu": cpu}));
        assert_eq!(refusal(&client, &with(&part)).await, [""; 0], "{part}");
    }
    // Less than the default request, which is then as much as the limit.
    let (name, part) = ("little-cpu", resources("limits", json!({"cpu": "0.02", "memory": 5_000_000_000_i64})));
    let stored: ScAuth = apply(&client, manifest(name, with(&part))).await;
    let limits = stored.spec.resources.unwrap().limits.unwrap();
    assert_eq!(limits.memory.unwrap().to_string(), "5000000000");
    settle(&client, name).await;
}

#[tokio::test]
async fn images_labels_and_paths_of_every_right_form_are_accepted() {
    let client = admin().await;
    for image in [
        "sc-auth-server",
        "localhost:5000/sc-auth-server:0.2.0",
        "registry.Example.com/team_a/sc-auth--server:v1_2.3",
        "10.0.0.1:5000/a/b/c",
        &format!("registry.example.com/sc-auth-server:0.2.0@sha256:{}", "0".repeat(64)),
    ] {
        assert_eq!(refusal(&client, &with(&json!({"image": image}))).await, [""; 0], "{image}");
    }
    let paths = ["/a", "/a/", "/.config", "/a/..b", "/a.b/c-d_e"];
    let paths: Vec<_> = paths.iter().map(|path| json!({"name": "a", "mountPath": path})).collect();
    for part in [
        pod(json!({"labels": {"team": "", "b": "A_b.c-1"}, "nodeSelector": {"kubernetes.io/os": "linux"}})),
        mounts(json!(paths)),
        embedded(json!({"storageClassName": ""})),
    ] {
        assert_eq!(refusal(&client, &with(&part)).await, [""; 0], "{part}");
    }
}
