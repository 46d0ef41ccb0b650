//! Ways through the pages that `pages.rs` does not take, and the pages with a logo, a title and colours of their own.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::database::{Database, Engine};
use crate::entrance::Entrance;
use crate::harness::{PASSWORD, Server};
use crate::kinds::installed;

const TITLE: &str = "Toko & Co.";
const LIGHT: &str = "#7a0019";
const DARK: &str = "#ffcc33";
/// A PNG of one pixel.
const LOGO: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

#[tokio::test]
async fn everybody_can_take_each_way_through_pages_with_a_look_of_their_own() {
    let callback = format!("{}/callback", start_application().await);
    let database = Database::create(Engine::Sqlite).await;
    let shop = json!({
        "clientId": "shop", "displayName": "Shop", "type": "Web", "redirectUris": [callback], "requirePkce": false,
        "secrets": [{"sha256": "0".repeat(64)}],
    });
    let declared = json!({"version": 1, "clients": [shop]}).to_string();
    std::fs::write(database.folder.path().join("declared.json"), declared).unwrap();
    std::fs::write(database.folder.path().join("logo.png"), STANDARD.decode(LOGO).unwrap()).unwrap();
    let mut entrance = Entrance::open().await;
    let settings = [
        ("SC_AUTH_DECLARED", "declared.json"),
        ("SC_AUTH_ISSUER", entrance.address.as_str()),
        ("SC_AUTH_LOGIN_TITLE", TITLE),
        ("SC_AUTH_LOGIN_LOGO", "logo.png"),
        ("SC_AUTH_LOGIN_ACCENT_LIGHT", LIGHT),
        ("SC_AUTH_LOGIN_ACCENT_DARK", DARK),
    ];
    let server = Server::start(&database, &settings).await;
    server.register("alice").await;
    entrance.lead_to(&[&server.api]);

    // Below what npm has installed; a folder of its own, since other tests use the same scripts.
    let folder = tempfile::tempdir_in(installed("pages-test")).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/applications/pages");
    for script in ["browser.mjs", "flows.mjs"] {
        std::fs::copy(source.join(script), folder.path().join(script)).unwrap();
    }
    let mut node = Command::new("node");
    node.arg(folder.path().join("flows.mjs")).stdin(Stdio::null()).kill_on_drop(true);
    node.envs([("ISSUER", entrance.address.as_str()), ("CALLBACK", callback.as_str()), ("TITLE", TITLE)]);
    node.envs([("USERNAME", "alice"), ("PASSWORD", PASSWORD), ("LIGHT", LIGHT), ("DARK", DARK)]);
    let output = node.output().await.unwrap();
    let problems = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{problems}{}", String::from_utf8_lossy(&output.stderr));
}

/// An application that shows the method of each request, and the form in it. Returns its address.
async fn start_application() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(show(stream));
        }
    });
    address
}

async fn show(mut stream: TcpStream) {
    let (mut got, mut part) = (String::new(), [0; 4096]);
    let form = loop {
        if let Some(form) = form_of(&got) {
            break form.replace('&', "&amp;");
        }
        let Ok(count @ 1..) = stream.read(&mut part).await else { return };
        got.push_str(std::str::from_utf8(&part[..count]).unwrap());
    };
    let method = got.split(' ').next().unwrap();
    let page = format!("<!doctype html><title>Shop</title><p id=\"method\">{method}</p><p id=\"form\">{form}</p>");
    let length = page.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all((head + &page).as_bytes()).await;
}

/// The body of a request, once all of it is there.
fn form_of(request: &str) -> Option<&str> {
    let (head, body) = request.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length = head.split("\r\ncontent-length: ").nth(1).map_or("0", |rest| rest.split("\r\n").next().unwrap());
    (body.len() >= length.parse().unwrap()).then_some(body)
}
