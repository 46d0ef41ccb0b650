//! What `diff` says beside the changes: objects that are missing, and the order of automatic upgrades.

use std::path::Path;

use kube::Client;
use kube::api::{Patch, PatchParams};
use sc_auth_operator::api::ScAuth;
use sc_auth_operator::diff::diff;
use sc_auth_operator::render;
use serde_json::json;

use crate::diffs::{environment, spec};
use crate::harness::{admin, apply, make, manifest, of, settle};

#[tokio::test]
async fn a_secret_that_neither_the_cluster_nor_the_file_has_is_a_problem() {
    let client = admin().await;
    let sample = render::read(Path::new("../config/samples/postgresql.yaml")).unwrap();
    let preview = diff(&client, &sample, None, &environment(&client)).await.unwrap();
    assert_eq!(preview.problems, [""; 0], "its Secrets are in the file");
    let scauth: ScAuth = serde_json::from_value(manifest("diff-typo", spec("diff-typo"))).unwrap();
    let preview = diff(&client, &of(scauth), None, &environment(&client)).await.unwrap();
    let expected = "ScAuth diff-typo: Secret db is missing in namespace diff-typo, see spec.database.external.urlFrom";
    assert_eq!(preview.problems, [expected]);
    let file = std::env::temp_dir().join(format!("sc-auth-typo-{}", std::process::id()));
    std::fs::write(&file, manifest("diff-typo", spec("diff-typo")).to_string()).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sc-auth-operator"))
        .args(["diff", "--server-image", "registry.test/server:9", "-f", file.to_str().unwrap()])
        .env("KUBECONFIG", std::env::var("SCDEV_API_KUBECONFIG").unwrap())
        .output()
        .unwrap();
    std::fs::remove_file(file).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(&format!("error: {expected}")), "{told}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("+++ applied/ScAuth/diff-typo"));
}

/// As the kubelet and the Deployment's controller make it, which this API server lacks.
async fn serves(client: &Client, name: &str) {
    use sc_auth_operator::scauth::child::Child;
    crate::harness::say(
        name,
        json!([{"version": "9", "database": {"reachable": true, "schema": 2, "identity": name}, "admin": {"made": true}}]),
    );
    let api = Child::Deployment.api(client, name);
    let generation = api.get(name).await.unwrap().metadata.generation;
    let status = json!({"observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await.unwrap();
    settle(client, name).await;
}

#[tokio::test]
async fn that_automatic_upgrades_go_one_after_another_is_noted() {
    let client = admin().await;
    let names = ["diff-turn-a", "diff-turn-b"];
    for name in names {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": name}});
        apply(&client, manifest(name, spec(name))).await;
        settle(&client, name).await;
        make(&client, "secrets", secret).await;
        serves(&client, name).await;
    }
    let automatic = names.map(|name| {
        let mut spec = spec(name);
        spec["upgrade"] = json!("Automatic");
        serde_json::from_value(manifest(name, spec)).unwrap()
    });
    let manifest = render::Manifest { scauths: automatic.into(), ..render::Manifest::default() };
    let mut next = environment(&client);
    next.defaults.version = "9.0.0".into();
    next.defaults.image = "registry.test/server:9".into();
    let preview = diff(&client, &manifest, None, &next).await.unwrap();
    let notes = [
        "ScAuth diff-turn-a: its automatic upgrade to release 9.0.0 begins at once, and those of the other ScAuths after it",
        "ScAuth diff-turn-b: its automatic upgrade to release 9.0.0 begins once ScAuth diff-turn-a has that release and is \
         Ready: automatic upgrades go one after another",
    ];
    assert_eq!(preview.notes, notes);
    assert_eq!(
        diff(&client, &manifest, None, &environment(&client)).await.unwrap().notes,
        [""; 0],
        "they have that release"
    );
}

#[tokio::test]
async fn what_another_operator_creates_for_an_object_of_the_file_is_a_note() {
    let client = admin().await;
    for (sample, note) in [
        (
            "cloudnativepg",
            "ScAuth orders-auth: Secret orders-db-app does not exist in namespace orders yet, see \
             spec.database.external.urlFrom; Cluster orders-db of the manifest may create it",
        ),
        (
            "mariadb-operator",
            "ScAuth support-auth: Secret support-db-uri does not exist in namespace support yet, see \
             spec.database.external.urlFrom; Connection support-db-uri of the manifest may create it",
        ),
    ] {
        let sample = render::read(Path::new(&format!("../config/samples/{sample}.yaml"))).unwrap();
        let preview = diff(&client, &sample, None, &environment(&client)).await.unwrap();
        assert_eq!((preview.problems, preview.notes), (Vec::new(), vec![note.to_owned()]));
    }
    let mut spec = json!({"database": {"embedded": {}}});
    for (annotations, count) in [(json!({}), 1), (json!({"cert-manager.io/cluster-issuer": "le"}), 0)] {
        let tls = json!({"secretName": "wildcard"});
        spec["expose"] = json!({"ingress": {"host": "diff-tls.test", "tls": tls, "annotations": annotations}});
        let scauth: ScAuth = serde_json::from_value(manifest("diff-tls", spec.clone())).unwrap();
        let preview = diff(&client, &of(scauth), None, &environment(&client)).await.unwrap();
        assert_eq!(preview.problems.len(), count, "{annotations}: {:?}", preview.problems);
    }
}

#[tokio::test]
async fn two_new_scauths_do_not_both_get_a_host_or_a_namespace() {
    let client = admin().await;
    let both = |more: serde_json::Value| {
        let scauths = ["diff-new-a", "diff-new-b"].map(|name| {
            let mut spec = json!({"database": {"embedded": {}}});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(manifest(name, spec)).unwrap()
        });
        render::Manifest { scauths: scauths.into(), ..render::Manifest::default() }
    };
    let one_host = both(json!({"expose": {"ingress": {"host": "diff-new.test", "className": "one"}}}));
    let preview = diff(&client, &one_host, None, &environment(&client)).await.unwrap();
    let [note] = &preview.notes[..] else { panic!("{:?}", preview.notes) };
    let begin = "ScAuth diff-new-b: diff-new.test does not lead to it: ScAuth diff-new-a asks for that host too, through \
                 IngressClass one";
    assert!(note.starts_with(begin), "{note}");
    assert!(preview.text.contains("Ingress/diff-new-a/") && !preview.text.contains("Ingress/diff-new-b/"));
    let one_namespace = both(json!({"namespace": "diff-new"}));
    let error = format!("{:#}", diff(&client, &one_namespace, None, &environment(&client)).await.unwrap_err());
    assert!(error.starts_with("ScAuth diff-new-b: NamespaceNotAllowed: ScAuth diff-new-a"), "{error}");
}
