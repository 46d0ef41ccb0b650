//! Helm as a person uses it.

use std::process::Command;

use crate::common::manifests::root;

pub fn chart() -> String {
    root().join("charts/sc-auth-operator").to_str().unwrap().to_owned()
}

/// What it printed, or what it complained about.
pub fn helm(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("helm").args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("helm: {error}. Run `make test`, which builds it."));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// The manifests of the chart with these values set.
pub fn template(more: &[&str]) -> Result<String, String> {
    let chart = chart();
    let fixed = ["template", "sc-auth-operator", &chart, "--namespace", "sc-auth-system"];
    helm(&[&fixed, more].concat())
}
