//! Logout tokens for applications with certificates.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::browser::{Browser, ISSUER, client, declare, start, text, tokens, with};
use crate::database::{Database, Engine};
use crate::harness::{Server, claims, until};

const CONFIGURATION: &str = "
    [req]
    distinguished_name = name
    [name]
    [authority]
    basicConstraints = critical, CA:TRUE
    keyUsage = critical, keyCertSign
    [server]
    basicConstraints = critical, CA:FALSE
    subjectAltName = IP:127.0.0.1, DNS:localhost
";

/// Writes `ca.pem`, and `server.pem` with its key.
fn create_certificates(folder: &Path) {
    std::fs::write(folder.join("openssl.cnf"), CONFIGURATION).unwrap();
    let common = "req -x509 -config openssl.cnf -days 36500 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for own in [
        "-extensions authority -subj /CN=authority -keyout ca.key -out ca.pem",
        "-extensions server -subj /CN=shop -keyout server.key -out server.pem -CA ca.pem -CAkey ca.key",
    ] {
        let arguments = common.split(' ').chain(own.split(' '));
        let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// An application that answers over TLS only.
struct Receiver {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start(folder: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut got = String::new();
                while !has_token(&got) {
                    let mut chunk = [0; 4096];
                    let Ok(count @ 1..) = stream.read(&mut chunk).await else { break };
                    got.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
                }
                into.lock().unwrap().push(got);
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        });
        Self { port, requests }
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// Whether all of a request is there.
fn has_token(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    head.contains(&format!("content-length: {}\r\n", body.len()))
        || head.ends_with(&format!("content-length: {}", body.len()))
}

#[tokio::test]
async fn a_logout_token_arrives_over_https() {
    let folder = tempfile::tempdir().unwrap();
    create_certificates(folder.path());
    for host in ["127.0.0.1", "localhost"] {
        let receiver = Receiver::start(folder.path()).await;
        let authority = format!("{host}:{}", receiver.port);
        let shop = with(client("shop"), "backchannelLogoutUri", json!(format!("https://{authority}/logout?x=1")));
        let database = Database::create(Engine::Sqlite).await;
        declare(&database, &[with(shop, "consent", json!("Skip"))]);
        let server = start(&database).await;
        server.register("alice").await;
        let issued = tokens(&server, &Browser::new(&server).code(&[]).await).await;
        let sid = claims(&text(&issued, "id_token"))["sid"].clone();
        let own = server.login("alice").await.access;
        assert_eq!(server.call("DELETE", "/api/v1/accounts/sessions", Some(&own), None).await.status, 200);
        // A certificate of an authority that the server does not know.
        let failed = async || database.texts("SELECT client FROM logout_outbox WHERE attempts > 0").await.len() == 1;
        until("an attempt has failed", failed).await;
        assert_eq!(receiver.count(), 0, "the token was not sent");
        until("the reason is logged", async || server.log.text().contains("UnknownIssuer")).await;
        drop(server);

        database.execute("UPDATE logout_outbox SET due_at = 0").await;
        let ca = folder.path().join("ca.pem");
        let settings = [
            ("SC_AUTH_DECLARED", "declared.json"),
            ("SC_AUTH_ISSUER", ISSUER),
            ("SC_AUTH_BACKCHANNEL_CA_FILE", ca.to_str().unwrap()),
        ];
        let _server = Server::start(&database, &settings).await;
        let is_empty = async || database.texts("SELECT client FROM logout_outbox").await.is_empty();
        until("the token has arrived", is_empty).await;
        let requests = receiver.requests.lock().unwrap();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /logout?x=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nhost: {authority}\r\n")), "{head}");
        let token = claims(body.strip_prefix("logout_token=").unwrap());
        assert_eq!((&token["sid"], &token["aud"]), (&sid, &json!("shop")));
    }
}
