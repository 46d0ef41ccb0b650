//! Kubernetes' own API server takes users from sc-auth: a RoleBinding names one of their groups.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::authority::Authority;
use crate::browser::Browser;
use crate::cluster::{ADMIN, Cluster};
use crate::database::{Database, Engine};
use crate::entrance::Entrance;
use crate::harness::{PASSWORD, Server, answer, claims, done, run, run_with_input, until};
use crate::kinds::example;
use crate::upstream;

/// The application of kubectl, which has no secret.
const KUBERNETES: &str = "kubernetes";
/// Another application; its access tokens have the audience `kubernetes`.
const OTHER: &str = "other";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const LIST: [&str; 4] = ["get", "pods", "--namespace", "shop"];
const UNAUTHENTICATED: &str = "You must be logged in to the server";
const FORBIDDEN: &str = "cannot list resource \"pods\"";

/// The users `alice`, in the group `staff`, and `bob`, and an API server that takes them from their ID tokens.
struct Site {
    cluster: Cluster,
    server: Server,
    database: Database,
    entrance: Entrance,
    root: String,
    /// Where kubectl would listen.
    callback: String,
}

fn declaration(id: &str) -> Value {
    json!({
        "clientId": id, "type": "Native", "redirectUris": ["http://localhost:8000"], "idTokenTtl": "1h",
        "scopes": ["openid", "profile", "groups", "offline_access"],
    })
}

impl Site {
    async fn start() -> Self {
        let authority = Authority::create();
        let mut entrance = Entrance::with_tls(authority.acceptor()).await;
        let (server, database) = server(&entrance).await;
        entrance.lead_to(&[&server.api]);
        publish_next_keys(&server, &database).await;
        let authentication = authentication(&entrance, &authority);
        let cluster = Cluster::start(authority, &authentication).await;
        let root = server.login("root").await.access;
        let callback = upstream::start().await.replace("127.0.0.1", "localhost");
        let site = Self { cluster, server, database, entrance, root, callback };
        site.put("alice", &["staff"]).await;
        site.bind().await;
        site
    }

    /// Puts a user in these groups.
    async fn put(&self, user: &str, groups: &[&str]) {
        let uuid = self.server.uuid_of(&self.root, user).await;
        let body = json!({"uuid": uuid, "groups": groups});
        assert_eq!(self.server.call("PATCH", "/api/v1/users", Some(&self.root), Some(body)).await, done());
    }

    async fn bind(&self) {
        let role = example("kubernetes/staff.yaml");
        for arguments in [&["create", "namespace", "shop"][..], &["create", "--filename", &role]] {
            let output = self.cluster.kubectl(ADMIN, arguments).await;
            assert!(output.status.success(), "{output:?}");
        }
    }

    /// The tokens of an application, after a login of that user.
    async fn log_in(&self, user: &str, application: &str) -> Value {
        let mut browser = Browser::without_tls(&self.entrance.address, &self.server.api);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let query = form(&[
            ("client_id", application),
            ("redirect_uri", &self.callback),
            ("response_type", "code"),
            ("scope", "openid profile groups offline_access"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let login = browser.open(&format!("{}/oauth2/authorize?{query}", self.entrance.address)).await;
        assert!(login.is_login(), "{login:?}\n{}", self.server.log.text());
        let consent = browser.submit(&login, &[("username", user), ("password", PASSWORD)]).await;
        let page = browser.allow(consent).await;
        assert!(page.address.as_str().starts_with(&self.callback), "{page:?}");
        let code = page.address.query_pairs().find(|(name, _)| name == "code").unwrap().1;
        let base = [("client_id", application), ("grant_type", "authorization_code")];
        let proof = [("code", &*code), ("code_verifier", VERIFIER), ("redirect_uri", &self.callback)];
        self.token(&[&base[..], &proof].concat()).await
    }

    async fn refresh(&self, tokens: &Value) -> Value {
        let token = text(tokens, "refresh_token");
        self.token(&[("client_id", KUBERNETES), ("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn token(&self, fields: &[(&str, &str)]) -> Value {
        let request = self.server.request("POST", "/oauth2/token");
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form(fields));
        let answer = answer(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn may_list(&self, token: &str) -> bool {
        self.cluster.kubectl(token, &LIST).await.status.success()
    }

    async fn is_refused(&self, token: &str, why: &str) {
        let output = self.cluster.kubectl(token, &LIST).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(why), "{said}\n{}", self.cluster.log());
    }

    /// Lets the next key sign ID tokens.
    async fn rotate(&self) {
        keys(&self.database, &["--algorithm", "RS256", "--now"]).await;
        until("the next key signs", async || states(&self.server).await.contains(&"retired".into())).await;
    }
}

/// The API server fetches new keys only when those that it has expire, so the next key has to be published some time before
/// it signs.
async fn publish_next_keys(server: &Server, database: &Database) {
    keys(database, &[]).await;
    until("the next keys are published", async || states(server).await.contains(&"next".into())).await;
}

async fn keys(database: &Database, arguments: &[&str]) {
    let output = run(database, &[&["keys", "rotate", "--openid"], arguments].concat(), &[]).await;
    assert!(output.status.success(), "{output:?}");
}

/// The states of the keys that sign ID tokens.
async fn states(server: &Server) -> Vec<String> {
    let status = server.status().await;
    let keys = status["oidc_keys"].as_array().unwrap().iter().filter(|key| key["algorithm"] == "RS256");
    keys.map(|key| key["state"].as_str().unwrap().to_owned()).collect()
}

async fn server(entrance: &Entrance) -> (Server, Database) {
    let database = Database::create(Engine::Sqlite).await;
    let mut other = declaration(OTHER);
    other["audiences"] = json!([KUBERNETES]);
    let declared = json!({"version": 1, "clients": [declaration(KUBERNETES), other]}).to_string();
    std::fs::write(database.folder.path().join("declared.json"), declared).unwrap();
    let output = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(output.status.success(), "{output:?}");
    let settings = [("SC_AUTH_DECLARED", "declared.json"), ("SC_AUTH_ISSUER", &entrance.address)];
    let server = Server::start(&database, &settings).await;
    for user in ["alice", "bob"] {
        server.register(user).await;
    }
    (server, database)
}

/// The example's file, with the issuer of this test.
fn authentication(entrance: &Entrance, authority: &Authority) -> String {
    let text = std::fs::read_to_string(example("kubernetes/authentication.yaml")).unwrap();
    let certificate = std::fs::read_to_string(authority.file("ca.crt")).unwrap();
    let certificate = certificate.trim().replace('\n', "\n        ");
    text.replace("https://auth.example.com", &entrance.address).replace("AUTHORITY", &certificate)
}

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap_or_else(|| panic!("no {name} in {tokens}"))
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test]
async fn groups_of_users_have_roles_in_kubernetes() {
    let site = Site::start().await;
    let alice = site.log_in("alice", KUBERNETES).await;
    let first = text(&alice, "id_token");
    until("the API server has read the keys of the issuer", async || site.may_list(first).await).await;
    is_who_the_token_says(&site, first).await;
    site.is_refused(text(&site.log_in("bob", KUBERNETES).await, "id_token"), FORBIDDEN).await;

    site.is_refused(text(&alice, "access_token"), UNAUTHENTICATED).await;
    let other = site.log_in("alice", OTHER).await;
    site.is_refused(text(&other, "id_token"), UNAUTHENTICATED).await;
    let access = text(&other, "access_token");
    assert_eq!(claims(access)["aud"], KUBERNETES);
    site.is_refused(access, UNAUTHENTICATED).await;

    site.rotate().await;
    let later = site.refresh(&alice).await;
    assert_ne!(kid(text(&later, "id_token")), kid(first));
    assert!(site.may_list(text(&later, "id_token")).await && site.may_list(first).await, "{}", site.cluster.log());
    site.put("alice", &[]).await;
    site.is_refused(text(&site.refresh(&later).await, "id_token"), FORBIDDEN).await;
}

async fn is_who_the_token_says(site: &Site, token: &str) {
    let output = site.cluster.kubectl(token, &["auth", "whoami", "--output", "json"]).await;
    let user = serde_json::from_slice::<Value>(&output.stdout).unwrap()["status"]["userInfo"].clone();
    assert_eq!(user["username"], format!("sc-auth:{}", text(&claims(token), "sub")));
    assert_eq!(user["groups"], json!(["sc-auth:staff", "system:authenticated"]));
    assert_eq!(user["extra"]["auth.example.com/username"], json!(["alice"]));
}
