//! `render`: the objects of a manifest's ScAuths, without a cluster; the generated Secrets contain placeholders.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use kube::Resource as _;
use sc_auth_contract::deployment::DEPLOYMENT_FILE;
use sc_auth_contract::places::{ADMIN_ID, ADMIN_PASSWORD, KEYS_FILE};
use sc_auth_contract::time::UnixTime;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::api::{self, ScAuth};
use crate::release_args::{NO_SERVER_IMAGE, ReleaseArgs};
use crate::scauth::children::{self, build};
use crate::scauth::observe::Observed;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::resolved::Resolved;
use crate::scauth::validate::{Environment, validate};
use crate::shared::schema::{problems, unknown_fields};

/// The uid of a ScAuth that is not stored yet.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// The flags of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The manifest, or `-` for standard input. Objects of other kinds are ignored.
    #[arg(short, long)]
    filename: PathBuf,
    #[command(flatten)]
    release: ReleaseArgs,
}

/// # Errors
/// If the file cannot be read, or contains no ScAuth, or one that the operator would refuse.
pub fn render(args: RenderArgs) -> anyhow::Result<String> {
    let environment = args.release.environment();
    let mut text = String::new();
    for mut scauth in read_checked(&args.filename, problems)? {
        scauth.metadata.uid.get_or_insert_with(|| NO_UID.to_owned());
        text.push_str(&children(&scauth, &environment)?);
    }
    Ok(text)
}

fn children(scauth: &ScAuth, environment: &Environment) -> anyhow::Result<String> {
    let resolved = validate(scauth, &Observed::default(), environment, &UpgradeTurn::Now)
        .map_err(|refusal| anyhow::anyhow!("{}: {}", refusal.reason, refusal.message))?;
    ensure_image(&resolved)?;
    warn(&resolved);
    let mut text = String::new();
    for child in build(&resolved)?.into_values().chain(secrets(&resolved)?) {
        text.push_str("---\n");
        text.push_str(&serde_yaml::to_string(&child)?);
    }
    Ok(text)
}

/// # Errors
/// If neither the ScAuth, its pods nor the command line name an image.
pub fn ensure_image(resolved: &Resolved) -> anyhow::Result<()> {
    ensure!(!resolved.release.image.is_empty(), "{NO_SERVER_IMAGE}; or name one in spec.image");
    Ok(())
}

/// Prints problems on standard error that would otherwise be reported only in the status.
pub fn warn(resolved: &Resolved) {
    if let Some(note) = &resolved.unknown_upgrade {
        let _ = writeln!(std::io::stderr(), "warning: ScAuth {}: {note}", resolved.names.scauth);
    }
}

/// The generated Secrets with placeholders.
fn secrets(resolved: &Resolved) -> anyhow::Result<[Value; 2]> {
    let mut keys = serde_json::to_value(children::keys_secret(resolved, UnixTime::EPOCH, &mut rand::rng())?)?;
    for file in [KEYS_FILE, DEPLOYMENT_FILE] {
        keys["stringData"][file] = json!("generated");
    }
    let mut admin = serde_json::to_value(children::admin_secret(resolved, &mut rand::rng()))?;
    for random in [ADMIN_PASSWORD, ADMIN_ID] {
        admin["stringData"][random] = json!("generated");
    }
    Ok([keys, admin])
}

/// The ScAuths in a manifest, checked as by the API server. Unknown fields are errors, as there.
///
/// # Errors
/// If the file cannot be read or contains no ScAuth.
pub fn read(path: &PathBuf) -> anyhow::Result<Vec<ScAuth>> {
    read_checked(path, unknown_fields)
}

/// The problems of an object according to its schema.
type Check = fn(&Value, &Value) -> Vec<String>;

fn read_checked(path: &PathBuf, check: Check) -> anyhow::Result<Vec<ScAuth>> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    }
    parse(&text, check).with_context(|| path.display().to_string())
}

fn parse(text: &str, check: Check) -> anyhow::Result<Vec<ScAuth>> {
    let schema = api::schema()?;
    let mut found = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document)?;
        if value["kind"] != *ScAuth::kind(&()) {
            continue;
        }
        ensure!(
            value["apiVersion"] == *ScAuth::api_version(&()),
            "apiVersion is {}, it must be {}",
            value["apiVersion"],
            ScAuth::api_version(&())
        );
        let problems = check(&schema, &value);
        ensure!(problems.is_empty(), "{}", problems.join("; "));
        found.push(serde_json::from_value(value)?);
    }
    ensure!(!found.is_empty(), "the manifest contains no ScAuth");
    Ok(found)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        render: RenderArgs,
    }

    fn rendered(manifest: &str) -> anyhow::Result<String> {
        rendered_with(&["--server-image", "registry.test/server:9"], manifest)
    }

    fn rendered_with(more: &[&str], manifest: &str) -> anyhow::Result<String> {
        let file = std::env::temp_dir().join(format!("sc-auth-render-{}", rand::random::<u64>()));
        std::fs::write(&file, manifest)?;
        let file_name = file.display().to_string();
        let arguments = Arguments::parse_from([&["render", "-f", &file_name], more].concat());
        let text = render(arguments.render);
        std::fs::remove_file(file)?;
        text
    }

    const SMALLEST: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: other}
---
apiVersion: sc-auth.io/v1alpha1
kind: ScAuth
metadata: {name: tenant}
spec: {database: {embedded: {}}}
";

    #[test]
    fn all_children_are_printed_with_placeholders_for_secrets() {
        let text = rendered(SMALLEST).unwrap();
        let documents: Vec<_> =
            serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect();
        let kinds: Vec<_> = documents.iter().map(|document| document["kind"].as_str().unwrap()).collect();
        assert_eq!(
            kinds,
            [
                "Namespace",
                "ServiceAccount",
                "NetworkPolicy",
                "PersistentVolumeClaim",
                "Service",
                "Service",
                "Deployment",
                "Secret",
                "Secret"
            ]
        );
        for secret in &documents[7..] {
            let values = secret["stringData"].as_object().unwrap();
            assert!(values.values().all(|value| value == "generated" || value == "admin"), "{values:?}");
        }
    }

    #[test]
    fn the_samples_are_accepted() {
        let folders = ["../config/samples", "tests/releases"].map(|folder| std::fs::read_dir(folder).unwrap());
        let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
        let files: Vec<_> =
            files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml")).collect();
        assert!(files.len() > 10, "{files:?}");
        for file in files {
            read_checked(&file, problems).unwrap();
        }
    }

    #[test]
    fn an_image_is_needed_where_the_scauth_names_none() {
        let error = rendered_with(&[], SMALLEST).unwrap_err().to_string();
        assert!(error.contains("--server-image") && error.contains("spec.image"), "{error}");
        let own = SMALLEST.replace("{database:", "{image: \"registry.test/own:3\", database:");
        assert!(rendered_with(&[], &own).unwrap().contains("image: registry.test/own:3"));
    }

    #[test]
    fn the_pods_have_no_ids_with_the_flag_for_openshift() {
        let has_ids = |more: &[&str]| {
            rendered_with(&[&["--server-image=registry.test/server:9"], more].concat(), SMALLEST)
                .map(|text| ["runAsUser", "runAsGroup", "fsGroup"].map(|id| text.contains(id)))
        };
        assert_eq!(has_ids(&[]).unwrap(), [true; 3]);
        assert_eq!(has_ids(&["--openshift"]).unwrap(), [false; 3]);
    }

    #[test]
    fn what_the_operator_would_refuse_is_an_error_that_says_why() {
        let error = |manifest: &str| format!("{:#}", rendered(manifest).unwrap_err());
        for (part, other, words) in [
            ("database:", "databse:", "unknown field \"spec.databse\"; spec.database: is required"),
            ("embedded: {}", "embedded: {sise: 1Gi}", "unknown field \"spec.database.embedded.sise\""),
            // Empty is unknown too.
            ("embedded: {}", "embeded: {}", "unknown field \"spec.database.embeded\""),
            ("embedded: {}", "embedded: {sise: []}", "unknown field \"spec.database.embedded.sise\""),
            ("{database:", "{sized: null, database:", "unknown field \"spec.sized\""),
            ("spec:", "spce: {}\nspec:", "unknown field \"spce\""),
            ("{name: tenant}", "{name: tenant, lables: {}}", "unknown field \"metadata.lables\""),
            ("embedded: {}", "", "spec.database: set exactly one of spec.database.embedded and spec.database.external"),
            ("{name: tenant}", "{name: Tenant}", "metadata.name also names the Service"),
            ("{database:", "{replicas: 0, database:", "spec.replicas: must be at least 1"),
            ("{database:", "{replicas: 2, database:", "spec: an embedded database has one writer"),
            ("{database:", "{upgrade: Never, database:", "spec.upgrade: must be one of \"Manual\", \"Automatic\""),
            ("{database:", "{expose: {}, database:", "spec.expose: "),
        ] {
            let told = error(&SMALLEST.replace(part, other));
            assert!(told.contains(words), "{words}: {told}");
        }
        assert!(error(&SMALLEST.replace("{name: tenant}", "{name: sc-auth-system}")).contains("NamespaceNotAllowed"));
        assert!(error(&SMALLEST.replace("kind: ScAuth", "kind: Other")).contains("the manifest contains no ScAuth"));
    }
}
