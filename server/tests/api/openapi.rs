//! The description of the API, for machines and for people.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::database::Engine;
use crate::harness::Server;

/// Everything in a document that a reference could name or be.
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
async fn every_call_is_described_and_every_reference_leads_somewhere() {
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
            "DELETE /api/v1/users/{uuid}/login-failures",
            "GET /",
            "GET /.well-known/jwks.json",
            "GET /api/v1/accounts/me",
            "GET /api/v1/accounts/sessions",
            "GET /api/v1/audit",
            "GET /api/v1/roles",
            "GET /api/v1/users",
            "GET /api/v1/users/{uuid}",
            "GET /api/v1/verify",
            "PATCH /api/v1/accounts/me",
            "PATCH /api/v1/users",
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
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
    }
    let login = &document["components"]["schemas"]["LoginBody"];
    assert_eq!(login["required"], serde_json::json!(["username", "password"]));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let response = server.request("GET", "/docs").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert!(response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let page = response.text().await.unwrap();
    assert!(page.contains("<code>/api/v1/accounts/login</code>") && page.contains("\"username\": string"), "{page}");
    for elsewhere in ["http://", "https://", "<script", "src="] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}
