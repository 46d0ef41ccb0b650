//! The services of examples/ that verify access tokens, each with the same requests.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::WWW_AUTHENTICATE;
use sc_auth_e2e::client::{Client, PASSWORD, until};
use sc_auth_e2e::kube::secret_value;
use sc_auth_e2e::shell::programs;
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

use super::examples::{Service, cache, example, program, python};

const TENANT: &str = "e2e-services";
const HOST: &str = "services.example.com";
/// Where [`Keys`] are published.
const KEYS_PORT: u16 = 13900;
/// The first of three ports of the first service.
const PORT: u16 = 13901;

/// A framework, and the program with its arguments.
type Example = (&'static str, Vec<String>);

fn examples() -> Vec<Example> {
    let built = |name: &str| cache().join(name).to_str().unwrap().to_owned();
    for script in ["verifier.mjs", "service.mjs"] {
        // Beside what npm has installed.
        fs::copy(example(&format!("javascript/{script}")), built(&format!("javascript/{script}"))).unwrap();
    }
    let java = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-jar"].map(str::to_owned);
    // As on Node.js 18, which Debian 12 has.
    let without_crypto = "--import=data:text/javascript,delete globalThis.crypto";
    vec![
        ("FastAPI", vec![python(), example("python/service.py")]),
        ("Express", vec!["node".to_owned(), without_crypto.to_owned(), built("javascript/service.mjs")]),
        ("Go", vec![built("go-service")]),
        ("Spring Boot", [&java[..], &[built("java/target/service.jar")]].concat()),
        ("axum", vec![format!("{}/sc-auth-example-axum", programs())]),
    ]
}

/// One service with the settings of the API, and two with wrong ones.
struct Services {
    name: &'static str,
    verifies: Service,
    of_other_issuer: Service,
    of_other_audience: Service,
}

impl Services {
    fn start((name, command): &Example, port: u16) -> Self {
        let arguments: Vec<_> = command[1..].iter().map(String::as_str).collect();
        let start = |port: u16, settings: &[(&str, String)]| {
            let settings = settings.iter().map(|(name, value)| (name, value));
            Service::start(program(HOST, &command[0], &arguments).envs(settings), port)
        };
        let issuer = format!("http://{HOST}");
        // As inside a cluster: the keys come from another address than the issuer's.
        let keys = format!("http://127.0.0.1:{KEYS_PORT}/{port}");
        Self {
            name,
            verifies: start(port, &[("API", keys), ("ISSUER", issuer.clone())]),
            of_other_issuer: start(
                port + 1,
                &[("ISSUER", "http://other.example.com".to_owned()), ("AUDIENCE", issuer)],
            ),
            of_other_audience: start(port + 2, &[("AUDIENCE", "http://other.example.com".to_owned())]),
        }
    }

    async fn answer(&self) {
        for service in [&self.verifies, &self.of_other_issuer, &self.of_other_audience] {
            service.answers().await;
        }
    }

    /// The path under which it reads its keys.
    fn keys_path(&self) -> String {
        format!("/{}/.well-known/jwks.json", self.verifies.address.rsplit(':').next().unwrap())
    }
}

/// Status and body. A refusal must have the header that RFC 6750 asks for.
async fn get(service: &Service, path: &str, token: Option<&str>) -> (u16, String) {
    let request = reqwest::Client::new().get(format!("{}{path}", service.address));
    let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    if status == 401 {
        let header = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(header.starts_with("Bearer"), "{}: {header:?}", service.address);
    }
    (status, answer.text().await.unwrap())
}

/// A server that publishes keys, and counts how often each service has read them.
#[derive(Default)]
struct Keys {
    published: String,
    /// Answers with a page instead.
    fails: bool,
    reads: Vec<String>,
}

impl Keys {
    fn serve(published: String) -> Arc<Mutex<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", KEYS_PORT)).unwrap();
        let keys = Arc::new(Mutex::new(Self { published, ..Self::default() }));
        let shared = Arc::clone(&keys);
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let keys = Arc::clone(&shared);
                thread::spawn(move || {
                    let head: Vec<_> = BufReader::new(&connection)
                        .lines()
                        .map_while(Result::ok)
                        .take_while(|line| !line.is_empty())
                        .collect();
                    let answer = head.first().map(|request| keys.lock().unwrap().answer(request)).unwrap_or_default();
                    drop(connection.write_all(answer.as_bytes()));
                });
            }
        });
        keys
    }

    fn answer(&mut self, request: &str) -> String {
        self.reads.push(request.split(' ').nth(1).unwrap_or_default().to_owned());
        let body = if self.fails { "<html>" } else { &self.published };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
        format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn reads(&self, path: &str) -> usize {
        self.reads.iter().filter(|read| *read == path).count()
    }
}

/// The token with another header, and with its signature.
fn with_header(token: &str, header: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(header.to_string());
    format!("{header}.{}", token.split_once('.').unwrap().1)
}

fn bad_tokens(access: &str, refresh: &str) -> [(&'static str, String); 6] {
    let (signed, signature) = access.rsplit_once('.').unwrap();
    let unsigned = with_header(signed, &json!({"alg": "none", "typ": "at+jwt"})) + ".";
    let unknown = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "unknown"});
    let altered = if signature.starts_with('A') { "B" } else { "A" };
    [
        ("an altered token", format!("{signed}.{altered}{}", &signature[1..])),
        ("a refresh token", refresh.to_owned()),
        ("no JWT", "token".to_owned()),
        ("an unsigned token", unsigned),
        ("an unknown key", with_header(access, &unknown)),
        ("another payload", access.replacen('.', ".e30.", 1)),
    ]
}

async fn verifies(services: &Services, client: &Client, admin_password: &str) {
    let name = services.name;
    let good = &services.verifies;
    // A new token for each request that must pass, since they expire soon.
    let alice = async || client.login("alice", PASSWORD).await;
    let (status, body) = get(good, "/", Some(&alice().await.0)).await;
    assert!(status == 200 && body.ends_with(" User\n"), "{name}: {status} {body}");
    assert_eq!(get(good, "/admin", Some(&alice().await.0)).await.0, 403, "{name}: a user who is not an Admin");
    let (admin, _) = client.login("admin", admin_password).await;
    let (status, body) = get(good, "/admin", Some(&admin)).await;
    assert!(status == 200 && body.ends_with(" is an Admin\n"), "{name}: {status} {body}");

    let (access, refresh) = alice().await;
    assert_eq!(get(&services.of_other_issuer, "/", Some(&access)).await.0, 401, "{name}: another issuer");
    assert_eq!(get(&services.of_other_audience, "/", Some(&access)).await.0, 401, "{name}: another audience");
    for path in ["/", "/admin"] {
        assert_eq!(get(good, path, None).await.0, 401, "{name}: without a token");
        for (what, token) in bad_tokens(&access, &refresh) {
            assert_eq!(get(good, path, Some(&token)).await.0, 401, "{name}: {what}");
        }
    }
}

/// After a rotation, a service reads the keys again because a token names an unknown one, but not for each such token.
async fn follows_a_rotation(services: &Services, client: &Client, keys: &Mutex<Keys>) {
    let name = services.name;
    let reads = || keys.lock().unwrap().reads(&services.keys_path());
    let before = reads();
    let (mut access, _) = client.login("alice", PASSWORD).await;
    until(&format!("{name} has the new key"), async || {
        if client.me(&access).await == 401 {
            access = client.login("alice", PASSWORD).await.0;
        }
        get(&services.verifies, "/", Some(&access)).await.0 == 200
    })
    .await;
    assert!(reads() > before, "{name} did not read the keys");
    let after = reads();
    for number in 0..30 {
        let unknown = with_header(&access, &json!({"alg": "EdDSA", "typ": "at+jwt", "kid": number.to_string()}));
        assert_eq!(get(&services.verifies, "/", Some(&unknown)).await.0, 401);
    }
    assert!(reads() <= after + 10, "{name} read the keys {} times", reads() - after);
}

/// While the keys cannot be fetched, known keys work, and tokens with unknown ones, which may be valid, are not called invalid.
async fn without_keys(services: &Services, client: &Client, keys: &Mutex<Keys>) {
    let name = services.name;
    let reads = || keys.lock().unwrap().reads(&services.keys_path());
    let (access, _) = client.login("alice", PASSWORD).await;
    let unknown = with_header(&access, &json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "unknown"}));
    until(&format!("{name} cannot fetch the keys"), async || {
        get(&services.verifies, "/", Some(&unknown)).await.0 == 503
    })
    .await;
    let before = reads();
    for _ in 0..30 {
        assert_eq!(get(&services.verifies, "/", Some(&unknown)).await.0, 503, "{name}");
    }
    assert!(reads() <= before + 10, "{name} read the keys {} times", reads() - before);
    let (access, _) = client.login("alice", PASSWORD).await;
    assert_eq!(get(&services.verifies, "/", Some(&access)).await.0, 200, "{name}: a known key");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_verify_access_tokens() {
    let tenant = Tenant::embedded(TENANT).host(HOST).with(json!({"auth": {"accessTokenTtl": "30s"}}));
    tenant.apply().ready();
    let client = tenant.client().await;
    client.register("alice").await;
    let admin = secret_value(&format!("{TENANT}-admin"), TENANT, "password");

    // Before the rotation: the key of RFC 8037, which has signed none of these tokens.
    let other = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "other",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let keys = Keys::serve(json!({"keys": [other]}).to_string());
    let all: Vec<_> = examples().iter().zip(0..).map(|(example, at)| Services::start(example, PORT + 3 * at)).collect();
    for services in &all {
        services.answer().await;
        let (access, _) = client.login("alice", PASSWORD).await;
        assert_eq!(get(&services.verifies, "/", Some(&access)).await.0, 401, "{}: before the rotation", services.name);
    }
    keys.lock().unwrap().published = client.call("GET", "/.well-known/jwks.json", None, None).await.1.to_string();
    for services in &all {
        follows_a_rotation(services, &client, &keys).await;
        verifies(services, &client, &admin).await;
    }
    keys.lock().unwrap().fails = true;
    for services in &all {
        without_keys(services, &client, &keys).await;
    }
    keys.lock().unwrap().fails = false;
    let mut tokens = Vec::new();
    for services in &all {
        let (access, _) = client.login("alice", PASSWORD).await;
        assert_eq!(get(&services.verifies, "/", Some(&access)).await.0, 200, "{}", services.name);
        tokens.push(access);
    }
    for (services, access) in all.iter().zip(&tokens) {
        let what = format!("{} refuses an expired token", services.name);
        until(&what, async || get(&services.verifies, "/", Some(access)).await.0 == 401).await;
    }
}
