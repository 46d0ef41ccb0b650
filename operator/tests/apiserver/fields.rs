//! Fields that only pass something on to a child: set, seen on the child, unset again, gone from the child.

use kube::api::{ApiResource, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use sc_auth_operator::scauth::child::Child;
use sc_auth_operator::scauth::names::Names;
use serde_json::{Value, json};

use crate::harness::{admin, apply, make, manifest, scauths, settle};

fn base() -> Value {
    json!({"database": {"external": {"urlFrom": {"name": "db", "key": "uri"}}}})
}

fn with(field: &str, value: Value) -> Value {
    let mut spec = base();
    spec[field] = value;
    spec
}

fn pod(part: Value) -> Value {
    with("podTemplate", part)
}

async fn child(client: &Client, kind: Child, name: &str) -> Value {
    let names = Names { scauth: name.into(), namespace: name.into() };
    serde_json::to_value(kind.api(client, name).get(&kind.name(&names)).await.unwrap()).unwrap()
}

const TEMPLATE: &str = "/spec/template/spec";

/// A spec, and what each child has at a path with it and without it.
struct Case {
    spec: Value,
    without: Value,
    seen: Vec<(Child, String, Value, Value)>,
}

impl Case {
    fn of(spec: Value) -> Self {
        Self { spec, without: base(), seen: Vec::new() }
    }

    fn shows(mut self, child: Child, path: &str, with: Value, without: Value) -> Self {
        self.seen.push((child, path.to_owned(), with, without));
        self
    }

    /// In the pod's spec.
    fn shows_in_pod(self, path: &str, with: Value, without: Value) -> Self {
        self.shows(Child::Deployment, &format!("{TEMPLATE}{path}"), with, without)
    }

    async fn run(self, client: &Client, name: &str) {
        for round in 0..2 {
            apply(client, manifest(name, self.without.clone())).await;
            settle(client, name).await;
            self.compare(client, name, false).await;
            if round == 0 {
                apply(client, manifest(name, self.spec.clone())).await;
                settle(client, name).await;
                self.compare(client, name, true).await;
            }
        }
    }

    async fn compare(&self, client: &Client, name: &str, is_set: bool) {
        for (kind, path, with, without) in &self.seen {
            let live = child(client, *kind, name).await;
            let value = live.pointer(path).unwrap_or(&Value::Null);
            assert_eq!(value, if is_set { with } else { without }, "{name}: {kind:?} {path}, set: {is_set}");
        }
    }
}

fn cases() -> Vec<Case> {
    let id = json!("arn:aws:iam::111122223333:role/auth");
    let dns = json!({"nameservers": ["10.0.0.10"], "searches": ["a.test"], "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]});
    let csi = json!({"driver": "secrets-store.csi.k8s.io", "readOnly": true, "volumeAttributes": {"secretProviderClass": "db"}});
    let storage = json!({"limits": {"ephemeral-storage": "1Gi"}, "requests": {"ephemeral-storage": "512Mi"}});
    let mesh = json!({"ports": [{"port": 15008, "protocol": "TCP"}, {"port": 4143, "protocol": "TCP"}]});
    vec![
        Case::of(with("imagePullPolicy", json!("Always")))
            .shows_in_pod("/containers/0/imagePullPolicy", json!("Always"), json!("IfNotPresent"))
            .shows_in_pod("/initContainers/0/imagePullPolicy", json!("Always"), json!("IfNotPresent")),
        Case::of(with("resources", storage))
            .shows_in_pod("/containers/0/resources/limits/ephemeral-storage", json!("1Gi"), Value::Null)
            .shows_in_pod("/initContainers/0/resources/requests/ephemeral-storage", json!("512Mi"), Value::Null),
        Case::of(pod(json!({"dnsPolicy": "None", "dnsConfig": dns})))
            .shows_in_pod("/dnsPolicy", json!("None"), json!("ClusterFirst"))
            .shows_in_pod("/dnsConfig", dns, Value::Null),
        Case::of(pod(json!({"migration": "Server"})))
            .shows_in_pod("/initContainers/0/name", Value::Null, json!("migrate"))
            .shows_in_pod("/containers/0/startupProbe/failureThreshold", json!(3600), json!(60)),
        Case::of(pod(json!({"volumes": [{"name": "vault", "csi": csi}]}))).shows_in_pod(
            "/volumes/4/csi",
            csi,
            Value::Null,
        ),
        Case::of(with("serviceAccountAnnotations", json!({"eks.amazonaws.com/role-arn": id}))).shows(
            Child::ServiceAccount,
            "/metadata/annotations/eks.amazonaws.com~1role-arn",
            id,
            Value::Null,
        ),
        Case::of(with("namespaceAnnotations", json!({"linkerd.io/inject": "enabled"}))).shows(
            Child::Namespace,
            "/metadata/annotations/linkerd.io~1inject",
            json!("enabled"),
            Value::Null,
        ),
        Case::of(with("networkPolicy", json!({"ingressPorts": [15008, 4143]}))).shows(
            Child::NetworkPolicy,
            "/spec/ingress/2",
            mesh,
            Value::Null,
        ),
        Case::of(with(
            "namespaceLabels",
            json!({"istio-injection": "enabled", "pod-security.kubernetes.io/enforce": "privileged"}),
        ))
        .shows(Child::Namespace, "/metadata/labels/istio-injection", json!("enabled"), Value::Null)
        .shows(
            Child::Namespace,
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            json!("privileged"),
            json!("restricted"),
        ),
    ]
}

fn services() -> Vec<Case> {
    let class = json!("service.k8s.aws/nlb");
    let balancer = json!({"type": "LoadBalancer", "loadBalancerClass": class, "externalTrafficPolicy": "Local",
        "loadBalancerSourceRanges": ["203.0.113.0/24"],
        "annotations": {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}});
    let kind = |case: Case, kind: &str| case.shows(Child::Service, "/spec/type", json!(kind), json!("ClusterIP"));
    vec![
        kind(Case::of(with("service", balancer)), "LoadBalancer")
            .shows(Child::Service, "/spec/loadBalancerClass", class, Value::Null)
            .shows(Child::Service, "/spec/loadBalancerSourceRanges", json!(["203.0.113.0/24"]), Value::Null)
            .shows(Child::Service, "/spec/externalTrafficPolicy", json!("Local"), Value::Null)
            .shows(
                Child::Service,
                "/metadata/annotations/service.beta.kubernetes.io~1aws-load-balancer-scheme",
                json!("internal"),
                Value::Null,
            )
            .shows(Child::OpsService, "/spec/type", json!("ClusterIP"), json!("ClusterIP")),
        kind(Case::of(with("service", json!({"type": "NodePort", "nodePort": 30_080}))), "NodePort")
            .shows(Child::Service, "/spec/ports/0/nodePort", json!(30_080), Value::Null)
            .shows(Child::Service, "/spec/ports/0/port", json!(8000), json!(8000)),
        kind(Case::of(with("service", json!({"type": "NodePort"}))), "NodePort"),
    ]
}

fn exposures() -> Vec<Case> {
    let ingress = json!({"ingress": {"host": "labels.test"}});
    let route = json!({"httpRoute": {"parentRefs": [{"name": "edge"}], "hostnames": ["labels.test"]}});
    let both = [(Child::Ingress, ingress), (Child::HttpRoute, route)];
    let cases = both.map(|(kind, expose)| {
        let mut labelled = expose.clone();
        labelled["labels"] = json!({"team": "billing"});
        if kind == Child::HttpRoute {
            labelled["httpRoute"]["annotations"] = json!({"external-dns.alpha.kubernetes.io/ttl": "60"});
        }
        let ttl = if kind == Child::HttpRoute { json!("60") } else { Value::Null };
        Case { without: with("expose", expose), ..Case::of(with("expose", labelled)) }
            .shows(kind, "/metadata/labels/team", json!("billing"), Value::Null)
            .shows(kind, "/metadata/labels/app.kubernetes.io~1name", json!("sc-auth"), json!("sc-auth"))
            .shows(kind, "/metadata/annotations/external-dns.alpha.kubernetes.io~1ttl", ttl, Value::Null)
    });
    cases.into()
}

#[tokio::test]
async fn a_field_is_seen_on_the_child_and_gone_from_it_once_it_is_unset() {
    let client = admin().await;
    for (number, case) in cases().into_iter().enumerate() {
        case.run(&client, &format!("field-{number}")).await;
    }
}

#[tokio::test]
async fn a_service_has_the_type_that_the_spec_wants_and_is_inside_again() {
    let client = admin().await;
    for case in services() {
        case.run(&client, "service-types").await;
    }
}

#[tokio::test]
async fn labels_and_annotations_of_ingress_and_route_come_and_go() {
    let client = admin().await;
    for (name, case) in ["labels-ingress", "labels-route"].into_iter().zip(exposures()) {
        case.run(&client, name).await;
    }
}

#[tokio::test]
async fn the_class_of_a_load_balancer_changes_only_with_another_type_in_between() {
    let (client, name) = (admin().await, "balancer-class");
    let service = |service: Value| manifest(name, with("service", service));
    apply(&client, service(json!({"type": "LoadBalancer", "loadBalancerClass": "a.test/a"}))).await;
    settle(&client, name).await;
    for class in [json!("a.test/b"), Value::Null] {
        let patch = Patch::Merge(json!({"spec": {"service": {"loadBalancerClass": class}}}));
        let refusal = scauths(&client).patch(name, &PatchParams::default(), &patch).await.unwrap_err().to_string();
        assert!(refusal.contains("loadBalancerClass cannot change while"), "{refusal}");
    }
    // Other fields can still change.
    let annotated = json!({"type": "LoadBalancer", "loadBalancerClass": "a.test/a", "annotations": {"a": "b"}});
    for spec in
        [annotated, json!({"type": "ClusterIP"}), json!({"type": "LoadBalancer", "loadBalancerClass": "a.test/b"})]
    {
        apply(&client, service(spec)).await;
        settle(&client, name).await;
    }
    assert_eq!(child(&client, Child::Service, name).await["spec"]["loadBalancerClass"], "a.test/b");
}

/// Whether the API server would admit a pod with an init container like a mesh's, which sets up iptables.
async fn admits_a_mesh(client: &Client, namespace: &str) -> bool {
    let context = json!({"capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}, "runAsUser": 0});
    let init = json!({"name": "istio-init", "image": "registry.test/init:1", "securityContext": context});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mesh", "namespace": namespace}, "spec": {
        "serviceAccountName": namespace, "initContainers": [init], "containers": [{"name": "a", "image": "registry.test/a:1"}],
    }});
    let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&params, &serde_json::from_value(pod).unwrap()).await {
        Ok(_) => true,
        Err(error) if error.to_string().contains("violates PodSecurity") => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_namespace_of_ours_admits_a_mesh_s_init_container_only_with_the_label() {
    let (client, name) = (admin().await, "mesh-namespace");
    apply(&client, manifest(name, base())).await;
    settle(&client, name).await;
    assert!(!admits_a_mesh(&client, name).await);
    let labels =
        json!({"pod-security.kubernetes.io/enforce": "privileged", "pod-security.kubernetes.io/warn": "restricted"});
    apply(&client, manifest(name, with("namespaceLabels", labels))).await;
    settle(&client, name).await;
    assert!(admits_a_mesh(&client, name).await);
    apply(&client, manifest(name, base())).await;
    settle(&client, name).await;
    assert!(!admits_a_mesh(&client, name).await);
}

#[tokio::test]
async fn a_namespace_of_the_user_keeps_its_labels() {
    let (client, name) = (admin().await, "labels-theirs");
    let metadata = json!({"name": name, "labels": {"team": "theirs"}, "annotations": {"sc-auth.io/allow": "*"}});
    make(&client, "namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await;
    apply(&client, manifest(name, with("namespaceLabels", json!({"team": "ours", "istio-injection": "enabled"}))))
        .await;
    settle(&client, name).await;
    let labels = child(&client, Child::Namespace, name).await["metadata"]["labels"].clone();
    assert_eq!(labels["team"], "theirs");
    assert!(labels["istio-injection"].is_null() && labels["pod-security.kubernetes.io/enforce"].is_null());
}

#[tokio::test]
async fn the_database_s_address_and_credentials_are_read_from_mounted_files() {
    let (client, name) = (admin().await, "mounted-files");
    let mut spec = pod(json!({
        "volumes": [{"name": "vault", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": true}}],
        "volumeMounts": [{"name": "vault", "mountPath": "/vault/", "readOnly": true}],
    }));
    let tls = json!({"mode": "verify-ca", "caFile": "/vault/ca.crt"});
    for (external, files) in [
        (
            json!({"urlFile": "/vault/url", "tls": tls}),
            vec![("DATABASE_URL_FILE", "/vault/url"), ("DB_TLS_CA_FILE", "/vault/ca.crt")],
        ),
        (
            json!({"host": "db.test", "name": "auth", "userFile": "/vault/user", "passwordFile": "/vault/pass"}),
            vec![("DB_USER_FILE", "/vault/user"), ("DB_PASS_FILE", "/vault/pass")],
        ),
    ] {
        // Another way to the database is another database: the object is replaced as a whole.
        spec["database"] = json!({"external": external});
        apply(&client, manifest(name, spec.clone())).await;
        settle(&client, name).await;
        let deployment = child(&client, Child::Deployment, name).await;
        for list in ["containers", "initContainers"] {
            let container = &deployment.pointer(TEMPLATE).unwrap()[list][0];
            for (variable, file) in &files {
                let wanted = json!({"name": variable, "value": file});
                assert!(container["env"].as_array().unwrap().contains(&wanted), "{list}: {wanted}");
            }
            let mounts = container["volumeMounts"].as_array().unwrap();
            assert!(mounts.iter().any(|mount| mount["mountPath"] == "/vault/"), "{list}");
            assert!(mounts.iter().all(|mount| mount["name"] != "database"), "no Secret is mounted: {mounts:?}");
        }
    }
}
