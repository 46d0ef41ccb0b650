//! The step of config/github/pull-request.yaml that asks the cluster, run as its runner runs it.

use std::fs;
use std::process::Command;

use sc_auth_e2e::kube::run;
use sc_auth_e2e::manifests::root;
use sc_auth_e2e::shell::programs;
use serde_json::Value;

#[test]
fn a_pull_request_is_told_what_it_would_change() {
    let workflow = fs::read_to_string(root().join("config/github/pull-request.yaml")).unwrap();
    let workflow: Value = serde_yaml::from_str(&workflow).unwrap();
    let steps = workflow["jobs"]["diff"]["steps"].as_array().unwrap();
    let image = workflow["jobs"]["diff"]["env"]["SERVER_IMAGE"].as_str().unwrap();
    let script = steps.iter().find(|step| step["name"] == "diff").unwrap()["run"].as_str().unwrap();
    let folder = std::env::temp_dir().join("sc-auth-e2e-pull-request");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(folder.join("tenants")).unwrap();
    let manifest = |more: &str| {
        let spec = format!("{{database: {{embedded: {{size: 1Gi}}}}{more}}}");
        format!("apiVersion: sc-auth.io/v1alpha1\nkind: ScAuth\nmetadata: {{name: e2e-pull}}\nspec: {spec}\n")
    };
    let tell = |more: &str| {
        fs::write(folder.join("tenants/pull.yaml"), manifest(more)).unwrap();
        let path = format!("{}:{}", programs(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("bash");
        let output = shell
            .args(["-e", "-o", "pipefail", "-c", script])
            .current_dir(&folder)
            .env("PATH", path)
            .env("SERVER_IMAGE", image)
            .output()
            .unwrap();
        (output.status.success(), fs::read_to_string(folder.join("comment.md")).unwrap())
    };

    let (passed, comment) = tell("");
    assert!(passed && comment.contains("+kind: Deployment"), "{comment}");
    run(&["apply", "-f", folder.join("tenants/pull.yaml").to_str().unwrap()]);
    run(&["wait", "--for=condition=Ready", "scauth/e2e-pull", "--timeout=4m"]);
    let (passed, comment) = tell("");
    assert!(passed && comment == "Nothing would change.\n", "{comment}");
    let (passed, comment) = tell(", resources: {limits: {memory: 160Mi}}");
    assert!(passed && comment.contains("+            memory: 160Mi"), "{comment}");
    let (passed, comment) = tell(", replicas: 2");
    assert!(!passed && comment.contains("It would be refused"), "{comment}");

    run(&["delete", "scauth", "e2e-pull"]);
    run(&["delete", "namespace", "e2e-pull", "--wait=false"]);
    fs::remove_dir_all(folder).unwrap();
}
