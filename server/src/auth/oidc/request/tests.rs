#![expect(clippy::needless_pass_by_value, reason = "expectations are written where they are used")]

use serde_json::{Value, json};

use super::*;

const USERINFO: &str = "https://auth.test/oauth2/userinfo";
const CHALLENGE_OF_RFC_7636: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn declared() -> Declared {
    let hash = json!([{"sha256": "0".repeat(64)}]);
    let clients = json!([
        {"clientId": "shop", "type": "Web", "redirectUris": ["https://shop.test/cb?a=1"], "secrets": hash,
            "scopes": ["openid", "email", "offline_access"]},
        {"clientId": "api", "type": "Web", "redirectUris": ["https://shop.test/cb"], "secrets": hash,
            "audiences": ["orders", "billing"], "requirePkce": false},
        {"clientId": "app", "type": "Native", "redirectUris": ["http://127.0.0.1/cb", "com.example.app:/cb"]},
    ]);
    let declared = Declared::parse(&json!({"version": 1, "clients": clients}).to_string()).unwrap();
    assert_eq!(declared.refused, []);
    declared
}

/// The parameters of a good request, with changes; null removes one.
fn encoded(changes: &Value) -> String {
    let mut all = json!({
        "client_id": "shop", "redirect_uri": "https://shop.test/cb?a=1", "response_type": "code", "scope": "openid",
        "code_challenge": CHALLENGE_OF_RFC_7636, "code_challenge_method": "S256", "state": "s",
    });
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in all.as_object().unwrap() {
        if let Some(value) = value.as_str() {
            text.append_pair(name, value);
        }
    }
    text.finish()
}

fn read_encoded(encoded: &str) -> Result<AuthorizationRequest, Refusal> {
    read(&declared(), &Parameters::parse(encoded.as_bytes()), USERINFO, Hinted::Nobody)
}

fn read_with(changes: Value) -> Result<AuthorizationRequest, Refusal> {
    read_encoded(&encoded(&changes))
}

fn error(changes: Value) -> &'static str {
    match read_with(changes) {
        Err(Refusal::Redirect(_, problem)) => problem.error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_request_is_read() {
    let request = read_with(json!({"scope": "openid email root", "nonce": "n", "prompt": "login consent"})).unwrap();
    assert_eq!(request.scopes, ["openid", "email"], "unknown scopes are ignored");
    assert_eq!(request.audiences, [USERINFO]);
    assert_eq!((request.prompt.login, request.prompt.consent, request.prompt.none), (true, true, false));
    assert!(!request.is_offline() && is_still_valid(&declared(), &request));
    assert!(read_with(json!({"scope": "openid offline_access"})).unwrap().is_offline());
}

#[test]
fn the_browser_is_sent_only_to_a_declared_address() {
    for changes in [json!({"client_id": "other"}), json!({"client_id": null})] {
        assert_eq!(read_with(changes.clone()), Err(Refusal::Page), "{changes}");
    }
    for changes in [
        json!({"redirect_uri": null}),
        json!({"redirect_uri": "https://shop.test/cb"}),
        json!({"redirect_uri": "https://shop.test/cb?a=1&b=2"}),
        json!({"redirect_uri": "https://shop.test/cb?a=1#"}),
        json!({"redirect_uri": "https://shop.test.evil.test/cb?a=1"}),
        json!({"redirect_uri": "HTTPS://shop.test/cb?a=1"}),
        json!({"redirect_uri": "https://shop.test:443/cb?a=1"}),
        json!({"redirect_uri": "javascript:alert(1)", "prompt": "none"}),
        json!({"client_id": "app", "redirect_uri": "http://127.0.0.1:8080/other"}),
        json!({"client_id": "app", "redirect_uri": "http://evil.test:8080/cb"}),
    ] {
        assert_eq!(read_with(changes.clone()), Err(Refusal::RedirectUri), "{changes}");
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.test", encoded(&json!({})));
    assert_eq!(read_encoded(&twice), Err(Refusal::RedirectUri));
    let any_port = json!({"client_id": "app", "redirect_uri": "http://127.0.0.1:51004/cb"});
    assert!(read_with(any_port).is_ok());
}

#[test]
fn pkce_cannot_be_weakened() {
    assert_eq!(error(json!({"code_challenge": null, "code_challenge_method": null})), "invalid_request");
    assert_eq!(error(json!({"code_challenge_method": "plain"})), "invalid_request");
    assert_eq!(error(json!({"code_challenge_method": null})), "invalid_request");
    assert_eq!(error(json!({"code_challenge": "short"})), "invalid_request");
    let without = json!({
        "client_id": "api", "redirect_uri": "https://shop.test/cb", "code_challenge": null,
        "code_challenge_method": null,
    });
    assert!(read_with(without.clone()).unwrap().code_challenge.is_none());
    let mut half = without;
    half["code_challenge_method"] = json!("S256");
    assert_eq!(error(half), "invalid_request");
}

#[test]
fn what_is_not_supported_has_the_errors_of_the_standards() {
    for (changes, wanted) in [
        (json!({"request": "x"}), "request_not_supported"),
        (json!({"request_uri": "https://a.test"}), "request_uri_not_supported"),
        (json!({"registration": "{}"}), "registration_not_supported"),
        (json!({"response_type": "token"}), "unsupported_response_type"),
        (json!({"response_type": "code id_token"}), "unsupported_response_type"),
        (json!({"response_type": null}), "invalid_request"),
        (json!({"response_mode": "fragment"}), "invalid_request"),
        (json!({"scope": "email"}), "invalid_scope"),
        (json!({"scope": null}), "invalid_scope"),
        (json!({"resource": "orders"}), "invalid_target"),
        (json!({"prompt": "none login"}), "invalid_request"),
        (json!({"prompt": "create"}), "invalid_request"),
        (json!({"max_age": "-1"}), "invalid_request"),
        (json!({"nonce": "n".repeat(513)}), "invalid_request"),
        (json!({"state": "s".repeat(2049)}), "invalid_request"),
        (json!({"nonce": "a\0b"}), "invalid_request"),
        (json!({"nonce": "a\u{7f}b"}), "invalid_request"),
        (json!({"state": "a\0b"}), "invalid_request"),
        (json!({"state": "a\nb"}), "invalid_request"),
    ] {
        assert_eq!(error(changes.clone()), wanted, "{changes}");
    }
    let Err(Refusal::Redirect(to, problem)) = read_encoded(&format!("{}&scope=openid", encoded(&json!({})))) else {
        panic!()
    };
    assert_eq!((problem.error, to.state.as_deref()), ("invalid_request", Some("s")), "a repeated parameter");
}

#[test]
fn an_error_about_a_request_object_comes_as_the_object_says() {
    use base64::Engine as _;
    let object = |payload: &str| format!("e30.{}.", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload));
    let inside = object(r#"{"response_mode":"form_post","state":"inside","redirect_uri":"https://evil.test"}"#);
    let long = object(&json!({"state": "s".repeat(2049)}).to_string());
    for (changes, mode, state) in [
        (json!({"request": inside, "state": null}), ResponseMode::FormPost, Some("inside")),
        (json!({"request": inside, "response_mode": "query"}), ResponseMode::Query, Some("s")),
        (json!({"request": object(r#"{"response_mode":"fragment"}"#)}), ResponseMode::Query, Some("s")),
        (json!({"request": long, "state": null}), ResponseMode::Query, None),
        (json!({"request": object("x"), "state": null}), ResponseMode::Query, None),
    ] {
        let Err(Refusal::Redirect(to, problem)) = read_with(changes.clone()) else { panic!("{changes}") };
        assert_eq!((to.mode, to.state.as_deref()), (mode, state), "{changes}");
        assert_eq!((&to.redirect_uri[..], problem.error), ("https://shop.test/cb?a=1", "request_not_supported"));
    }
}

#[test]
fn a_client_can_ask_for_some_of_its_audiences() {
    let base = "client_id=api&redirect_uri=https%3A%2F%2Fshop.test%2Fcb&response_type=code&scope=openid";
    assert_eq!(read_encoded(base).unwrap().audiences, ["orders", "billing"]);
    assert_eq!(read_encoded(&format!("{base}&resource=billing")).unwrap().audiences, ["billing"]);
    let both = read_encoded(&format!("{base}&resource=billing&resource=orders")).unwrap();
    assert_eq!(both.audiences, ["orders", "billing"]);
}

#[test]
fn a_sealed_request_is_checked_against_today_s_declarations() {
    let request = read_with(json!({"scope": "openid email"})).unwrap();
    let mut changed = declared();
    changed.clients[0].scopes.retain(|scope| scope != "email");
    assert!(!is_still_valid(&changed, &request));
    let mut changed = declared();
    changed.clients[0].redirect_uris = vec!["https://shop.test/other".into()];
    assert!(!is_still_valid(&changed, &request));
    assert!(!is_still_valid(&Declared::default(), &request));
}
