//! The description of the API is true: each documented answer of each call is provoked, and has the documented shape.

use std::collections::BTreeSet;

use futures::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};

use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, account, run_with_input};

/// Answers that take long, or that need a race or an outage, which other tests have.
const ELSEWHERE: [&str; 2] = ["408", "503"];
const RACES: [(&str, &str, &str); 1] = [("POST", "/api/v1/accounts/password", "409")];

/// A call, by method and documented path.
type Call = (String, String);

struct Described {
    document: Value,
    server: Server,
    seen: BTreeSet<(String, String, String)>,
    requests: u16,
}

/// What a request sends.
#[derive(Clone, Default)]
struct Sent<'a> {
    /// The path, if it differs from the documented one.
    path: Option<&'a str>,
    token: Option<&'a str>,
    body: Option<String>,
    etag: Option<String>,
    /// The content coding of the body.
    coding: Option<&'static str>,
}

impl Described {
    fn operation(&self, method: &str, path: &str) -> &Value {
        &self.document["paths"][path][method.to_lowercase()]
    }

    /// Sends a request, and checks that the answer is the expected one and has the documented shape.
    async fn check(&mut self, method: &str, path: &str, status: u16, sent: Sent<'_>) -> Value {
        self.requests += 1;
        let [high, low] = self.requests.to_be_bytes();
        let response = self.send(method, path, sent, &format!("203.1.{high}.{low}")).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        self.verify(method, path, response).await
    }

    /// Sends many requests of one client at once, of which the last are refused.
    async fn check_limit(&mut self, path: &str, sent: &Sent<'_>) {
        let responses = join_all((0..200).map(|_| self.send("POST", path, sent.clone(), "198.51.100.7"))).await;
        let refused = responses.into_iter().find(|response| response.status() == 429).expect(path);
        self.verify("POST", path, refused).await;
    }

    async fn send(&self, method: &str, path: &str, sent: Sent<'_>, address: &str) -> Response {
        let mut request = self.server.request(method, sent.path.unwrap_or(path)).header("x-forwarded-for", address);
        if let Some(token) = sent.token {
            request = request.bearer_auth(token);
        }
        if let Some(etag) = sent.etag {
            request = request.header("if-none-match", etag);
        }
        if let Some(coding) = sent.coding {
            request = request.header("content-encoding", coding);
        }
        if let Some(body) = sent.body {
            request = request.header("content-type", "application/json").body(body);
        }
        request.send().await.unwrap()
    }

    async fn verify(&mut self, method: &str, path: &str, response: Response) -> Value {
        let status = response.status().as_u16();
        let what = format!("{method} {path}: {status}");
        assert!(status != 429 || response.headers().contains_key("retry-after"), "{what}");
        let documented = &self.operation(method, path)["responses"][status.to_string()];
        assert!(documented.is_object(), "{what} is not documented");
        let text = response.text().await.unwrap();
        let body = if let Some(content) = documented["content"].as_object() {
            let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {text}"));
            let schema = &content.values().next().unwrap()["schema"];
            let result = matches(&self.document, schema, &body, false);
            result.unwrap_or_else(|problem| panic!("{what}: {problem}: {text}"));
            body
        } else {
            assert_eq!(text, "", "{what}");
            Value::Null
        };
        self.seen.insert((method.to_owned(), path.to_owned(), status.to_string()));
        body
    }

    fn calls(&self) -> Vec<Call> {
        let paths = self.document["paths"].as_object().unwrap();
        let calls = paths.iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        });
        calls.collect()
    }

    /// The documented answers that have not been provoked.
    fn missing(&self) -> Vec<(String, String, String)> {
        let mut missing = Vec::new();
        for (method, path) in self.calls() {
            for status in self.operation(&method, &path)["responses"].as_object().unwrap().keys() {
                let answer = (method.clone(), path.clone(), status.clone());
                let is_race = RACES.contains(&(method.as_str(), path.as_str(), status.as_str()));
                if !self.seen.contains(&answer) && !ELSEWHERE.contains(&status.as_str()) && !is_race {
                    missing.push(answer);
                }
            }
        }
        missing
    }
}

/// `is_part` allows fields that the schema does not name.
///
/// # Errors
/// How the value differs from the schema.
fn matches(document: &Value, schema: &Value, value: &Value, is_part: bool) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return matches(document, document.pointer(reference.trim_start_matches('#')).unwrap(), value, is_part);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return parts.iter().try_for_each(|part| matches(document, part, value, true));
    }
    if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let fitting = choices.iter().filter(|choice| matches(document, choice, value, is_part).is_ok()).count();
        return if fitting == 1 { Ok(()) } else { Err(format!("{fitting} choices fit {value}")) };
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => return Ok(()),
        kind => vec![kind.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !kinds.contains(&json!(kind)) {
        return Err(format!("{value} is no {kinds:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        matches(document, &schema["items"], item, false)?;
    }
    for required in schema["required"].as_array().into_iter().flatten().filter(|_| value.is_object()) {
        value.get(required.as_str().unwrap()).ok_or_else(|| format!("{required} is missing"))?;
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let known = &schema["properties"][name];
        let known = if known.is_null() { &schema["additionalProperties"] } else { known };
        if known.is_null() && schema["properties"].is_object() && !is_part {
            return Err(format!("{name} is not documented"));
        }
        matches(document, known, field, false)?;
    }
    Ok(())
}

async fn described() -> (Described, Database) {
    let database = Database::create(Engine::Sqlite).await;
    let output = run_with_input(&database, &["admin", "create", "root", "--password-stdin"], PASSWORD).await;
    assert!(output.status.success());
    let settings = [("SC_AUTH_TRUSTED_PROXIES", "127.0.0.0/8"), ("SC_AUTH_MAX_USERS", "4")];
    let server = Server::start(&database, &settings).await;
    let document = server.call("GET", "/openapi.json", None, None).await.body;
    (Described { document, server, seen: BTreeSet::new(), requests: 0 }, database)
}

fn with_token(token: &str) -> Sent<'_> {
    Sent { token: Some(token), ..Sent::default() }
}

fn with_body(token: Option<&str>, body: Value) -> Sent<'_> {
    Sent { token, body: Some(body.to_string()), ..Sent::default() }
}

/// A path with an id of nobody.
fn filled(path: &str) -> String {
    path.replace("{id}", "nobody").replace("{uuid}", "nobody").replace("{roles}", "Admin")
}

/// What every call that needs a token, has a body, or is for Admins answers.
async fn check_every_call(api: &mut Described, root: &str, alice: &str) {
    for (method, path) in api.calls() {
        let operation = api.operation(&method, &path).clone();
        let security: Vec<_> = operation["security"].as_array().into_iter().flatten().cloned().collect();
        let needs_token = !security.is_empty() && !security.contains(&json!({}));
        let filled = filled(&path);
        let sent = |token, body| Sent { path: Some(&filled), token, body, ..Sent::default() };
        if needs_token {
            let body = operation["requestBody"].is_object().then(|| "{}".to_owned());
            api.check(&method, &path, 401, sent(None, body.clone())).await;
            if !path.contains("verify") {
                api.check(&method, &path, 422, sent(Some("a.b"), body.clone())).await;
            }
            if security.contains(&json!({"bearer": ["Admin"]})) {
                api.check(&method, &path, 403, sent(Some(alice), body)).await;
            }
        }
        if operation["requestBody"].is_object() {
            let token = needs_token.then_some(root);
            api.check(&method, &path, 400, sent(token, Some("{".to_owned()))).await;
            let coded = Sent { coding: Some("gzip"), ..sent(token, Some("{}".to_owned())) };
            api.check(&method, &path, 415, coded).await;
            api.check(&method, &path, 413, sent(token, Some(" ".repeat(100_000)))).await;
            api.check(&method, &path, 422, sent(token, Some(r#"{"extra": 1}"#.to_owned()))).await;
        }
    }
}

#[tokio::test]
async fn every_documented_answer_is_real_and_every_answer_is_documented() {
    let (mut api, _database) = described().await;
    let of = |rest: &str| format!("/api/v1/accounts{rest}");
    let (register, login, me) = (of("/register"), of("/login"), of("/me"));
    let users = "/api/v1/users";
    api.check("POST", &register, 201, with_body(None, account("alice"))).await;
    api.check("POST", &register, 409, with_body(None, account("alice"))).await;
    let tokens_of = async |api: &mut Described, name: &str| {
        let body = json!({"username": name, "password": PASSWORD});
        let tokens = api.check("POST", &login, 200, with_body(None, body)).await;
        ["access_token", "refresh_token"].map(|token| tokens["data"][token].as_str().unwrap().to_owned())
    };
    let [root, _] = tokens_of(&mut api, "root").await;
    let [alice, refresh] = tokens_of(&mut api, "alice").await;
    check_every_call(&mut api, &root, &alice).await;

    for (method, path) in [
        ("GET", me.as_str()),
        ("GET", "/api/v1/accounts/sessions"),
        ("GET", users),
        ("GET", "/api/v1/roles"),
        ("GET", "/api/v1/audit"),
        ("GET", "/api/v1/verify"),
        ("GET", "/api/v1/verify/any"),
        ("GET", "/"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/.well-known/oauth-authorization-server"),
    ] {
        api.check(method, path, 200, with_token(&root)).await;
    }
    for path in ["/api/v1/accounts/sessions", users, "/api/v1/roles", "/api/v1/audit"] {
        let with_query = format!("{path}?page=1");
        api.check("GET", path, 422, Sent { path: Some(&with_query), ..with_token(&root) }).await;
    }
    let role = "/api/v1/verify/role/{roles}";
    for (token, status) in [(&root, 200), (&alice, 403)] {
        api.check("GET", role, status, Sent { path: Some(&filled(role)), ..with_token(token) }).await;
        api.check(
            "GET",
            "/api/v1/verify",
            status,
            Sent { path: Some("/api/v1/verify?role=Admin"), ..with_token(token) },
        )
        .await;
    }
    let keys = api.server.request("GET", "/.well-known/jwks.json").send().await.unwrap();
    let etag = keys.headers()["etag"].to_str().unwrap().to_owned();
    api.check("GET", "/.well-known/jwks.json", 304, Sent { etag: Some(etag), ..Sent::default() }).await;

    // A user changes the own account.
    api.check("PATCH", &me, 200, with_body(Some(&alice), json!({"name": "Alice"}))).await;
    api.check("PATCH", &me, 422, with_body(Some(&alice), json!({"email": "new@example.com"}))).await;
    let mut bob = account("bob");
    bob["role_name"] = json!("User");
    api.check("POST", users, 201, with_body(Some(&root), bob.clone())).await;
    api.check("POST", users, 409, with_body(Some(&root), bob)).await;
    let taken = json!({"email": "bob@example.com", "password": PASSWORD});
    for _ in 0..5 {
        api.check("PATCH", &me, 409, with_body(Some(&alice), taken.clone())).await;
    }
    api.check("PATCH", &me, 429, with_body(Some(&alice), taken)).await;
    let password = of("/password");
    let change = |old: &str| json!({"old_password": old, "new_password": "another good password"});
    api.check("POST", &password, 422, with_body(Some(&alice), change("a wrong password"))).await;
    let weak = json!({"old_password": PASSWORD, "new_password": "short"});
    api.check("POST", &password, 422, with_body(Some(&alice), weak)).await;
    api.check("POST", &password, 200, with_body(Some(&alice), change(PASSWORD))).await;

    // Tokens and sessions.
    let renew = of("/refresh");
    api.check("POST", &renew, 422, with_token(&alice)).await;
    let renewed = api.check("POST", &renew, 200, with_token(&refresh)).await;
    assert!(renewed["data"]["refresh_token"].is_string());
    let sessions = of("/sessions");
    let with_query = format!("{sessions}?page=1");
    api.check("DELETE", &sessions, 422, Sent { path: Some(&with_query), ..with_token(&alice) }).await;
    api.check("DELETE", &sessions, 200, with_token(&alice)).await;
    let one = of("/sessions/{id}");
    api.check("DELETE", &one, 404, Sent { path: Some(&filled(&one)), ..with_token(&root) }).await;
    let own = api.check("GET", &sessions, 200, with_token(&alice)).await;
    let path = format!("{sessions}/{}", own["data"][0]["id"].as_str().unwrap());
    api.check("DELETE", &one, 200, Sent { path: Some(&path), ..with_token(&alice) }).await;
    api.check("GET", &me, 401, with_token(&alice)).await;
    api.check("POST", &renew, 401, with_token(&refresh)).await;

    check_users(&mut api, &root).await;
    check_limits(&mut api, &login, &password, &renew).await;
    let [root, _] = tokens_of(&mut api, "root").await;
    api.check("DELETE", &of("/logout"), 200, with_token(&root)).await;
    assert_eq!(api.missing(), Vec::new());
}

/// What an Admin does with users.
async fn check_users(api: &mut Described, root: &str) {
    let users = "/api/v1/users";
    let (own, bob) = (uuid_of(api, root, "root").await, uuid_of(api, root, "bob").await);
    for (method, path) in [("GET", "/api/v1/users/{uuid}"), ("DELETE", "/api/v1/users/{uuid}/login-failures")] {
        api.check(method, path, 404, Sent { path: Some(&filled(path)), ..with_token(root) }).await;
        api.check(method, path, 200, Sent { path: Some(&path.replace("{uuid}", &bob)), ..with_token(root) }).await;
    }
    for method in ["PATCH", "DELETE"] {
        api.check(method, users, 404, with_body(Some(root), json!({"uuid": "nobody"}))).await;
    }
    api.check("PATCH", users, 409, with_body(Some(root), json!({"uuid": own, "role_name": "User"}))).await;
    api.check("DELETE", users, 409, with_body(Some(root), json!({"uuid": own}))).await;
    let one = "/api/v1/users/{uuid}";
    let change = with_body(Some(root), json!({"role_name": "User"}));
    for (uuid, status) in [("nobody", 404), (own.as_str(), 409), (bob.as_str(), 200)] {
        let path = one.replace("{uuid}", uuid);
        api.check("PATCH", one, status, Sent { path: Some(&path), ..change.clone() }).await;
    }
    for (uuid, status) in [("nobody", 404), (own.as_str(), 409)] {
        let path = one.replace("{uuid}", uuid);
        api.check("DELETE", one, status, Sent { path: Some(&path), ..with_token(root) }).await;
    }
    api.check("DELETE", users, 422, with_body(Some(root), json!({"uuid": null}))).await;
    api.check("PATCH", users, 200, with_body(Some(root), json!({"uuid": bob, "disabled": true}))).await;
    let disabled = json!({"username": "bob", "password": PASSWORD});
    api.check("POST", "/api/v1/accounts/login", 403, with_body(None, disabled)).await;
    let mut carol = account("carol");
    carol["role_name"] = json!("User");
    api.check("POST", users, 201, with_body(Some(root), carol)).await;
    api.check("POST", "/api/v1/accounts/register", 403, with_body(None, account("dave"))).await;
    api.check("DELETE", users, 200, with_body(Some(root), json!({"uuid": bob}))).await;
    let mut erin = account("erin");
    erin["role_name"] = json!("User");
    api.check("POST", users, 201, with_body(Some(root), erin)).await;
    let path = one.replace("{uuid}", &uuid_of(api, root, "erin").await);
    api.check("DELETE", one, 200, Sent { path: Some(&path), ..with_token(root) }).await;
}

async fn uuid_of(api: &mut Described, root: &str, name: &str) -> String {
    let listed = api.check("GET", "/api/v1/users", 200, with_token(root)).await;
    let user = listed["data"].as_array().unwrap().iter().find(|user| user["username"] == name).unwrap();
    user["uuid"].as_str().unwrap().to_owned()
}

/// One address sends too many requests.
async fn check_limits(api: &mut Described, login: &str, password: &str, renew: &str) {
    let carol = json!({"username": "carol", "password": PASSWORD});
    let tokens = api.check("POST", login, 200, with_body(None, carol)).await;
    let token = tokens["data"]["access_token"].as_str().unwrap().to_owned();
    let wrong = json!({"username": "nobody", "password": PASSWORD});
    let same = json!({"old_password": PASSWORD, "new_password": PASSWORD});
    let register = "/api/v1/accounts/register";
    for (path, token, body) in [
        (register, None, Some(json!({}))),
        (login, None, Some(wrong)),
        (renew, Some("a.b.c"), None),
        (password, Some(token.as_str()), Some(same)),
    ] {
        api.check_limit(path, &Sent { token, body: body.map(|body| body.to_string()), ..Sent::default() }).await;
    }
}
