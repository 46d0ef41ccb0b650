//! What the endpoints of OpenID Connect refuse, and the headers of its pages.

use serde_json::{Value, json};

use crate::browser::{
    Browser, CALLBACK, FORM, ISSUER, SESSION, authorize, client, declare, encoded, exchange, start, started, with,
};
use crate::database::{Database, Engine};
use crate::harness::{PASSWORD, Server, until};

#[tokio::test]
async fn without_declared_clients_nothing_changes() {
    let database = Database::create(Engine::Sqlite).await;
    let declared = ("SC_AUTH_DECLARED", "declared.json");
    declare(&database, &[client("shop")]);
    let paths = ["/oauth2/authorize", "/oauth2/token", "/oauth2/jwks", "/login", "/.well-known/openid-configuration"];
    for settings in [&[][..], &[declared, ("SC_AUTH_ISSUER", "https://auth.test/tenant")]] {
        let server = Server::start(&database, settings).await;
        for path in paths {
            let answer = server.call("GET", path, None, None).await;
            assert_eq!((answer.status, &answer.body["status"]), (404, &json!("fail")), "{path}");
        }
        assert!(!database.folder.path().join("oidc-keys.json").exists());
    }
    let server = start(&database).await;
    assert!(database.folder.path().join("oidc-keys.json").exists());
    let keys = server.call("GET", "/.well-known/jwks.json", None, None).await.body;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "the API has its own keys");
}

#[tokio::test]
async fn the_metadata_lists_what_is_supported() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let response = server.request("GET", "/.well-known/openid-configuration").send().await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let metadata: Value = response.json().await.unwrap();
    let wanted = json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/oauth2/authorize"),
        "token_endpoint": format!("{ISSUER}/oauth2/token"),
        "userinfo_endpoint": format!("{ISSUER}/oauth2/userinfo"),
        "jwks_uri": format!("{ISSUER}/oauth2/jwks"),
        "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint": format!("{ISSUER}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": format!("{ISSUER}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "end_session_endpoint": format!("{ISSUER}/oauth2/logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified", "groups"],
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "ui_locales_supported": ["en", "id"],
    });
    assert_eq!(metadata, wanted);
    let keys = server.call("GET", "/oauth2/jwks", None, None).await.body;
    let algorithms: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| key["alg"].clone()).collect();
    assert_eq!(algorithms, ["RS256", "ES256"]);
    assert!(!keys.to_string().contains("\"d\""), "{keys}");
}

/// Clients that find the server by RFC 8414 verify tokens of the API, or of applications.
#[tokio::test]
async fn the_metadata_of_oauth_leads_to_all_keys() {
    let database = Database::create(Engine::Sqlite).await;
    let server = start(&database).await;
    let metadata = async || server.call("GET", "/.well-known/oauth-authorization-server", None, None).await.body;
    let before = metadata().await;
    assert_eq!(before["jwks_uri"], format!("{ISSUER}/.well-known/jwks.json"), "the API does not wait for clients");
    assert_eq!(before["grant_types_supported"], json!([]));
    declare(&database, &[client("shop")]);
    until("the clients are served", async || metadata().await["token_endpoint"].is_string()).await;
    let (oauth, openid) =
        (metadata().await, server.call("GET", "/.well-known/openid-configuration", None, None).await.body);
    for (member, value) in openid.as_object().unwrap() {
        assert!(member == "jwks_uri" || oauth[member] == *value, "{member}");
    }
    assert_eq!(oauth["jwks_uri"], format!("{ISSUER}/oauth2/keys"));
    let kids = async |path: &str| {
        let set = server.call("GET", path, None, None).await.body;
        let keys = set["keys"].as_array().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let both = [kids("/oauth2/jwks").await, kids("/.well-known/jwks.json").await].concat();
    assert_eq!(kids("/oauth2/keys").await, both);
    let etag = server.request("GET", "/oauth2/keys").send().await.unwrap().headers()["etag"].clone();
    let known = server.request("GET", "/oauth2/keys").header("if-none-match", etag).send().await.unwrap();
    assert_eq!(known.status(), 304);
}

#[tokio::test]
async fn before_the_files_can_be_read_only_the_api_serves() {
    let database = Database::create(Engine::Sqlite).await;
    let server = start(&database).await;
    server.register("alice").await;
    for path in ["/oauth2/authorize", "/oauth2/jwks", "/.well-known/openid-configuration"] {
        let response = server.request("GET", path).header("host", "localhost:8000").send().await.unwrap();
        assert_eq!(response.status(), 503, "{path}");
    }
    declare(&database, &[client("shop")]);
    let mut browser = Browser::new(&server);
    until("the clients are served", async || browser.get(&authorize(&[])).await.status == 200).await;
}

#[tokio::test]
async fn the_browser_is_sent_only_to_declared_addresses() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    for changes in [
        [("redirect_uri", "https://evil.test/"), ("prompt", "none")],
        [("redirect_uri", "https://shop.test/cb/../x"), ("state", "s")],
        [("redirect_uri", ""), ("state", "s")],
        [("client_id", "other"), ("prompt", "none")],
    ] {
        let page = browser.get(&authorize(&changes)).await;
        assert_eq!((page.status, page.header("location")), (400, ""), "{changes:?}");
        let is_of_address = changes.iter().any(|(name, _)| *name == "redirect_uri");
        assert_eq!(page.text.contains("redirect_uri"), is_of_address, "{}", page.text);
    }
    let told = |page: crate::browser::Page| (page.answer()["state"].clone(), page.error());
    for (changes, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("request", "x"), "request_not_supported"),
        (("request_uri", "https://a.test"), "request_uri_not_supported"),
        (("scope", "email"), "invalid_scope"),
        (("resource", "orders"), "invalid_target"),
        (("ui_locales", &"x".repeat(11_000)[..]), "invalid_request"),
    ] {
        assert_eq!(told(browser.get(&authorize(&[changes])).await), ("s p&c".to_owned(), error.to_owned()));
    }
    let twice = format!("{}&nonce=again", authorize(&[]));
    assert_eq!(browser.get(&twice).await.error(), "invalid_request");
}

#[tokio::test]
async fn a_posted_request_becomes_one_by_get() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let request = authorize(&[]);
    let (path, query) = request.split_once('?').unwrap();
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = browser.post(path, &pairs).await;
    let location = answer.location().strip_prefix(ISSUER).unwrap().to_owned();
    assert!(browser.get(&location).await.is_login());
}

#[tokio::test]
async fn a_form_works_only_in_the_browser_that_got_it_and_for_its_purpose() {
    let clients = [with(client("shop"), "consent", json!("Skip")), client("asking")];
    let (server, _database) = started(Engine::Sqlite, &clients).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    // Login CSRF: the form and the password of an attacker, in the browser of a victim.
    let mut victim = Browser::new(&server);
    let stolen = victim.log_in(&page, "alice", PASSWORD).await;
    assert_eq!(stolen.status, 400, "without a cookie");
    victim.get(&authorize(&[])).await;
    assert_eq!(victim.log_in(&page, "alice", PASSWORD).await.status, 400, "with another cookie");
    assert!(!victim.cookies.contains_key(SESSION) && victim.cookies.contains_key(FORM));
    for headers in [
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site"), ("origin", ISSUER)],
    ] {
        browser.headers = headers.clone();
        assert_eq!(browser.log_in(&page, "alice", PASSWORD).await.status, 400, "{headers:?}");
    }
    browser.headers = vec![("host", "evil.test")];
    assert_eq!(browser.log_in(&page, "alice", PASSWORD).await.status, 421);
    assert_eq!(browser.get(&authorize(&[])).await.status, 421);
    browser.headers = vec![("sec-fetch-site", "same-origin"), ("origin", ISSUER)];
    let mut altered = page.sealed().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let form = [("request", altered.as_str()), ("username", "alice"), ("password", PASSWORD)];
    assert_eq!(browser.post("/login", &form).await.status, 400, "an altered form");
    browser.log_in(&page, "alice", PASSWORD).await.code();
    let consent = browser.get(&authorize(&[("client_id", "asking")])).await;
    assert!(consent.is_consent());
    assert_eq!(browser.log_in(&consent, "alice", PASSWORD).await.status, 400, "the form of consent");
    browser.decide(&consent, "allow").await.code();
}

#[tokio::test]
async fn pages_are_safe_and_in_two_languages() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&authorize(&[])).await;
    for (header, value) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; \
             form-action 'self' https:",
        ),
        ("cross-origin-opener-policy", ""),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.header(header), value, "{header}");
    }
    assert!(!page.text.contains("<script") && !page.text.contains("style="), "{}", page.text);
    assert!(page.text.contains("<html lang=\"en\">") && page.is_login(), "{}", page.text);
    browser.headers = vec![("accept-language", "id-ID,id;q=0.9,en;q=0.5")];
    let page = browser.get(&authorize(&[])).await;
    assert!(page.text.contains("<html lang=\"id\">") && page.is_login(), "{}", page.text);
    let consent = browser.log_in(&page, "alice", PASSWORD).await;
    assert!(consent.is_consent() && consent.text.contains("<html lang=\"id\">"), "{}", consent.text);
    assert!(browser.get(&authorize(&[("ui_locales", "en")])).await.text.contains("<html lang=\"en\">"));
    let message = browser.get("/login").await;
    assert!(message.status == 400 && message.text.contains("<html lang=\"id\">") && message.text.contains("<h1>"));
    let style = browser.get("/assets/sc-auth.css").await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
}

#[tokio::test]
async fn errors_have_the_shapes_of_the_standards() {
    let (server, _database) = started(Engine::Sqlite, &[client("shop")]).await;
    let form = "application/x-www-form-urlencoded";
    let large = "x".repeat(20_000);
    let wide = "application/x-www-form-urlencoded; charset=UTF-16";
    for (method, path, kind, body, status, error, description) in [
        ("GET", "/oauth2/nowhere", "", "", 404, "invalid_request", "not found"),
        ("GET", "/oauth2/token", "", "", 405, "invalid_request", "is not allowed here"),
        ("DELETE", "/oauth2/userinfo", "", "", 405, "invalid_request", "is not allowed here"),
        ("POST", "/oauth2/token", "application/json", "{}", 400, "invalid_request", form),
        ("POST", "/oauth2/token", form, &large, 413, "invalid_request", "larger than 16384 bytes"),
        ("POST", "/oauth2/token", wide, "x", 415, "invalid_request", "UTF-8"),
        ("POST", "/oauth2/token", form, "", 401, "invalid_client", ""),
        ("POST", "/oauth2/token", form, "client_id=shop&client_secret=wrong", 401, "invalid_client", ""),
        ("POST", "/oauth2/token", form, "client_id=a&client_id=b", 400, "invalid_request", "more than once"),
    ] {
        let mut request = server.request(method, path).body(body.to_owned());
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path} {body}");
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401, "{method} {path} {body}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"], error, "{method} {path}: {body}");
        assert!(body["error_description"].as_str().unwrap().contains(description), "{description}: {body}");
        assert!(body["status"].is_null(), "{body}");
    }
    let authenticated = async |body: &[(&str, &str)]| crate::browser::token(&server, body).await;
    for (body, error) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (vec![("grant_type", "client_credentials")], "unsupported_grant_type"),
        (vec![("grant_type", "authorization_code")], "invalid_request"),
        (vec![("grant_type", "refresh_token")], "invalid_request"),
        (vec![("grant_type", "refresh_token"), ("refresh_token", "x")], "invalid_grant"),
    ] {
        let (status, answer) = authenticated(&body).await;
        assert_eq!((status, answer["error"].as_str().unwrap()), (400, error), "{body:?}");
    }
    let basic = server.request("POST", "/oauth2/token").basic_auth("shop", Some("wrong"));
    let refused = basic.header("content-type", form).body(encoded(&[])).send().await.unwrap();
    assert_eq!(refused.headers()["www-authenticate"], "Basic realm=\"sc-auth\"");
    assert_eq!(exchange(&server, CALLBACK).await.1["error"], "invalid_grant");
    // The API keeps its own.
    assert_eq!(server.call("GET", "/api/v1/nowhere", None, None).await.body["status"], "fail");
}
