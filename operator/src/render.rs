//! `render`: the objects of a manifest's ScAuths, without a cluster; the generated Secrets contain placeholders.

mod beside;
mod manifest;
mod yaml;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use kube::ResourceExt as _;
use sc_auth_contract::deployment::DEPLOYMENT_FILE;
use sc_auth_contract::places::{ADMIN_ID, ADMIN_PASSWORD, KEYS_FILE};
use sc_auth_contract::time::UnixTime;
use serde_json::{Value, json};

pub use beside::Beside;
pub use manifest::Manifest;

use crate::api::ScAuth;
use crate::release_args::{NO_SERVER_IMAGE, ReleaseArgs};
use crate::scauth::children::{self, build};
use crate::scauth::names::Names;
use crate::scauth::observe::Observed;
use crate::scauth::release::UpgradeTurn;
use crate::scauth::resolved::Resolved;
use crate::scauth::validate::{Environment, validate};
use crate::shared::schema::{label_problems, problems, unknown_fields};

/// The uid of a ScAuth that is not stored yet.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// The flags of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The manifest, or `-` for standard input. Of other kinds, only Namespaces and Secrets matter: whether a
    /// Namespace allows a ScAuth, and whether a Secret has the name of a generated one.
    #[arg(short, long)]
    filename: PathBuf,
    #[command(flatten)]
    release: ReleaseArgs,
}

/// # Errors
/// If the file cannot be read, or contains no ScAuth, or one that the operator would refuse.
pub fn render(args: RenderArgs) -> anyhow::Result<String> {
    let environment = args.release.environment(Duration::ZERO);
    let mut text = String::new();
    let Manifest { scauths, beside } = manifest::read(&args.filename, problems)?;
    for mut scauth in scauths {
        scauth.metadata.uid.get_or_insert_with(|| NO_UID.to_owned());
        let children = children(&scauth, &beside, &environment);
        text.push_str(&children.with_context(|| format!("ScAuth {}", scauth.name_any()))?);
    }
    Ok(text)
}

fn children(scauth: &ScAuth, beside: &Beside, environment: &Environment) -> anyhow::Result<String> {
    let mut observed = Observed::default();
    beside.complete(&mut observed, &Names::of(scauth));
    let resolved = validate(scauth, &observed, environment, &UpgradeTurn::Now)
        .map_err(|refusal| anyhow::anyhow!("{}: {}", refusal.reason, refusal.message))?;
    ensure_image(&resolved)?;
    warn(&resolved);
    let mut text = String::new();
    for child in build(&resolved)?.into_values().chain(secrets(&resolved)?) {
        let mut problems = label_problems(&child["metadata"], "metadata");
        problems.extend(label_problems(&child["spec"]["template"]["metadata"], "spec.template.metadata"));
        ensure!(problems.is_empty(), "{}: {}", child["kind"].as_str().unwrap_or_default(), problems.join("; "));
        text.push_str("---\n");
        text.push_str(&yaml::to_yaml(&child)?);
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

/// Reads a manifest and checks its ScAuths as kubectl does: unknown fields are errors.
///
/// # Errors
/// If the file cannot be read or contains no ScAuth.
pub fn read(path: &Path) -> anyhow::Result<Manifest> {
    manifest::read(path, unknown_fields)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde::Deserialize as _;

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
            manifest::read(&file, problems).unwrap();
        }
    }

    #[test]
    fn an_image_is_needed_where_the_scauth_names_none() {
        let error = format!("{:#}", rendered_with(&[], SMALLEST).unwrap_err());
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
        assert!(error("apiVersion: v1\nkind: Other").contains("the manifest contains no ScAuth"));
    }

    #[test]
    fn what_kubectl_and_the_api_server_refuse_is_refused() {
        let error = |manifest: &str| format!("{:#}", rendered(manifest).unwrap_err());
        let long = "x".repeat(64);
        let labels = |labels: &str| format!("{{name: tenant, labels: {{{labels}}}}}");
        for (part, other, words) in [
            ("{name: tenant}", "{name: tenant, name: other}".to_owned(), "document 2: "),
            ("{name: tenant}", "{name: tenant, name: other}".to_owned(), "duplicate entry with key \"name\""),
            ("{name: tenant}", labels("1: a, \"1\": b"), "duplicate key \"1\""),
            ("kind: ScAuth", "kind: Scauth".to_owned(), "document 2: kind is \"Scauth\", sc-auth.io has only ScAuth"),
            ("kind: ScAuth", "kind: Other".to_owned(), "document 2: kind is \"Other\""),
            ("kind: ScAuth", String::new(), "document 2: kind is missing"),
            ("apiVersion: sc-auth.io/v1alpha1", String::new(), "document 2: apiVersion is missing"),
            ("sc-auth.io/v1alpha1", "sc-auth.io/v1".to_owned(), "apiVersion is \"sc-auth.io/v1\""),
            ("{name: tenant}", labels("a b: c"), "ScAuth tenant: metadata.labels: \"a b\" is not a valid key"),
            ("{name: tenant}", labels("-a: c"), "\"-a\" is not a valid key"),
            ("{name: tenant}", labels("A.b/c/d: c"), "\"A.b/c/d\" is not a valid key"),
            ("{name: tenant}", labels("Example.com/c: c"), "\"Example.com/c\" is not a valid key"),
            ("{name: tenant}", labels(&format!("{long}: c")), "is not a valid key"),
            ("{name: tenant}", labels("a: b c"), "metadata.labels.a: \"b c\" is not a valid value"),
            ("{name: tenant}", labels(&format!("a: {long}")), "is not a valid value"),
            ("{name: tenant}", labels("a: 1"), "metadata.labels.a: must be of type string"),
            ("{name: tenant}", "{name: tenant, annotations: {a b: c}}".to_owned(), "metadata.annotations: \"a b\""),
            (
                "{database:",
                "{podTemplate: {labels: {a: b c}}, database:".to_owned(),
                "spec.podTemplate.labels.a: the value of a label has at most 63",
            ),
            ("{database:", "{replicas: 0, database:".to_owned(), "ScAuth tenant: spec.replicas"),
            ("{name: tenant}", "{name: sc-auth-system}".to_owned(), "ScAuth sc-auth-system: NamespaceNotAllowed"),
        ] {
            let told = error(&SMALLEST.replace(part, &other));
            assert!(told.contains(words), "{words}: {told}");
        }
        let twice = format!("{SMALLEST}---{SMALLEST}");
        assert!(error(&twice).contains("ScAuth tenant: the manifest contains it more than once"));
        let second = format!("{SMALLEST}---{}", SMALLEST.replace("tenant", "second").replace("database:", "databse:"));
        assert!(error(&second).contains("ScAuth second: unknown field"), "{}", error(&second));
    }

    const LIST: &str = "
apiVersion: v1
kind: List
metadata: {resourceVersion: \"\"}
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: other}, data: {1: a, true: b}}
- {apiVersion: sc-auth.io/v1alpha1, kind: ScAuth, metadata: {name: first}, spec: {database: {embedded: {}}}}
- {apiVersion: sc-auth.io/v1alpha1, kind: ScAuth, metadata: {name: second}, spec: {database: {embedded: {}}}}
";

    #[test]
    fn the_items_of_a_list_are_read_and_checked() {
        for list in [LIST.to_owned(), LIST.replace("v1\nkind: List", "sc-auth.io/v1alpha1\nkind: ScAuthList")] {
            let text = rendered(&list).unwrap();
            assert!(["first", "second"].iter().all(|name| text.contains(&format!("namespace: {name}"))), "{text}");
        }
        let error = |manifest: &str| format!("{:#}", rendered(manifest).unwrap_err());
        let unknown = error(&LIST.replace("second}, spec: {database", "second}, spec: {databse"));
        assert!(unknown.contains("ScAuth second: unknown field \"spec.databse\""), "{unknown}");
        let other = error(&LIST.replace("kind: ScAuth, metadata: {name: second}", "kind: Scauth, metadata: {}"));
        assert!(other.contains("document 1, items[2]: kind is \"Scauth\""), "{other}");
        assert!(
            error(&LIST.replace("second", "first")).contains("ScAuth first: the manifest contains it more than once")
        );
    }

    #[test]
    fn what_the_api_server_takes_is_rendered() {
        let same = rendered(SMALLEST).unwrap();
        for (part, other) in [
            ("{database:", "{replicas: null, database:"),
            ("{database:", "{podTemplate: {env: null, labels: null}, expose: null, database:"),
            ("{embedded: {}}", "{external: null, embedded: {size: null}}"),
            ("{name: tenant}", "{name: tenant, labels: null, namespace: elsewhere}"),
            (
                "{name: tenant}",
                "{name: tenant, labels: {example.com/a.b_c: \"\", d: E-1}, annotations: {Example.com/a: b c}}",
            ),
        ] {
            assert_eq!(rendered(&SMALLEST.replace(part, other)).unwrap(), same, "{other}");
        }
        let merged = "
x-base: &base {embedded: {}}
x-more: &more {<<: *base}
";
        let list = format!(
            "apiVersion: v1\nkind: List\n{merged}items:\n- apiVersion: sc-auth.io/v1alpha1\n  kind: ScAuth\n  \
             metadata: {{name: tenant}}\n  spec: {{database: {{<<: *more}}}}\n"
        );
        assert_eq!(rendered(&list).unwrap(), same);
        let required = format!("{:#}", rendered(&SMALLEST.replace("{embedded: {}}", "null")).unwrap_err());
        assert!(required.contains("spec.database: is required"), "{required}");
    }

    fn beside(other: &str) -> anyhow::Result<String> {
        rendered(&format!("{}---\n{other}", SMALLEST.replace("spec: {", "spec: {namespace: shop, ")))
    }

    #[test]
    fn the_namespace_of_the_same_manifest_decides_whether_it_is_used() {
        let namespace = |more: &str| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop{more}}}\n");
        let has_namespace = |text: &str| text.contains("kind: Namespace");
        assert!(has_namespace(&beside("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}").unwrap()));
        assert!(!has_namespace(&beside(&namespace(", annotations: {sc-auth.io/allow: tenant}")).unwrap()));
        let error = format!("{:#}", beside(&namespace("")).unwrap_err());
        assert!(error.contains("NamespaceNotAllowed: namespace shop already exists"), "{error}");
    }

    #[test]
    fn a_secret_of_the_same_manifest_with_the_name_of_a_generated_one_is_a_conflict() {
        let secret = |name: &str, namespace: &str| {
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\nstringData: {{a: b}}\n"
            )
        };
        for (name, namespace, conflicts) in [
            ("tenant-secret", "shop", true),
            ("tenant-admin", "shop", true),
            ("tenant-secret", "elsewhere", false),
            ("database", "shop", false),
        ] {
            let told = beside(&secret(name, namespace)).map_err(|error| format!("{error:#}"));
            let expected = format!("NameConflict: Secret {name} belongs to somebody else");
            assert_eq!(told.is_err_and(|error| error.contains(&expected)), conflicts, "{namespace}/{name}");
        }
    }

    #[test]
    fn words_that_yaml_1_1_reads_as_booleans_have_quotes() {
        let env = "{podTemplate: {env: [{name: A, value: \"on\"}], labels: {\"y\": \"no\"}}, database:";
        let text = rendered(&SMALLEST.replace("{database:", env)).unwrap();
        assert!(text.contains("value: \"on\"") && text.contains("\"y\": \"no\""), "{text}");
    }
}
