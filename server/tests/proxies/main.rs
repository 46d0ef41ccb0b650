//! Behind a real Traefik and a real nginx: which users can reach another app, and which address counts.
//! `make test` builds Traefik, and needs nginx to be installed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]
#![allow(clippy::needless_pass_by_value, reason = "the harness is shared with the tests of the API")]
#![allow(dead_code, reason = "the harness is shared with the tests of the API, which use all of it")]

mod caddy;
#[path = "../api/cgroup.rs"]
mod cgroup;
#[path = "../api/database.rs"]
mod database;
mod envoy;
mod flood;
#[path = "../api/harness.rs"]
mod harness;
mod nginx;
mod page;
mod proxy;
mod traefik;

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use database::Engine;
use harness::{PASSWORD, Server, Tokens};
use page::ORIGIN;
use proxy::{Kind, Proxy};

/// A proxy in front of a server and an app.
struct Setup {
    proxy: Proxy,
    server: Server,
    _database: database::Database,
}

impl Setup {
    async fn new(kind: Kind) -> Self {
        let (_, database) = Server::with_admin(Engine::Sqlite).await;
        let server = {
            let settings = [("SC_AUTH_TRUSTED_PROXIES", "127.0.0.1/32"), ("SC_AUTH_CORS_ORIGINS", ORIGIN)];
            Server::start(&database, &settings).await
        };
        server.register("alice").await;
        let proxy = Proxy::start(kind, &server.api).await;
        Self { proxy, server, _database: database }
    }

    async fn get(&self, path: &str, token: Option<&str>) -> Response {
        let request = Client::new().get(format!("{}{path}", self.proxy.address));
        // The app trusts these headers: the proxy must replace the client's own.
        let request = request.header("X-Auth-User", "root").header("X-Auth-Role", "Admin").header("X-Auth-Uuid", "0");
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        request.send().await.unwrap()
    }

    /// The headers that the app has received about the user.
    async fn received(&self, path: &str, token: &str) -> Value {
        let response = self.get(path, Some(token)).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// The status of a request whose path no library has changed.
    async fn raw(&self, method: &str, path: &str, token: &str) -> String {
        let mut stream = TcpStream::connect(self.proxy.address.trim_start_matches("http://")).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    }

    async fn refuses(&self, status: u16, path: &str, token: Option<&str>) {
        let response = self.get(path, token).await;
        assert_eq!(response.status(), status, "{path}");
        if status == 401 {
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        }
        assert!(!response.text().await.unwrap().contains("x-auth-user"), "the request did not reach the app");
    }
}

async fn only_allowed_users_pass_and_the_app_receives_their_names(kind: Kind) {
    let mut setup = Setup::new(kind).await;
    let (root, alice) = (setup.server.login("root").await, setup.server.login("alice").await);
    let Tokens { access, refresh } = alice;

    let told = setup.received("/app", &access).await;
    assert_eq!((&told["x-auth-user"], &told["x-auth-role"]), (&json!("alice"), &json!("User")));
    assert_eq!(told["x-auth-uuid"].as_str().unwrap().len(), 32);
    assert_eq!(setup.received("/admin", &root.access).await["x-auth-role"], "Admin");

    for token in [None, Some("a.b.c"), Some(refresh.as_str())] {
        setup.refuses(401, "/app", token).await;
    }
    setup.refuses(403, "/admin", Some(&access)).await;

    let logout = setup.server.call("DELETE", "/api/v1/accounts/logout", Some(&access), None).await;
    assert_eq!(logout.status, 200);
    setup.refuses(401, "/app", Some(&access)).await;

    setup.server.signal("INT");
    assert!(setup.server.ended_well().await);
    let response = setup.get("/app", Some(&root.access)).await;
    assert!(response.status().is_server_error(), "nobody passes if the server cannot decide");
}

#[tokio::test]
async fn traefik_lets_only_allowed_users_pass() {
    only_allowed_users_pass_and_the_app_receives_their_names(Kind::Traefik).await;
}

#[tokio::test]
async fn nginx_lets_only_allowed_users_pass() {
    only_allowed_users_pass_and_the_app_receives_their_names(Kind::Nginx).await;
}

#[tokio::test]
async fn caddy_lets_only_allowed_users_pass() {
    only_allowed_users_pass_and_the_app_receives_their_names(Kind::Caddy).await;
}

#[tokio::test]
async fn envoy_lets_only_allowed_users_pass() {
    only_allowed_users_pass_and_the_app_receives_their_names(Kind::Envoy).await;
}

/// Neither on a path that is protected nor on one that is not, nor under a name that some apps take for the same.
async fn no_forged_header_reaches_the_app(kind: Kind) {
    let setup = Setup::new(kind).await;
    let alice = setup.server.login("alice").await.access;
    for path in ["/app", "/public"] {
        let request = |names: [&str; 2]| {
            let request = Client::new().get(format!("{}{path}", setup.proxy.address)).bearer_auth(&alice);
            names.into_iter().fold(request, |request, name| request.header(name, "Admin")).send()
        };
        let told: Value = request(["X-Auth-Role", "X-Auth-Role"]).await.unwrap().json().await.unwrap();
        assert_eq!(told["x-auth-role"], if path == "/app" { json!("User") } else { Value::Null }, "{path}");
        let response = request(["X_Auth_Role", "X-Auth_Role"]).await.unwrap();
        if response.status() != 400 {
            assert_eq!(response.status(), 200, "{path}");
            let told: Value = response.json().await.unwrap();
            let forged = told.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("x_auth_role"));
            assert_eq!(forged.count(), 0, "{told}");
        }
    }
}

#[tokio::test]
async fn no_forged_header_passes_traefik() {
    no_forged_header_reaches_the_app(Kind::Traefik).await;
}

#[tokio::test]
async fn no_forged_header_passes_nginx() {
    no_forged_header_reaches_the_app(Kind::Nginx).await;
}

#[tokio::test]
async fn no_forged_header_passes_caddy() {
    no_forged_header_reaches_the_app(Kind::Caddy).await;
}

#[tokio::test]
async fn no_forged_header_passes_envoy() {
    no_forged_header_reaches_the_app(Kind::Envoy).await;
}

/// Envoy asks with the method, the path and the query of its client.
#[tokio::test]
async fn what_a_client_of_envoy_asks_for_does_not_change_who_may_pass() {
    let setup = Setup::new(Kind::Envoy).await;
    let (root, alice) = (setup.server.login("root").await.access, setup.server.login("alice").await.access);
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        for path in
            ["/admin", "/admin/x?role=User", "/admin/role/User", "//admin//x", "/app/../admin/x", "/app/%2e%2e/admin"]
        {
            assert_eq!(setup.raw(method, path, &root).await, "200", "{method} {path}");
            assert_eq!(setup.raw(method, path, &alice).await, "403", "{method} {path}");
            assert_eq!(setup.raw(method, path, "a.b.c").await, "401", "{method} {path}");
        }
        assert_eq!(setup.raw(method, "/app/x?role=Admin", &alice).await, "200", "{method}");
    }
    for path in ["/app/..%2fadmin", "/admin/..%2F..%2fany", "/app/..%5cadmin"] {
        assert_eq!(setup.raw("GET", path, &alice).await, "400", "{path}");
    }
}

/// Some apps ignore case, a dot at the end, or `;` and what follows it, and take all of these for /admin.
async fn other_spellings_of_a_path_are_for_admins_only(kind: Kind) {
    let setup = Setup::new(kind).await;
    let alice = setup.server.login("alice").await.access;
    for path in [
        "/admin",
        "/admin/x",
        "/ADMIN",
        "/Admin/x",
        "/admin.",
        "/admin%00",
        "/admin%2fx",
        "/%61dmin",
        "/%41DMIN",
        "/admin;x",
        "/admin;/x",
        "/admin%3bx",
        "/admin%3Bx",
        "/app;x/../admin",
        "/app/..;/admin",
        "/app/..%3b/admin",
        "/public/..;/admin",
        "/;x/admin",
    ] {
        let status = setup.raw("GET", path, &alice).await;
        assert!(["302", "400", "403"].contains(&status.as_str()), "{kind:?} {path}: {status}");
    }
    for path in ["/app?x;y", "/app?page=2", "/app?role=Admin", "/app?"] {
        assert_eq!(setup.raw("GET", path, &alice).await, "200", "{kind:?} {path}: its query is for the app");
    }
    assert_eq!(setup.raw("GET", "/admin?role=User", &alice).await, "403", "{kind:?}");
}

#[tokio::test]
async fn other_spellings_of_a_path_do_not_pass_traefik() {
    other_spellings_of_a_path_are_for_admins_only(Kind::Traefik).await;
}

#[tokio::test]
async fn other_spellings_of_a_path_do_not_pass_nginx() {
    other_spellings_of_a_path_are_for_admins_only(Kind::Nginx).await;
}

#[tokio::test]
async fn other_spellings_of_a_path_do_not_pass_caddy() {
    other_spellings_of_a_path_are_for_admins_only(Kind::Caddy).await;
}

#[tokio::test]
async fn other_spellings_of_a_path_do_not_pass_envoy() {
    other_spellings_of_a_path_are_for_admins_only(Kind::Envoy).await;
}

/// An invalid query, the method of a request and its headers give no access; the proxy answers preflight requests.
async fn preflights_are_answered_by_the_proxy_and_give_no_access(kind: Kind) {
    let setup = Setup::new(kind).await;
    let root = setup.server.login("root").await.access;
    setup.refuses(403, "/mistyped", Some(&root)).await;
    let ask = async |method: Method, path: &str, token: Option<&str>| {
        let request = Client::new().request(method, format!("{}{path}", setup.proxy.address));
        let request = request.header("Origin", ORIGIN).header("X-Forwarded-Method", "OPTIONS");
        let request = request.header("Access-Control-Request-Method", "GET");
        let request = request.header("Access-Control-Request-Headers", "authorization");
        token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth).send().await.unwrap()
    };
    let allowed = |response: &Response| response.headers().get("access-control-allow-origin").cloned();

    let preflight = ask(Method::OPTIONS, "/cors", None).await;
    assert!(preflight.status().is_success(), "{}", preflight.status());
    assert_eq!(allowed(&preflight).unwrap(), ORIGIN);
    let headers = preflight.headers()["access-control-allow-headers"].to_str().unwrap().to_ascii_lowercase();
    assert!(headers.contains("authorization"), "{headers}");
    assert!(!preflight.text().await.unwrap().contains("x-forwarded"), "the request did not reach the app");
    let refused = ask(Method::GET, "/cors", None).await;
    assert_eq!((refused.status().as_u16(), allowed(&refused).unwrap().to_str().unwrap()), (401, ORIGIN));
    let passed = ask(Method::GET, "/cors", Some(&root)).await;
    assert_eq!((passed.status().as_u16(), allowed(&passed).unwrap().to_str().unwrap()), (200, ORIGIN));

    for path in ["/app", "/admin", "/mistyped"] {
        for method in [Method::OPTIONS, Method::GET, Method::HEAD] {
            let refused = ask(method.clone(), path, None).await;
            assert!(!refused.status().is_success(), "{method} {path}: {}", refused.status());
        }
    }
    let mistyped = ask(Method::OPTIONS, "/mistyped", Some(&root)).await;
    assert!(!mistyped.status().is_success(), "{}", mistyped.status());
}

#[tokio::test]
async fn traefik_answers_preflights_and_they_give_no_access() {
    preflights_are_answered_by_the_proxy_and_give_no_access(Kind::Traefik).await;
}

#[tokio::test]
async fn nginx_answers_preflights_and_they_give_no_access() {
    preflights_are_answered_by_the_proxy_and_give_no_access(Kind::Nginx).await;
}

#[tokio::test]
async fn caddy_answers_preflights_and_they_give_no_access() {
    preflights_are_answered_by_the_proxy_and_give_no_access(Kind::Caddy).await;
}

#[tokio::test]
async fn envoy_answers_preflights_and_they_give_no_access() {
    preflights_are_answered_by_the_proxy_and_give_no_access(Kind::Envoy).await;
}

async fn two_clients_have_two_buckets(kind: Kind) {
    let setup = Setup::new(kind).await;
    let login = async |address: &str| {
        let client = Client::builder().local_address(address.parse::<std::net::IpAddr>().unwrap()).build().unwrap();
        let request = client.post(format!("{}/api/v1/accounts/login", setup.proxy.address));
        // The name could vary: only the address counts, and not one that the client claims.
        let request = request.header("X-Forwarded-For", "203.0.113.9");
        request.json(&json!({"username": "root", "password": PASSWORD})).send().await.unwrap()
    };
    let mut statuses = Vec::new();
    for _ in 0..200 {
        let response = login("127.0.0.2").await;
        statuses.push(response.status().as_u16());
        if response.status() == 429 {
            assert!(response.headers().contains_key("retry-after"));
            break;
        }
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(login("127.0.0.3").await.status(), 200, "another client");
    let audit = setup.server.get("/api/v1/audit?limit=1", &setup.server.login("root").await.access).await;
    assert_ne!(audit.body["data"][0]["address"], "203.0.113.9");
}

#[tokio::test]
async fn two_clients_through_traefik_have_two_buckets() {
    two_clients_have_two_buckets(Kind::Traefik).await;
}

#[tokio::test]
async fn two_clients_through_nginx_have_two_buckets() {
    two_clients_have_two_buckets(Kind::Nginx).await;
}

#[tokio::test]
async fn two_clients_through_caddy_have_two_buckets() {
    two_clients_have_two_buckets(Kind::Caddy).await;
}

#[tokio::test]
async fn two_clients_through_envoy_have_two_buckets() {
    two_clients_have_two_buckets(Kind::Envoy).await;
}
