//! The pages in Chromium: in both languages and themes, on narrow and wide screens, by keyboard, and without JavaScript.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tokio::process::Command;

use crate::Setup;
use crate::database::Engine;
use crate::harness::PASSWORD;
use crate::kinds::{beside_modules, installed};
use crate::upstream;

/// A script that drives Chromium.
pub fn script(name: &str) -> PathBuf {
    let (source, folder) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/applications/pages"), installed("pages-test"));
    beside_modules(&source.join("browser.mjs"), &folder);
    beside_modules(&source.join(name), &folder)
}

/// Saves the pictures in the folder `SCDEV_PICTURES`, if it is set.
#[tokio::test]
async fn everybody_can_use_each_page() {
    let callback = format!("{}/callback", upstream::start().await);
    let shop = json!({
        "clientId": "shop", "displayName": "Shop", "type": "Web", "redirectUris": [callback], "requirePkce": false,
        "secrets": [{"sha256": "0".repeat(64)}], "scopes": ["openid", "profile", "email", "offline_access"],
    });
    let setup = Setup::declaring(Engine::Sqlite, vec![shop]).await;
    let issuer = &setup.entrance.address;
    let scope = "openid+profile+email+offline_access";
    let query = format!("client_id=shop&response_type=code&prompt=consent&scope={scope}&redirect_uri={callback}");
    let pictures = tempfile::tempdir().unwrap();
    let wanted = std::env::var("SCDEV_PICTURES").map_or_else(|_| pictures.path().to_owned(), Into::into);
    let mut node = Command::new("node");
    node.arg(script("pages.mjs")).stdin(Stdio::null()).kill_on_drop(true);
    node.env("AUTHORIZE", format!("{issuer}/oauth2/authorize?{query}")).env("ISSUER", issuer).env("PICTURES", wanted);
    node.env("USERNAME", "alice").env("PASSWORD", PASSWORD).env("CALLBACK", &callback);
    let output = node.output().await.unwrap();
    let problems = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{problems}{}", String::from_utf8_lossy(&output.stderr));
}
