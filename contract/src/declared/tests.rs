//! Which declarations are accepted.

use serde_json::{Value, json};

use super::*;

fn client() -> Value {
    json!({
        "clientId": "shop", "counter": 3, "type": "Web", "redirectUris": ["https://shop.example.com/cb"],
        "secrets": [{"sha256": "0".repeat(64)}],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut client = client();
    client[name] = value;
    client
}

fn parse(clients: &[Value]) -> Declared {
    Declared::parse(&json!({"version": 1, "counter": 7, "clients": clients}).to_string()).unwrap()
}

#[test]
fn a_client_has_safe_defaults() {
    let declared = parse(&[client()]);
    assert_eq!((declared.counter, declared.refused.len(), declared.warnings.len()), (7, 0, 0));
    let client = declared.find("shop").unwrap();
    assert!(client.require_pkce);
    assert_eq!(client.consent, Consent::Once);
    assert_eq!(client.id_token_algorithm, IdTokenAlgorithm::RS256);
    assert_eq!((client.access_token_seconds(), client.id_token_seconds()), (900, 300));
    assert_eq!(client.key(), "//shop");
    assert!(declared.find("Shop").is_none());
}

#[test]
fn an_invalid_client_is_refused_and_the_others_are_served() {
    let mut other = client();
    other["clientId"] = json!("other");
    for bad in [
        json!(7),
        json!({}),
        with("type", json!("Toaster")),
        with("redirectUris", json!("https://shop.example.com/cb")),
        with("counter", json!("x")),
        with("requires", json!(["later"])),
    ] {
        let declared = parse(&[bad.clone(), other.clone()]);
        assert_eq!(declared.clients.len(), 1, "{bad}");
        assert_eq!(declared.refused.len(), 1, "{bad}");
    }
}

#[test]
fn what_is_invalid_is_refused_with_its_reason() {
    let long = "x".repeat(2_000);
    for (bad, problem) in [
        (with("clientId", json!("")), "clientId"),
        (with("clientId", json!("a b")), "clientId"),
        (with("clientId", json!(long)), "clientId"),
        (with("secret", json!("plain")), "hash-secret"),
        (with("clientSecret", json!("plain")), "hash-secret"),
        (with("secrets", json!([])), "a Web client needs"),
        (with("secrets", json!([{"sha256": "plain"}])), "64 hexadecimal digits"),
        (with("secrets", json!([{"sha256": "0".repeat(63) + "A"}])), "64 hexadecimal digits"),
        (with("type", json!("Native")), "a Native client cannot have a secret"),
        (with("type", json!("Spa")), "a Spa client cannot have a secret"),
        (with("type", json!("Service")), "a Service client cannot have redirectUris"),
        (with("postLogoutRedirectUris", json!(["http://shop.example.com/"])), "postLogoutRedirectUris[0]"),
        (with("backchannelLogoutUri", json!("http://shop.example.com/")), "backchannelLogoutUri"),
        (with("backchannelLogoutUri", json!("http://web.shop.svc/")), "backchannelLogoutUri"),
        (with("redirectUris", json!([])), "redirectUris"),
        (with("redirectUris", json!(["http://shop.example.com/cb"])), "redirectUris"),
        (with("redirectUris", json!(["com.example.shop:/cb"])), "redirectUris"),
        (with("displayName", json!("a\u{202e}b")), "displayName"),
        (with("displayName", json!(long)), "displayName"),
        (with("scopes", json!(["openid", "root"])), "unknown scope root"),
        (with("scopes", json!(["profile"])), "openid"),
        (with("audiences", json!(["a b"])), "audiences"),
        (with("audiences", json!(["a\"b"])), "audiences"),
        (with("audiences", json!(["a\\b"])), "audiences"),
        (with("audiences", json!(["a".repeat(257)])), "audiences"),
        (with("audiences", json!(["sc-auth/refresh"])), "audiences"),
        (with("accessTokenTtl", json!("1m")), "accessTokenTtl"),
        (with("accessTokenTtl", json!("2h")), "accessTokenTtl"),
        (with("accessTokenTtl", json!("soon")), "accessTokenTtl"),
        (with("idTokenTtl", json!("2d")), "idTokenTtl"),
        (with("groups", json!(["staff", "system:masters"])), "groups"),
        (with("groups", json!([" staff"])), "groups"),
        (with("groups", json!(vec!["staff"; 101])), "groups"),
    ] {
        let refused = parse(std::slice::from_ref(&bad)).refused;
        assert!(refused.first().is_some_and(|refused| refused.problem.contains(problem)), "{bad}: {refused:?}");
    }
}

#[test]
fn only_a_confidential_client_can_do_without_pkce() {
    assert_eq!(parse(&[with("requirePkce", json!(false))]).clients.len(), 1);
    let mut native = with("requirePkce", json!(false));
    native["type"] = json!("Native");
    native["secrets"] = json!([]);
    assert!(parse(std::slice::from_ref(&native)).refused[0].problem.contains("requirePkce"));
    native["requirePkce"] = json!(true);
    assert_eq!(parse(&[native]).clients.len(), 1);
}

#[test]
fn a_client_can_be_for_the_members_of_groups() {
    let groups = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut declared = with("groups", json!(["staff", "Domain Users"]));
    declared["requires"] = json!(["groups"]);
    let declared = parse(&[declared]);
    let client = declared.find("shop").unwrap();
    assert_eq!(client.needs(), ["groups"]);
    assert!(client.needs().iter().all(|need| UNDERSTOOD.contains(need)));
    assert!(client.admits(&groups(&["other", "staff"])));
    for others in [groups(&[]), groups(&["Staff"]), groups(&["staff "])] {
        assert!(!client.admits(&others), "{others:?}");
    }
    let everybody = parse(&[client_without_groups()]);
    assert!(everybody.clients[0].admits(&[]) && everybody.clients[0].needs().is_empty());
}

fn client_without_groups() -> Value {
    with("groups", json!([]))
}

#[test]
fn a_browser_application_has_an_origin_and_no_secret() {
    let mut spa = with("type", json!("Spa"));
    spa["secrets"] = json!([]);
    spa["redirectUris"] = json!(["https://spa.test/cb", "http://localhost:3000/cb"]);
    let declared = parse(&[client_without_groups(), {
        spa["clientId"] = json!("spa");
        spa.clone()
    }]);
    assert_eq!(declared.refused, []);
    for origin in ["https://spa.test", "http://localhost:3000"] {
        assert!(declared.has_spa_at(origin), "{origin}");
    }
    for origin in
        ["https://shop.example.com", "http://spa.test", "https://spa.test:8443", "http://localhost", "null", ""]
    {
        assert!(!declared.has_spa_at(origin), "{origin}");
    }
    for bad in ["http://spa.test/cb", "com.example.app:/cb"] {
        spa["redirectUris"] = json!([bad]);
        assert!(parse(std::slice::from_ref(&spa)).refused[0].problem.contains("redirectUris"), "{bad}");
    }
    spa["redirectUris"] = json!(["https://spa.test/cb"]);
    spa["requirePkce"] = json!(false);
    assert!(parse(&[spa]).refused[0].problem.contains("requirePkce"));
}

#[test]
fn a_service_has_a_secret_and_sends_nobody_anywhere() {
    let mut service = with("type", json!("Service"));
    service["redirectUris"] = json!([]);
    assert!(parse(std::slice::from_ref(&service)).find("shop").unwrap().is_confidential());
    for (member, value) in [
        ("redirectUris", json!(["https://shop.example.com/cb"])),
        ("postLogoutRedirectUris", json!(["https://shop.example.com/"])),
        ("backchannelLogoutUri", json!("https://shop.example.com/")),
        ("scopes", json!(["openid"])),
        ("groups", json!(["staff"])),
        ("consent", json!("Skip")),
        ("accessTokenTtl", json!("10m")),
        ("idTokenTtl", json!("10m")),
        ("idTokenAlgorithm", json!("ES256")),
        ("idTokenClaims", json!("Requested")),
        ("requirePkce", json!(false)),
    ] {
        let mut with_it = service.clone();
        with_it[member] = value;
        let problem = format!("a Service client cannot have {member}: nobody logs in to it");
        assert_eq!(parse(&[with_it]).refused[0].problem, problem);
    }
    service["secrets"] = json!([]);
    assert!(parse(&[service]).refused[0].problem.contains("secrets"));
}

#[test]
fn a_client_for_groups_should_say_that_it_requires_them() {
    let warnings = |requires: Value| {
        let mut client = with("groups", json!(["staff"]));
        client["requires"] = requires;
        parse(&[client]).warnings
    };
    assert_eq!(warnings(json!(["groups"])), [""; 0]);
    let warning = "shop: requires should name groups, because an earlier server would ignore that member";
    assert_eq!(warnings(json!([])), [warning]);
}

#[test]
fn in_a_pod_no_logout_token_is_sent_to_the_pod_itself() {
    let here = with("backchannelLogoutUri", json!("http://localhost:9000/logout"));
    let mut declared = parse(&[here]);
    assert_eq!(declared.clients.len(), 1);
    declared.refuse_own_machine();
    assert!(declared.refused[0].problem.contains("http://NAME.NAMESPACE.svc"));
    let mut elsewhere = parse(&[with("backchannelLogoutUri", json!("https://shop.example.com/logout"))]);
    elsewhere.refuse_own_machine();
    assert_eq!(elsewhere.refused, []);
}

/// Readers of JSON take the last of two members, which may open the application to everybody.
#[test]
fn no_member_is_written_twice() {
    let other = r#"{"clientId": "other", "type": "Native", "redirectUris": ["com.example.app:/cb"]}"#;
    let shop = |more: &str| {
        let shop = r#""clientId": "shop", "type": "Native", "redirectUris": ["com.example.app:/cb"]"#;
        let text = format!(r#"{{"version": 1, "clients": [{{{shop}{more}}}, {other}]}}"#);
        Declared::parse(&text).unwrap()
    };
    assert_eq!(shop("").refused, []);
    for (more, member) in [
        (r#", "requires": ["groups"], "groups": ["staff"], "groups": []"#, "groups"),
        (r#", "unknown": {"a": [{"b": 1, "b": 1}]}"#, "b"),
        (r#", "clientId": "third""#, "clientId"),
    ] {
        let declared = shop(more);
        let [refused] = &declared.refused[..] else { panic!("{more}: {declared:?}") };
        assert_eq!(refused.client, "shop", "{more}");
        assert_eq!(refused.problem, format!("it has the member {member} more than once"), "{more}");
        assert!(declared.find("other").is_some() && declared.has_key("//shop"), "{more}");
        assert_eq!(declared.has_key("//third"), member == "clientId");
    }
    for members in [
        format!(r#""version": 1, "clients": [], "clients": [{other}]"#),
        r#""version": 2, "version": 1, "clients": []"#.to_owned(),
        r#""version": 1, "counter": 1, "counter": 2, "clients": []"#.to_owned(),
    ] {
        let error = Declared::parse(&format!("{{{members}}}")).unwrap_err();
        assert_eq!(error.to_string(), "it has a member more than once", "{members}");
    }
}

#[test]
fn the_first_client_with_an_identifier_stays() {
    let second = with("displayName", json!("Second"));
    let declared = parse(&[client(), second]);
    assert_eq!(declared.clients.len(), 1);
    assert!(declared.clients[0].display_name.is_none() && declared.refused[0].problem.contains("another client"));
}

#[test]
fn a_refused_client_keeps_its_identifier() {
    let declared = parse(&[with("type", json!("Toaster")), client()]);
    assert_eq!((declared.clients.len(), declared.refused.len()), (0, 2));
    assert!(declared.refused[1].problem.contains("another client has this clientId"));
}

#[test]
fn what_is_kept_of_a_bad_file_is_bounded() {
    let declared = parse(&vec![json!({"clientId": "x".repeat(400)}); 2_000]);
    assert_eq!((declared.refused.len(), declared.more_refused), (500, 1_500));
    assert!(declared.refused.iter().all(|refused| refused.client.len() <= 320 && refused.problem.len() <= 500));
    let mut many = client();
    for number in 0..1_000 {
        many[format!("{number}{}", "x".repeat(100))] = json!(0);
    }
    let declared = parse(&[many]);
    assert_eq!((declared.clients.len(), declared.warnings.len(), declared.more_warnings), (1, 100, 900));
    assert!(declared.warnings.iter().all(|warning| warning.len() <= 100));
    let content = json!({"version": 1, "clients": vec![0; 2_001]}).to_string();
    assert_eq!(Declared::parse(&content).unwrap_err().to_string(), "it has 2001 clients; a server serves at most 1000");
}

#[test]
fn messages_have_no_control_characters() {
    let name = "\u{1b}[31mRED\nFAKE\u{202e}";
    let long = format!("requires{name}{}", "x".repeat(1_000));
    for bad in [with(name, json!(1)), with("clientId", json!(name)), with("requires", json!([long]))] {
        let declared = parse(&[bad]);
        let texts = declared.warnings.iter().chain(declared.refused.iter().flat_map(|one| [&one.client, &one.problem]));
        let texts: Vec<_> = texts.collect();
        assert!(!texts.is_empty() && texts.iter().all(|text| text.len() < 200), "{texts:?}");
        assert!(texts.iter().all(|text| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())), "{texts:?}");
    }
    let file = json!({"version": 1, "clients": [], name: 1}).to_string();
    assert_eq!(Declared::parse(&file).unwrap().warnings, ["[31mREDFAKE has no effect"]);
}

#[test]
fn the_audiences_and_the_name_of_the_api_are_reserved() {
    let mut other = with("audiences", json!(["https://auth.test"]));
    other["clientId"] = json!("other");
    let mut declared = parse(&[client(), other]);
    declared.reserve_audiences(&["https://auth.test".to_owned()]);
    assert_eq!((declared.clients.len(), declared.refused[0].client.as_str()), (1, "other"));
    let refused = parse(&[with("clientId", json!("sc-auth"))]).refused;
    assert!(refused[0].problem.contains("clientId sc-auth"), "{refused:?}");
}

#[test]
fn clients_beyond_the_most_are_refused() {
    let clients: Vec<_> = (0..1_002).map(|number| with("clientId", json!(format!("c{number}")))).collect();
    let declared = parse(&clients);
    assert_eq!((declared.clients.len(), declared.refused.len()), (1_000, 2));
}

#[test]
fn a_refused_declaration_is_still_there_however_many_there_are() {
    let named = |id: String| json!({"clientId": id, "type": "Toaster"});
    let declared = parse(&(0..600).map(|number| named(format!("c{number}"))).collect::<Vec<_>>());
    assert_eq!((declared.refused.len(), declared.more_refused), (500, 100));
    assert!(declared.has_key("//c0") && declared.has_key("//c599") && !declared.has_key("//c600"));
}

#[test]
fn a_refused_declaration_is_still_there() {
    let mut other = with("namespace", json!("team"));
    (other["name"], other["clientId"]) = (json!("web"), json!("other"));
    let mut bad = with("type", json!("Toaster"));
    bad["clientId"] = json!("bad");
    let declared = parse(&[client(), other, bad, json!(7)]);
    for key in ["//shop", "team/web/other", "//bad", "team/x/bad"] {
        assert!(declared.has_key(key), "{key}");
    }
    for key in ["//gone", "team/web/shop", "//other", "", "//"] {
        assert!(!declared.has_key(key), "{key}");
    }
}

#[test]
fn a_member_without_a_meaning_is_named() {
    assert_eq!(parse(&[with("redirectURIs", json!([]))]).warnings, ["shop: redirectURIs has no effect"]);
}

#[test]
fn a_file_of_another_version_is_refused_as_a_whole() {
    for (bad, problem) in [
        ("", "it is not JSON (line 1, column 0)"),
        ("{", "it is not JSON (line 1, column 1)"),
        ("[]", "it is not a JSON object"),
        ("{}", "version is missing"),
        (r#"{"version":"1","clients":[]}"#, "version must be a whole number"),
        (r#"{"version":1.0,"clients":[]}"#, "version must be a whole number"),
        (r#"{"version":-1,"clients":[]}"#, "version must be a whole number"),
        (r#"{"version":2,"applications":[]}"#, "its version is 2, this release reads version 1"),
        (r#"{"version":99999999999}"#, "its version is 99999999999, this release reads version 1"),
        (r#"{"version":1}"#, "clients is missing"),
        (r#"{"version":1,"client":[]}"#, "clients is missing"),
        (r#"{"version":1,"clients":{}}"#, "clients must be an array"),
        (r#"{"version":1,"counter":-1,"clients":[]}"#, "counter must be a whole number that is not negative"),
    ] {
        assert_eq!(Declared::parse(bad).unwrap_err().to_string(), problem, "{bad}");
    }
    let misspelt = Declared::parse(r#"{"version":1,"clients":[],"Counter":7}"#).unwrap();
    assert_eq!(misspelt.warnings, ["Counter has no effect"]);
}

#[test]
fn what_is_written_can_be_read() {
    let read = parse(&[client()]);
    let written = serde_json::to_value(&read.clients).unwrap();
    assert_eq!(parse(written.as_array().unwrap()).clients, read.clients);
}
