//! HTTPS as in config/samples/cert-manager.yaml: with cert-manager's own controllers, and a CA of this test instead of
//! Let's Encrypt.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use sc_auth_e2e::client::environment;
use sc_auth_e2e::kube::{Cleanup, apply, eventually, get, kubectl, ready, run, secret_value};
use sc_auth_e2e::manifests::sample;
use serde_json::{Value, json};

const NAME: &str = "portal-auth";
const HOST: &str = "auth.portal.example.com";
/// The namespace of the authority's key.
const AUTHORITY: &str = "e2e-authority";

/// cert-manager, until the test ends.
struct CertManager(Child);

impl CertManager {
    fn start() -> Self {
        run(&["apply", "--server-side", "-f", &environment("SCDEV_CERT_MANAGER_CRDS")]);
        run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=240s"]);
        let mut program = Command::new(environment("SCDEV_CERT_MANAGER"));
        program.env("CLUSTER_RESOURCE_NAMESPACE", AUTHORITY);
        Self(program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for CertManager {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Creates an issuer with its own key.
fn make_issuer(name: &str) {
    let object = |kind: &str, name: &str, spec: Value| {
        let metadata = json!({"name": name, "namespace": (kind == "Certificate").then_some(AUTHORITY)});
        apply(json!({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": metadata, "spec": spec})).unwrap();
    };
    apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": AUTHORITY}})).unwrap();
    object("ClusterIssuer", AUTHORITY, json!({"selfSigned": {}}));
    let issuer = json!({"kind": "ClusterIssuer", "name": AUTHORITY});
    let root = json!({"isCA": true, "commonName": AUTHORITY, "secretName": "root", "issuerRef": issuer});
    object("Certificate", "root", root);
    object("ClusterIssuer", name, json!({"ca": {"secretName": "root"}}));
}

/// The first line of an HTTPS answer to a client with default settings.
fn greeting(authority: &Path) -> String {
    let resolve = format!("{HOST}:443:{}", environment("SCDEV_INGRESS"));
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--resolve", &resolve, "--cacert"]).arg(authority).arg(format!("https://{HOST}/"));
    let output = curl.output().unwrap();
    String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap()
}

#[test]
fn cert_manager_writes_the_certificate_of_the_sample() {
    let _cert_manager = CertManager::start();
    let _cleanup = Cleanup(NAME);
    let [issuer, mut scauth] = sample("cert-manager.yaml").try_into().unwrap();
    let checked = kubectl(&["apply", "--dry-run=server", "-f", "-"], &issuer.to_string());
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    make_issuer("letsencrypt");
    scauth["spec"]["expose"]["ingress"]["className"] = json!("traefik");
    apply(scauth).unwrap();
    ready(NAME);
    assert_eq!(get("scauth", NAME, "default")["status"]["url"], format!("https://{HOST}"));

    eventually("a certificate", || !get("secret", "portal-auth-tls", NAME).is_null());
    let authority = std::env::temp_dir().join("sc-auth-e2e-authority.pem");
    std::fs::write(&authority, secret_value("portal-auth-tls", NAME, "ca.crt")).unwrap();
    // Traefik reads the Secret a moment later.
    eventually("the API answers by HTTPS", || greeting(&authority).contains("\"status\":\"ok\""));
    std::fs::remove_file(authority).unwrap();
    run(&["delete", "clusterissuer", "letsencrypt", AUTHORITY]);
    run(&["delete", "namespace", AUTHORITY, "--wait=false"]);
}
