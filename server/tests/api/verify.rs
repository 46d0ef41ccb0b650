//! What an ingress controller is told. A real Traefik and a real nginx ask in the tests of the whole.

use reqwest::Response;
use serde_json::json;

use crate::database::Engine;
use crate::harness::{PASSWORD, Server, account};

crate::on_every_engine!(a_bearer_passes_and_nobody_else);

async fn ask(server: &Server, query: &str, authorization: Option<&str>) -> Response {
    let request = server.request("GET", &format!("/api/v1/verify{query}"));
    // What the client itself sends must not count.
    let request = request.header("x-auth-user", "root").header("x-auth-role", "Admin");
    let request = authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
    request.send().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

async fn a_bearer_passes_and_nobody_else(engine: Engine) {
    let (server, _database) = Server::with_admin(engine).await;
    let mut elodie = account("elodie");
    elodie["username"] = json!("Élodie 100%");
    assert_eq!(server.post("/api/v1/accounts/register", elodie).await.status, 201);
    let tokens = server.login_with("Élodie 100%", PASSWORD).await;
    let bearer = format!("Bearer {}", tokens.text("access_token"));

    let passed = ask(&server, "", Some(&bearer)).await;
    assert_eq!(passed.status(), 200);
    assert_eq!(header(&passed, "x-auth-user"), "%C3%89lodie 100%25", "percent-encoded where it is not plain");
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

#[tokio::test]
async fn a_database_that_fails_is_a_503_and_never_a_pass() {
    let (server, database) = Server::with_admin(Engine::Sqlite).await;
    let bearer = format!("Bearer {}", server.login("root").await.access);
    database.execute("DROP TABLE sessions").await;
    assert_eq!(ask(&server, "", Some(&bearer)).await.status(), 503);
}
