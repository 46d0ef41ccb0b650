//! What a proxy is told that asks with the method, the path and the query of its client, as Envoy does.

use std::collections::BTreeSet;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::database::{Database, Engine};
use crate::harness::{Server, until};

struct Setup {
    server: Server,
    admin: String,
    user: String,
    database: Database,
}

impl Setup {
    async fn new() -> Self {
        let (_, database) = Server::with_admin(Engine::Sqlite).await;
        let server = Server::start(&database, &[("SC_AUTH_CORS_ORIGINS", "https://app.test")]).await;
        server.register("alice").await;
        let (admin, user) = (server.login("root").await.access, server.login("alice").await.access);
        Self { server, admin, user, database }
    }

    /// Asks with a path exactly as it is written: no client library normalizes it.
    async fn ask(&self, method: &str, path: &str, token: &str, more: &str) -> String {
        let mut stream = TcpStream::connect(self.server.api.trim_start_matches("http://")).await.unwrap();
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let head = format!(
            "{method} /api/v1/verify{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}{more}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn status(&self, method: &str, path: &str, token: &str) -> u16 {
        status(&self.ask(method, path, token, "").await)
    }

    /// The answers to an Admin, to a user, to a bad token and to none.
    async fn answers(&self, method: &str, path: &str) -> [u16; 4] {
        let mut answers = [0; 4];
        for (answer, token) in answers.iter_mut().zip([&self.admin, &self.user, "a.b.c", ""]) {
            *answer = self.status(method, path, token).await;
        }
        answers
    }
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
}

const ANYBODY: [u16; 4] = [200, 200, 401, 401];
const ADMINS: [u16; 4] = [200, 403, 401, 401];
const NOBODY: [u16; 4] = [403, 403, 401, 401];

#[tokio::test]
async fn the_token_decides_and_never_the_method() {
    let setup = Setup::new().await;
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get"] {
        assert_eq!(setup.answers(method, "/any/x").await, ANYBODY, "{method}");
        assert_eq!(setup.answers(method, "/role/Admin/x").await, ADMINS, "{method}");
        assert_eq!(setup.answers(method, "/nothing/x").await, NOBODY, "{method}");
    }
    let passed = setup.ask("DELETE", "/role/User,Admin/x", &setup.user, "").await.to_ascii_lowercase();
    for header in ["x-auth-user: alice\r\n", "x-auth-role: user\r\n", "x-auth-uuid: ", "cache-control: no-store\r\n"] {
        assert!(passed.contains(header), "{passed}");
    }
    let refused = setup.ask("POST", "/role/Admin/x", &setup.user, "X-Auth-Role: Admin\r\n").await.to_ascii_lowercase();
    assert!(refused.contains("www-authenticate: bearer") && !refused.contains("x-auth-"), "{refused}");
}

/// Everything behind the first segments is the client's.
#[tokio::test]
async fn no_path_and_no_query_of_a_client_widens_anything() {
    let setup = Setup::new().await;
    let long = format!("/{}", "x".repeat(10_000));
    for path in [
        "",
        "/",
        "//",
        "/?",
        "?role=User",
        "/x?role=User&role=",
        "/../any",
        "/../../any",
        "/../../verify/any",
        "/../../../../accounts/login",
        "/..%2f..%2fany",
        "/%2e%2e/%2e%2e/any",
        "/%2E%2E%2Fany",
        "/./..;/any",
        "//..//any",
        "/%00",
        "/%FF",
        "/%",
        "/role/User",
        "/any",
        "/*",
        long.as_str(),
    ] {
        assert_eq!(setup.answers("GET", &format!("/role/Admin{path}")).await, ADMINS, "{path}");
        assert_eq!(setup.answers("POST", &format!("/role/%41dmin,%20King{path}")).await, ADMINS, "{path}");
        assert_eq!(setup.answers("GET", &format!("/any{path}")).await, ANYBODY, "{path}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_understood_lets_nobody_pass() {
    let setup = Setup::new().await;
    let long = format!("/role/{}", "Admin,".repeat(50));
    for path in [
        "/role",
        "/role/",
        "/role//",
        "/role//Admin",
        "/role/,/x",
        "/role/%20/x",
        "/role/%2C/x",
        "/role/admin",
        "/role/King/x",
        "/role/Admin%2f..",
        "/role/Admin%2F../any",
        "/role/Admin%00",
        "/role/Admin;x/y",
        "/role/%2541dmin",
        "/role/%FF/x",
        "/role/../any",
        "/role/%2e%2e/any",
        "/role%2FAdmin",
        "/roles/Admin",
        "/Role/Admin",
        "/Any/x",
        "/an%79/x",
        "/any%2fx",
        "/anyx",
        "/any*",
        "/",
        "//any/x",
        "/./any",
        "/x/../any",
        &long,
    ] {
        assert_eq!(setup.answers("GET", path).await, NOBODY, "{path}");
    }
    let warned = || {
        let text = setup.server.log.text();
        let lines = text.lines().filter(|line| line.contains("WARN") && line.contains("verify refuses everybody"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    until("the log says why", async || warned().iter().any(|line| line.contains("no role is given"))).await;
    // A minute may have ended meanwhile.
    assert!(warned().len() <= 20, "at most ten in a minute");
}

#[tokio::test]
async fn a_body_is_neither_needed_nor_waited_for() {
    let setup = Setup::new().await;
    for more in ["Content-Length: 0\r\n", "Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"] {
        let answer = setup.ask("POST", "/role/Admin/upload", &setup.admin, more).await;
        assert_eq!(status(&answer), 200, "{more}");
    }
}

#[tokio::test]
async fn a_preflight_opens_nothing() {
    let setup = Setup::new().await;
    let preflight = "Origin: https://app.test\r\nAccess-Control-Request-Method: GET\r\n\
                     Access-Control-Request-Headers: authorization\r\n";
    for path in ["/any", "/any/x", "/role/Admin", "/role/Admin/x", "/role/", "/", "/nothing"] {
        for token in ["", "a.b.c"] {
            let answer = setup.ask("OPTIONS", path, token, preflight).await;
            assert_eq!(status(&answer), 401, "{path}");
            assert!(!answer.to_ascii_lowercase().contains("access-control-"), "{answer}");
        }
    }
}

/// A client that invents paths must not fill the memory with labels.
#[tokio::test]
async fn all_paths_of_clients_have_a_few_metrics() {
    let setup = Setup::new().await;
    for number in 0..50 {
        for path in [
            format!("/any/{number}"),
            format!("/role/Admin/{number}"),
            format!("/role/x{number}"),
            format!("/{number}"),
        ] {
            setup.status("GET", &path, "").await;
        }
    }
    let text = setup.server.ops("/metrics").await.unwrap().text().await.unwrap();
    let routes = text.lines().filter_map(|line| line.split_once("route=\"")?.1.split_once('"'));
    let routes: BTreeSet<_> = routes.map(|(route, _)| route).filter(|route| route.contains("verify")).collect();
    let wanted =
        ["any/{*path}", "role/{roles}", "role/{roles}/{*path}", "{*path}"].map(|end| format!("/api/v1/verify/{end}"));
    assert!(routes.iter().eq(wanted.iter()), "{routes:?}");
}

#[tokio::test]
async fn a_database_that_fails_is_a_503_and_never_a_pass() {
    let setup = Setup::new().await;
    setup.database.execute("DROP TABLE sessions").await;
    for path in ["/any/x", "/role/Admin/x"] {
        assert_eq!(setup.status("POST", path, &setup.admin).await, 503, "{path}");
    }
}
