//! The revisions of the pod template. What a release has rendered stays as it is: pods would restart otherwise.
//! tests/releases/ holds what each release made of a few manifests.

use sc_auth_contract::settings::{self, DecidedBy};
use serde_json::{Value, json};

use super::{embedded, environment, external, live, resolved};
use crate::api::ScAuth;
use crate::scauth::child::Child;
use crate::scauth::children::build;
use crate::scauth::observe::Observed;
use crate::scauth::release::{LATEST, UpgradeTurn};
use crate::scauth::validate::validate;

fn read(path: &str) -> String {
    let path = format!("{}/tests/releases/{path}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What this operator makes of a manifest where an earlier one's Deployment is there.
fn rendered(manifest: &str, before: &Value) -> Value {
    let scauth: ScAuth = serde_yaml::from_str(&read(manifest)).unwrap();
    let metadata = serde_json::from_value(json!({
        "annotations": before["metadata"]["annotations"], "ownerReferences": before["metadata"]["ownerReferences"],
    }))
    .unwrap();
    let deployment = live(Child::Deployment, metadata, json!({"spec": before["spec"]}));
    let observed = Observed { children: [(Child::Deployment, deployment)].into(), ..Observed::default() };
    let resolved = validate(&scauth, &observed, &environment(), &UpgradeTurn::Now).unwrap();
    build(&resolved).unwrap().remove(&Child::Deployment).unwrap()
}

#[test]
fn an_upgrade_of_the_operator_restarts_no_pod() {
    for release in ["0.1.0"] {
        for manifest in ["embedded", "full", "url"] {
            let before: Value = serde_yaml::from_str(&read(&format!("{release}/{manifest}"))).unwrap();
            let now = rendered(manifest, &before);
            assert_eq!(now["spec"], before["spec"], "{release}/{manifest}");
        }
    }
}

/// Of each revision; `UPDATE=1 cargo test --workspace --lib each_revision` writes those of an unreleased one.
#[test]
fn each_revision_is_what_it_was() {
    for manifest in ["embedded", "full", "url"] {
        for revision in 1..=LATEST {
            let scauth: ScAuth = serde_yaml::from_str(&read(manifest)).unwrap();
            let mut resolved = validate(&scauth, &Observed::default(), &environment(), &UpgradeTurn::Now).unwrap();
            resolved.release.revision = revision;
            let template = build(&resolved).unwrap()[&Child::Deployment]["spec"]["template"].clone();
            let text = serde_yaml::to_string(&template).unwrap();
            let name = format!("revisions/{revision}/{manifest}");
            if std::env::var_os("UPDATE").is_some() {
                let path = format!("{}/tests/releases/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
                std::fs::write(path, &text).unwrap();
            }
            assert_eq!(text, read(&name), "{name}");
        }
    }
}

#[test]
fn pods_are_spread_where_that_is_possible_and_as_the_spec_wants_it() {
    let spread = |spec: Value| {
        let deployment = build(&resolved(spec, &Observed::default()).unwrap()).unwrap().remove(&Child::Deployment);
        deployment.unwrap()["spec"]["template"]["spec"]["topologySpreadConstraints"].clone()
    };
    let ours = spread(external());
    let keys: Vec<_> = ours.as_array().unwrap().iter().map(|constraint| constraint["topologyKey"].clone()).collect();
    assert_eq!(keys, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
    assert!(ours.as_array().unwrap().iter().all(|constraint| constraint["whenUnsatisfiable"] == "ScheduleAnyway"));
    let theirs = json!([{"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]);
    let mut spec = external();
    spec["podTemplate"] = json!({"topologySpreadConstraints": theirs});
    assert_eq!(spread(spec), theirs);
}

#[test]
fn what_the_spec_adds_to_the_pods_is_there_and_ours_stays() {
    let mut spec = external();
    spec["podTemplate"] = json!({
        "labels": {"team": "billing"}, "annotations": {"linkerd.io/inject": "enabled"}, "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}], "priorityClassName": "high",
        "imagePullSecrets": [{"name": "registry"}],
        "env": [{"name": "SC_AUTH_LEEWAY", "value": "9s"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "volumes": [{"name": "extra", "configMap": {"name": "extra"}}],
        "volumeMounts": [{"name": "extra", "mountPath": "/extra", "readOnly": true}],
    });
    let deployment = build(&resolved(spec, &Observed::default()).unwrap()).unwrap().remove(&Child::Deployment).unwrap();
    let template = &deployment["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["team"], "billing");
    assert_eq!(template["metadata"]["labels"]["app.kubernetes.io/name"], "sc-auth");
    assert_eq!(template["metadata"]["annotations"], json!({"linkerd.io/inject": "enabled"}));
    let pod = &template["spec"];
    assert_eq!((&pod["nodeSelector"], &pod["priorityClassName"]), (&json!({"disk": "ssd"}), &json!("high")));
    assert_eq!(pod["imagePullSecrets"], json!([{"name": "registry"}]));
    let container = &pod["containers"][0];
    let has = |list: &Value, item: Value| list.as_array().unwrap().contains(&item);
    assert!(has(&container["env"], json!({"name": "SC_AUTH_LEEWAY", "value": "9s"})));
    assert!(has(&container["volumeMounts"], json!({"name": "extra", "mountPath": "/extra", "readOnly": true})));
    assert!(has(&pod["volumes"], json!({"name": "extra", "configMap": {"name": "extra"}})));
    assert!(container["volumeMounts"].as_array().unwrap().len() > 1, "ours are still there");
}

/// Else spec.podTemplate.env could override what another field decides.
#[test]
fn no_setting_that_the_operator_sends_is_left_to_the_pod_template() {
    for manifest in ["embedded", "full", "url"] {
        let scauth: ScAuth = serde_yaml::from_str(&read(manifest)).unwrap();
        let resolved = validate(&scauth, &Observed::default(), &environment(), &UpgradeTurn::Now).unwrap();
        let deployment = build(&resolved).unwrap().remove(&Child::Deployment).unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let lists = ["containers", "initContainers"].into_iter().filter_map(|list| pod[list].as_array());
        for variable in lists.flatten().flat_map(|container| container["env"].as_array().unwrap()) {
            let setting = settings::ALL.iter().find(|setting| variable["name"] == setting.name).unwrap();
            assert!(matches!(setting.decided_by, DecidedBy::Spec(_) | DecidedBy::Operator), "{}", setting.name);
        }
    }
}

/// What a spec says where it says what holds without it.
#[test]
fn the_default_of_a_field_renders_what_its_absence_renders() {
    let explicit = json!({
        "imagePullPolicy": "IfNotPresent", "service": {"type": "ClusterIP", "annotations": {}}, "namespaceLabels": {},
        "serviceAccountAnnotations": {}, "podTemplate": {"migration": "InitContainer"},
        "networkPolicy": {"ingressPorts": []}, "resources": {"limits": {}, "requests": {}},
    });
    let mut spec = external();
    for (field, value) in explicit.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let children = |spec| build(&resolved(spec, &Observed::default()).unwrap()).unwrap();
    assert_eq!(children(spec), children(external()));
}

#[test]
fn without_an_init_container_the_server_has_time_to_migrate() {
    let mut spec = external();
    spec["podTemplate"] = json!({"migration": "Server"});
    let deployment = build(&resolved(spec, &Observed::default()).unwrap()).unwrap().remove(&Child::Deployment).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert!(pod["initContainers"].is_null());
    assert_eq!(pod["containers"][0]["args"], json!(["serve"]));
    assert_eq!(pod["containers"][0]["startupProbe"]["failureThreshold"], 3600);
}

#[test]
fn an_embedded_database_is_migrated_by_its_only_server_unless_the_spec_says_otherwise() {
    let pod = |migration: Option<&str>, revision| {
        let mut spec = embedded();
        spec["podTemplate"] = json!({"migration": migration});
        let mut resolved = resolved(spec, &Observed::default()).unwrap();
        resolved.release.revision = revision;
        build(&resolved).unwrap()[&Child::Deployment]["spec"]["template"]["spec"].clone()
    };
    for (migration, revision, is_by_server) in
        [(None, 3, true), (Some("Server"), 3, true), (Some("InitContainer"), 3, false), (None, 2, false)]
    {
        let pod = pod(migration, revision);
        assert_eq!(pod["initContainers"].is_null(), is_by_server, "{migration:?} {revision}");
        let patience = if is_by_server { 3_600 } else { 60 };
        assert_eq!(pod["containers"][0]["startupProbe"]["failureThreshold"], patience, "{migration:?} {revision}");
    }
}

/// The server's variables, as far as a release may not know them.
fn login_variables(revision: i32) -> Vec<String> {
    let mut spec = external();
    spec["login"] = json!({
        "title": "Cash $(SC_AUTH_ISSUER)", "logo": {"configMap": "brand", "key": "logo.png"}, "accentColor": {"light": "#0b57d0"},
        "language": "id", "session": {"idle": "1h"},
    });
    let mut resolved = resolved(spec, &Observed::default()).unwrap();
    resolved.release.revision = revision;
    let template = build(&resolved).unwrap()[&Child::Deployment]["spec"]["template"]["spec"].clone();
    let text = template.to_string();
    let logo = r#""configMap":{"items":[{"key":"logo.png","path":"logo"}],"name":"brand","optional":true}"#;
    assert_eq!(text.contains(logo), revision >= 3, "{text}");
    assert_eq!(text.contains(r#""secretName":"tenant-declared""#), revision >= 3, "{text}");
    assert!(!text.contains("SC_AUTH_DECLARED"), "a server of release 0.2 would not start");
    let variables = template["containers"][0]["env"].as_array().unwrap().iter();
    let login = variables.filter(|variable| variable["name"].as_str().unwrap().starts_with("SC_AUTH_LOGIN_"));
    login.map(|variable| format!("{}={}", variable["name"], variable["value"]).replace('"', "")).collect()
}

#[test]
fn pods_of_an_earlier_revision_get_no_settings_that_their_server_does_not_know() {
    assert_eq!(login_variables(2), [""; 0]);
    let expected = [
        "SC_AUTH_LOGIN_TITLE=Cash $$(SC_AUTH_ISSUER)",
        "SC_AUTH_LOGIN_LOGO=/run/sc-auth/logo/logo",
        "SC_AUTH_LOGIN_ACCENT_LIGHT=#0b57d0",
        "SC_AUTH_LOGIN_LANGUAGE=id",
        "SC_AUTH_LOGIN_SESSION_IDLE=1h",
    ];
    assert_eq!(login_variables(3), expected);
}
