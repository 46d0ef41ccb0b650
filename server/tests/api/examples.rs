//! The examples in the API's description match their schemas and real answers.

use serde_json::{Value, json};

use crate::database::Engine;
use crate::harness::{Answer, PASSWORD, Server, account};

/// Resolves a reference of the document.
pub fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().map_or(value, |reference| document.pointer(reference.trim_start_matches('#')).unwrap())
}

fn items<'a>(schema: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    schema[name].as_array().into_iter().flatten()
}

/// Why a value does not match a schema; `None` if it does.
fn misfit(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = resolve(document, schema);
    for name in ["oneOf", "anyOf"] {
        let mut choices = items(schema, name).peekable();
        if choices.peek().is_some() && choices.all(|choice| misfit(document, choice, value).is_some()) {
            return Some(format!("{value} is none of {schema}"));
        }
    }
    if let Some(problem) = items(schema, "allOf").find_map(|part| misfit(document, part, value)) {
        return Some(problem);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let has_kind = |kinds: &Value| *kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.contains(&json!(kind)));
    if !schema["type"].is_null() && !has_kind(&schema["type"]) {
        return Some(format!("{value} is not of the type {}", schema["type"]));
    }
    if schema["enum"].is_array() && items(schema, "enum").all(|choice| choice != value) {
        return Some(format!("{value} is none of {}", schema["enum"]));
    }
    let length = value.as_str().map(|text| text.chars().count() as u64);
    let limit = |name: &str| schema[name].as_u64();
    if length.is_some_and(|length| length < limit("minLength").unwrap_or(0))
        || length.is_some_and(|length| length > limit("maxLength").unwrap_or(u64::MAX))
    {
        return Some(format!("{value} has a wrong length"));
    }
    if let Some(name) = items(schema, "required").find(|name| value.get(name.as_str().unwrap()).is_none()) {
        return Some(format!("{value} has no {name}"));
    }
    let elements = value.as_array().into_iter().flatten();
    let mut problems = elements.filter_map(|element| misfit(document, &schema["items"], element));
    problems.next().or_else(|| field_misfit(document, schema, value))
}

fn field_misfit(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let mut fields = value.as_object().into_iter().flatten();
    fields.find_map(|(name, field)| misfit(document, schema["properties"].get(name)?, field))
}

/// The names of all fields, at any depth; of a list, those of the first element.
fn keys(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| {
                std::iter::once(name.clone()).chain(keys(field).into_iter().map(move |key| format!("{name}.{key}")))
            })
            .collect(),
        Value::Array(elements) => elements.first().map(keys).unwrap_or_default(),
        _ => vec![],
    }
}

async fn document(server: &Server) -> Value {
    server.call("GET", "/openapi.json", None, None).await.body
}

#[tokio::test]
async fn each_body_and_each_answer_has_an_example_that_fits_its_schema() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let document = document(&server).await;
    let mut count = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().iter();
            let answers = answers.map(|(status, answer)| (status.as_str(), &answer["content"]["application/json"]));
            let body = [("body", &operation["requestBody"]["content"]["application/json"])];
            for (name, content) in answers.chain(body).filter(|(_, content)| !content.is_null()) {
                let (schema, example) = (&content["schema"], &content["example"]);
                assert!(!schema.is_null() && !example.is_null(), "{method} {path} {name}");
                assert_eq!(misfit(&document, schema, example), None, "{method} {path} {name}");
                if let Some(code) = example.get("code") {
                    assert_eq!(code.to_string(), name, "{method} {path}: {example}");
                }
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count}");
}

/// Calls the API and compares each answer with its description.
struct Comparison {
    server: Server,
    document: Value,
    called: Vec<String>,
}

impl Comparison {
    /// `path` is the path in the document, `id` the value of its parameter.
    async fn call(&mut self, method: &str, path: &str, id: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        let place = path
            .find('{')
            .map_or(path.to_owned(), |start| format!("{}{id}{}", &path[..start], &path[path.find('}').unwrap() + 1..]));
        let answer = self.server.call(method, &place, token, body).await;
        let operation = &self.document["paths"][path][method.to_lowercase()];
        let content = &operation["responses"][answer.status.to_string()]["content"]["application/json"];
        assert!(!content.is_null(), "{method} {path}: {answer:?} is not described");
        assert_eq!(misfit(&self.document, &content["schema"], &answer.body), None, "{method} {path}: {answer:?}");
        if answer.status < 300 {
            assert_eq!(keys(&answer.body), keys(&content["example"]), "{method} {path}: {answer:?}");
            self.called.push(format!("{} {path}", method.to_uppercase()));
        }
        answer
    }
}

#[tokio::test]
async fn real_answers_have_the_fields_of_the_examples() {
    let (server, _database) = Server::with_admin(Engine::Sqlite).await;
    let document = document(&server).await;
    let mut api = Comparison { server, document, called: vec![] };
    let accounts = |name: &str| format!("/api/v1/accounts/{name}");
    let login = json!({"username": "alice", "password": PASSWORD});
    api.call("POST", &accounts("register"), "", None, Some(account("alice"))).await;
    let tokens = api.call("POST", &accounts("login"), "", None, Some(login.clone())).await;
    let (user, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let user = Some(user.as_str());
    api.call("POST", &accounts("refresh"), "", Some(&refresh), None).await;
    api.call("GET", &accounts("me"), "", user, None).await;
    api.call("PATCH", &accounts("me"), "", user, Some(json!({"name": "Alice Smith"}))).await;
    let passwords = json!({"old_password": PASSWORD, "new_password": "another fine password"});
    api.call("POST", &accounts("password"), "", user, Some(passwords)).await;
    let sessions = api.call("GET", &accounts("sessions"), "", user, None).await;
    let sid = sessions.body["data"][0]["id"].as_str().unwrap();
    api.call("DELETE", &accounts("sessions"), "", user, None).await;
    api.call("DELETE", &accounts("sessions/{id}"), sid, user, None).await;

    let token = api.server.login("root").await.access;
    let admin = Some(token.as_str());
    let mut boss = account("boss");
    boss["role_name"] = json!("Admin");
    api.call("POST", "/api/v1/users", "", admin, Some(boss)).await;
    let uuid = api.server.uuid_of(&token, "boss").await;
    // The list shows these fields only where they say something; the comparison looks at the first user.
    let root = api.server.uuid_of(&token, "root").await;
    let verified = json!({"uuid": root, "email": "root@example.com", "email_verified": true, "groups": ["staff"]});
    api.call("PATCH", "/api/v1/users", "", admin, Some(verified)).await;
    api.call("GET", "/api/v1/users", "", admin, None).await;
    api.call("GET", "/api/v1/users/{uuid}", &uuid, admin, None).await;
    api.call("PATCH", "/api/v1/users", "", admin, Some(json!({"uuid": uuid, "disabled": true}))).await;
    api.call("PATCH", "/api/v1/users/{uuid}", &uuid, admin, Some(json!({"disabled": false}))).await;
    api.call("DELETE", "/api/v1/users/{uuid}/login-failures", &uuid, admin, None).await;
    api.call("GET", "/api/v1/roles", "", admin, None).await;
    api.call("GET", "/api/v1/audit", "", admin, None).await;
    api.call("DELETE", "/api/v1/users", "", admin, Some(json!({"uuid": uuid}))).await;
    api.call("POST", &accounts("register"), "", None, Some(account("carol"))).await;
    let uuid = api.server.uuid_of(&token, "carol").await;
    api.call("DELETE", "/api/v1/users/{uuid}", &uuid, admin, None).await;
    api.call("GET", "/", "", None, None).await;
    api.call("GET", "/.well-known/jwks.json", "", None, None).await;
    api.call("GET", "/.well-known/oauth-authorization-server", "", None, None).await;
    refusals(&mut api, login, user, admin).await;
    api.call("DELETE", &accounts("logout"), "", admin, None).await;

    let paths = api.document["paths"].as_object().unwrap().iter();
    let described = paths.flat_map(|(path, operations)| {
        operations.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let left_out: Vec<_> = described.filter(|call| !api.called.contains(call)).collect();
    let without_body = ["GET /api/v1/verify", "GET /api/v1/verify/any", "GET /api/v1/verify/role/{roles}"];
    assert_eq!(left_out, without_body);
}

async fn refusals(api: &mut Comparison, login: Value, ended: Option<&str>, admin: Option<&str>) {
    let statuses = [
        api.call("POST", "/api/v1/accounts/register", "", None, Some(account("root"))).await,
        api.call("POST", "/api/v1/accounts/register", "", None, Some(json!({}))).await,
        api.call("POST", "/api/v1/accounts/login", "", None, Some(login)).await,
        api.call("GET", "/api/v1/accounts/me", "", ended, None).await,
        api.call("GET", "/api/v1/accounts/me", "", None, None).await,
        api.call("GET", "/api/v1/accounts/me", "", Some("word"), None).await,
        api.call("GET", "/api/v1/users/{uuid}", "nobody", admin, None).await,
        api.call("DELETE", "/api/v1/users", "", admin, Some(json!({"uuid": null}))).await,
        api.call("PATCH", "/api/v1/users", "", Some("word"), Some(json!({}))).await,
        api.call("DELETE", "/api/v1/accounts/sessions/{id}", "none", admin, None).await,
    ];
    assert_eq!(statuses.map(|answer| answer.status), [409, 422, 422, 401, 401, 422, 404, 422, 422, 404]);
}
