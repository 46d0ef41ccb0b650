//! Runs the steps of config/github/pull-request.yaml that install the program and query the cluster, like its runner.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sc_auth_e2e::kube::run;
use sc_auth_e2e::manifests::root;
use sc_auth_e2e::shell::programs;
use serde_json::Value;

fn job() -> Value {
    let workflow = fs::read_to_string(root().join("config/github/pull-request.yaml")).unwrap();
    let mut workflow: Value = serde_yaml::from_str(&workflow).unwrap();
    workflow["jobs"]["diff"].take()
}

/// Runs a step by its name.
fn step(job: &Value, name: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let steps = job["steps"].as_array().unwrap();
    let script = steps.iter().find(|step| step["name"] == name).unwrap()["run"].as_str().unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", script]).current_dir(folder);
    shell.envs(variables.iter().copied()).output().unwrap()
}

fn empty_folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("sc-auth-e2e-{name}"));
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A release from dev/release, with the archive under the name that the workflow downloads.
fn release(folder: &Path, archive: &str) {
    fs::write(folder.join("sc-auth-operator"), "#!/bin/sh\necho released\n").unwrap();
    let pack = format!(
        "chmod +x sc-auth-operator && tar -czf {archive} sc-auth-operator && cp {archive} other-{archive} && \
         rm sc-auth-operator && sha256sum *.tar.gz >SHA256SUMS"
    );
    let status = Command::new("bash").args(["-ec", &pack]).current_dir(folder).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_pull_request_installs_the_released_program_if_its_checksum_is_right() {
    let job = job();
    let archive = job["env"]["ARCHIVE"].as_str().unwrap();
    assert!(job["env"]["RELEASE"].as_str().unwrap().contains("/releases/download/v"));
    let served = empty_folder("released");
    release(&served, archive);
    let address = format!("file://{}", served.display());
    let install = |name: &str| {
        let folder = empty_folder(name);
        let (runner, path) = (folder.to_str().unwrap().to_owned(), folder.join("path"));
        let variables = [
            ("RUNNER_TEMP", runner.as_str()),
            ("GITHUB_PATH", path.to_str().unwrap()),
            ("RELEASE", &address),
            ("ARCHIVE", archive),
        ];
        let output = step(&job, "install", &folder, &variables);
        (output.status.success(), fs::read_to_string(path).unwrap_or_default())
    };

    let (passed, path) = install("install-right");
    let program = Path::new(path.trim()).join("sc-auth-operator");
    assert!(passed && Command::new(program).output().unwrap().stdout == b"released\n");

    let mut bytes = fs::read(served.join(archive)).unwrap();
    bytes.push(0);
    fs::write(served.join(archive), bytes).unwrap();
    assert_eq!(install("install-wrong"), (false, String::new()), "an archive with another checksum");
    fs::write(served.join("SHA256SUMS"), "").unwrap();
    assert_eq!(install("install-unlisted"), (false, String::new()), "an archive without a checksum");
    for name in ["released", "install-right", "install-wrong", "install-unlisted"] {
        fs::remove_dir_all(std::env::temp_dir().join(format!("sc-auth-e2e-{name}"))).unwrap();
    }
}

#[test]
fn a_pull_request_gets_the_list_of_its_changes() {
    let job = job();
    let image = job["env"]["SERVER_IMAGE"].as_str().unwrap();
    let folder = empty_folder("pull-request");
    fs::create_dir_all(folder.join("tenants")).unwrap();
    let manifest = |more: &str| {
        let spec = format!("{{database: {{embedded: {{size: 1Gi}}}}{more}}}");
        format!("apiVersion: sc-auth.io/v1alpha1\nkind: ScAuth\nmetadata: {{name: e2e-pull}}\nspec: {spec}\n")
    };
    let tell = |more: &str| {
        fs::write(folder.join("tenants/pull.yaml"), manifest(more)).unwrap();
        let path = format!("{}:{}", programs(), std::env::var("PATH").unwrap());
        let output = step(&job, "diff", &folder, &[("PATH", &path), ("SERVER_IMAGE", image)]);
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
