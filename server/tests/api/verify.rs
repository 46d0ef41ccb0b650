//! The answers to an ingress controller. tests/proxies uses a real Traefik and a real nginx.

use reqwest::Response;
use serde_json::json;

use crate::database::Engine;
use crate::harness::{PASSWORD, Server, account, until};

crate::on_every_engine!(only_a_valid_bearer_is_allowed, an_invalid_query_refuses_everybody);

async fn ask(server: &Server, query: &str, authorization: Option<&str>) -> Response {
    let request = server.request("GET", &format!("/api/v1/verify{query}"));
    // The client's own headers must be ignored.
    let request = request.header("x-auth-user", "root").header("x-auth-role", "Admin");
    let request = authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
    request.send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

async fn only_a_valid_bearer_is_allowed(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let mut elodie = account("elodie");
    elodie["username"] = json!("Élodie 100%");
    assert_eq!(server.post("/api/v1/accounts/register", elodie).await.status, 201);
    let tokens = server.login_with("Élodie 100%", PASSWORD).await;
    let bearer = format!("Bearer {}", tokens.text("access_token"));

    let passed = ask(&server, "", Some(&bearer)).await;
    assert_eq!(passed.status(), 200);
    assert_eq!(header(&passed, "x-auth-user"), "%C3%89lodie 100%25", "special characters are percent-encoded");
    assert_eq!((header(&passed, "x-auth-uuid").len(), header(&passed, "x-auth-role").as_str()), (32, "User"));
    assert_eq!(header(&passed, "cache-control"), "no-store");

    assert_eq!(ask(&server, "?role=User", Some(&bearer)).await.status(), 200);
    assert_eq!(ask(&server, "?role=Admin,User", Some(&bearer)).await.status(), 200);
    for role in ["Admin", "King", "", "%00", &"User,".repeat(60)] {
        let refused = ask(&server, &format!("?role={role}"), Some(&bearer)).await;
        assert_eq!(refused.status(), 403, "{role:?}");
        assert_eq!(header(&refused, "x-auth-role"), "");
    }
    let refresh = format!("Bearer {}", tokens.text("refresh_token"));
    for authorization in
        [None, Some("Basic YTpi"), Some("Bearer"), Some("Bearer a b"), Some("Bearer a.b.c"), Some(&refresh)]
    {
        let refused = ask(&server, "", authorization).await;
        assert_eq!(refused.status(), 401, "{authorization:?}");
        assert!(header(&refused, "www-authenticate").starts_with("Bearer"));
        assert_eq!(header(&refused, "x-auth-user"), "");
    }
    server.call("DELETE", "/api/v1/accounts/logout", Some(&tokens.text("access_token")), None).await;
    let revoked = ask(&server, "", Some(&bearer)).await;
    assert_eq!(revoked.status(), 401);
    assert_eq!(header(&revoked, "www-authenticate"), "Bearer error=\"invalid_token\"");
}

async fn an_invalid_query_refuses_everybody(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let root = format!("Bearer {}", server.login("root").await.access);
    for query in ["", "?", "?role=Admin", "?role=User,Admin", "?%72ole=Admin", "?role=User,+Admin"] {
        assert_eq!(ask(&server, query, Some(&root)).await.status(), 200, "{query}");
    }
    let long = format!("?role=Admin&{}=x", "x".repeat(10_000));
    for query in [
        "?roles=Admin",
        "?Role=Admin",
        "?ROLE=Admin",
        "?role[]=Admin",
        "?role%5B%5D=Admin",
        "?role.name=Admin",
        "?+role=Admin",
        "?%2572ole=Admin",
        "?group=x",
        "?=Admin",
        "?role=Admin&group=x",
        "?role=Admin&role=User",
        "?role=Admin&role=Admin",
        "?role=Admin&%72ole=Admin",
        "?role",
        "?role=",
        "?role=,",
        "?role=+",
        "?role=%00",
        "?role=Admin&",
        "?&",
        "??role=Admin",
        &long,
    ] {
        let refused = ask(&server, query, Some(&root)).await;
        assert_eq!(refused.status(), 403, "{query}");
        assert_eq!(header(&refused, "x-auth-user"), "", "{query}");
        assert_eq!(ask(&server, query, None).await.status(), 401, "{query}");
    }
    let warnings = || {
        let text = server.log.text();
        let is_one = |line: &&str| line.contains("WARN") && line.contains("verify refuses everybody");
        text.lines().filter(is_one).map(str::to_owned).collect::<Vec<_>>()
    };
    until("the log says why", async || warnings().iter().any(|line| line.contains("roles"))).await;
    // A minute may have ended meanwhile.
    assert!(warnings().len() <= 20, "at most ten in a minute");
    assert!(!server.log.text().contains(&"x".repeat(100)), "names are shortened");
}

#[tokio::test]
async fn headers_that_name_a_method_give_no_access() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    for name in ["x-forwarded-method", "x-http-method-override", "x-original-method"] {
        for method in ["OPTIONS", "HEAD", "GET"] {
            let request = server.request("GET", "/api/v1/verify").header(name, method);
            let request =
                request.header("x-forwarded-uri", "/api/v1/accounts/login").header("x-forwarded-user", "root");
            assert_eq!(request.send().await.unwrap().status(), 401, "{name}: {method}");
        }
    }
}

#[tokio::test]
async fn origins_of_browsers_give_no_access() {
    let (_, database) = Server::with_admin(Engine::Sqlite).await;
    let server = Server::start(&database, &[("SC_AUTH_CORS_ORIGINS", "https://app.test")]).await;
    let bearer = format!("Bearer {}", server.login("root").await.access);
    let ask = async |path: &str, authorization: Option<&str>| {
        let request = server.request("OPTIONS", path).header("origin", "https://app.test");
        let request = request.header("access-control-request-method", "GET");
        let request = authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
        request.send().await.unwrap()
    };
    for path in ["/api/v1/verify", "/api/v1/verify?role=Admin", "/api/v1/verify/", "/api/v1/Verify", "/verify", "/x"] {
        for authorization in [None, Some(bearer.as_str()), Some("Bearer a.b.c")] {
            let answer = ask(path, authorization).await;
            assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
            assert_eq!(header(&answer, "access-control-allow-origin"), "");
        }
    }
    let passed = server.request("GET", "/api/v1/verify").header("origin", "https://app.test");
    let passed = passed.header("authorization", &bearer).send().await.unwrap();
    assert_eq!((passed.status().as_u16(), header(&passed, "access-control-allow-origin").as_str()), (200, ""));
    for path in ["/api/v1/accounts/login", "/api/v1/users", "/.well-known/jwks.json"] {
        let answer = ask(path, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(&answer, "access-control-allow-origin"), "https://app.test");
    }
}

#[tokio::test]
async fn a_database_failure_is_answered_with_503() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let bearer = format!("Bearer {}", server.login("root").await.access);
    database.execute("DROP TABLE sessions").await;
    assert_eq!(ask(&server, "", Some(&bearer)).await.status(), 503);
}
