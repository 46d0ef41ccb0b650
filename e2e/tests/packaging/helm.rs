//! Runs Helm.

use std::process::Command;

use sc_auth_e2e::manifests::root;

pub fn chart() -> String {
    root().join("charts/sc-auth-operator").to_str().unwrap().to_owned()
}

/// Its output, or its error.
pub fn helm(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("helm").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("helm: {error}. Run `make test`, which builds it."));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The two required values.
pub const IMAGES: [&str; 4] = [
    "--set",
    "image.repository=registry.example.com/sc-auth-operator",
    "--set",
    "serverImage.repository=registry.example.com/sc-auth-server",
];

/// The manifests of the chart with the images and these values set.
pub fn template(more: &[&str]) -> Result<String, String> {
    template_of(&[&IMAGES[..], more].concat())
}

/// The manifests of the chart with only these values.
pub fn template_of(values: &[&str]) -> Result<String, String> {
    let chart = chart();
    let fixed = ["template", "sc-auth-operator", &chart, "--namespace", "sc-auth-system"];
    helm(&[&fixed[..], values].concat())
}
