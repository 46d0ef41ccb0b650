//! The description of the API, for machines and for people.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{Server, fail};

/// All references in a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.insert(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(array) => array.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_call_is_described_and_every_reference_resolves() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let document = server.call("GET", "/openapi.json", None, None).await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut calls = Vec::new();
    let mut ids = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            calls.push(format!("{} {path}", method.to_uppercase()));
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}: ids are unique");
            assert!(operation["responses"]["200"].is_object() || operation["responses"]["201"].is_object());
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        }
    }
    calls.sort();
    assert_eq!(
        calls,
        [
            "DELETE /api/v1/accounts/logout",
            "DELETE /api/v1/accounts/sessions",
            "DELETE /api/v1/accounts/sessions/{id}",
            "DELETE /api/v1/users",
            "DELETE /api/v1/users/{uuid}",
            "DELETE /api/v1/users/{uuid}/login-failures",
            "GET /",
            "GET /.well-known/jwks.json",
            "GET /.well-known/oauth-authorization-server",
            "GET /api/v1/accounts/me",
            "GET /api/v1/accounts/sessions",
            "GET /api/v1/audit",
            "GET /api/v1/roles",
            "GET /api/v1/users",
            "GET /api/v1/users/{uuid}",
            "GET /api/v1/verify",
            "GET /api/v1/verify/any",
            "GET /api/v1/verify/role/{roles}",
            "PATCH /api/v1/accounts/me",
            "PATCH /api/v1/users",
            "PATCH /api/v1/users/{uuid}",
            "POST /api/v1/accounts/login",
            "POST /api/v1/accounts/password",
            "POST /api/v1/accounts/refresh",
            "POST /api/v1/accounts/register",
            "POST /api/v1/users",
        ]
    );
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} does not exist");
    }
    let login = &document["components"]["schemas"]["LoginBody"];
    assert_eq!(login["required"], json!(["username", "password"]));
}

#[tokio::test]
async fn the_documented_maximum_length_of_a_login_s_password_is_right() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let document = server.call("GET", "/openapi.json", None, None).await.body;
    let longest = &document["components"]["schemas"]["LoginBody"]["properties"]["password"]["maxLength"];
    let longest = usize::try_from(longest.as_u64().unwrap()).unwrap();
    let refused = fail(422, json!("user not found or bad username/password"));
    assert_eq!(server.login_with("root", &"x".repeat(longest)).await, refused);
    let too_long = fail(422, json!({"password": [format!("Longer than maximum length {longest}.")]}));
    assert_eq!(server.login_with("root", &"x".repeat(longest + 1)).await, too_long);
}

#[tokio::test]
async fn every_field_of_a_request_has_a_description() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let document = server.call("GET", "/openapi.json", None, None).await.body;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let bodies: Vec<_> = schemas.iter().filter(|(name, _)| name.ends_with("Body")).collect();
    assert!(!bodies.is_empty());
    for (name, schema) in bodies {
        for (field, property) in schema["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{name}.{field}");
        }
    }
}

/// Only possible refusals are described: login has none about taken names.
#[tokio::test]
async fn each_call_has_its_own_refusals() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let document = server.call("GET", "/openapi.json", None, None).await.body;
    let refusals = |method: &str, path: &str| -> Vec<String> {
        let responses = document["paths"][path][method]["responses"].as_object().unwrap();
        responses.keys().filter(|code| code.starts_with('4')).cloned().collect()
    };
    assert_eq!(refusals("post", "/api/v1/accounts/login"), ["400", "403", "408", "413", "415", "422", "429"]);
    assert_eq!(refusals("post", "/api/v1/accounts/register"), ["400", "403", "408", "409", "413", "415", "422", "429"]);
    assert_eq!(refusals("post", "/api/v1/accounts/password"), ["400", "401", "408", "409", "413", "415", "422", "429"]);
    assert_eq!(refusals("post", "/api/v1/accounts/refresh"), ["401", "422", "429"]);
    assert_eq!(refusals("patch", "/api/v1/accounts/me"), ["400", "401", "408", "409", "413", "415", "422", "429"]);
    assert_eq!(refusals("delete", "/api/v1/accounts/sessions/{id}"), ["401", "404", "422"]);
    assert_eq!(refusals("get", "/api/v1/roles"), ["401", "403", "422"]);
    assert_eq!(refusals("delete", "/api/v1/users"), ["400", "401", "403", "404", "408", "409", "413", "415", "422"]);
}

/// A field of an example is one of the body, and the limit in an example is the one that the route enforces.
#[tokio::test]
async fn the_examples_of_refused_bodies_can_occur() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let document = server.call("GET", "/openapi.json", None, None).await.body;
    let token = server.login("root").await.access;
    let mut count = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let Some(schema) = schema.as_str() else { continue };
            let fields = &document.pointer(&format!("{}/properties", schema.trim_start_matches('#'))).unwrap();
            let example = |code: &str| &operation["responses"][code]["content"]["application/json"]["example"];
            for field in example("422")["data"]["error"].as_object().into_iter().flat_map(|errors| errors.keys()) {
                assert!(fields[field].is_object(), "{method} {path}: {field}");
            }
            let body = json!({"x": "x".repeat(100_000)});
            let path = path.replace("{uuid}", "7");
            let answer = server.call(&method.to_uppercase(), &path, Some(&token), Some(body)).await;
            assert_eq!(answer.body, *example("413"), "{method} {path}");
            count += 1;
        }
    }
    assert_eq!(count, 8);
}

#[tokio::test]
async fn the_page_loads_no_other_resources() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let response = server.request("GET", "/docs").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = response.text().await.unwrap();
    assert!(page.contains("<code>/api/v1/accounts/login</code>"), "{page}");
    let examples: Vec<_> = page.split("<pre>").skip(1).map(|rest| rest.split("</pre>").next().unwrap()).collect();
    assert!(examples.len() > 100);
    for example in examples {
        let text = example.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
    }
    let places = ["register", "login", "refresh", "me", "password", "logout", "sessions"]
        .map(|name| page.find(&format!("<code>/api/v1/accounts/{name}</code>")).unwrap());
    assert!(places.is_sorted(), "the calls are in the order of use");
    // An example may have an address as text.
    let outside: String =
        page.split("<pre>").map(|part| part.split_once("</pre>").map_or(part, |(_, rest)| rest)).collect();
    for elsewhere in ["http://", "https://", "<script", "src="] {
        assert!(!outside.contains(elsewhere), "{elsewhere}");
    }
    assert!(!page.contains("<script") && !page.contains("src="));
}
