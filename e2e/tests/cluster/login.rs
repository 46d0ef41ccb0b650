//! A user logs in to an application on the login page, through the ingress. A person declares the application in a Secret.
//! As with a load balancer that ends TLS, the issuer is https and the ingress gets http.

use std::net::SocketAddr;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use sc_auth_e2e::client::{PASSWORD, environment, until};
use sc_auth_e2e::kube::{apply, condition, eventually, lend_namespace, make_secret};
use sc_auth_e2e::tenant::Tenant;
use serde_json::{Value, json};

const NAME: &str = "e2e-login";
const HOST: &str = "login.example.com";
const CALLBACK: &str = "https://shop.example.com/callback";
/// The example of RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const SECRET: &str = "a client secret of more than thirty-two characters";
/// The hash of that secret.
const HASH: &str = "52f7946224db6baf957d09133a8120e1bbf9c69a59dd5262df5a669d807105b9";

fn declared(counter: u64) -> Value {
    let client = json!({
        "clientId": "shop", "type": "Web", "displayName": "Shop", "redirectUris": [CALLBACK],
        "secrets": [{"sha256": HASH}], "consent": "Skip", "counter": counter,
    });
    let file = json!({"version": 1, "counter": counter, "clients": [client]});
    json!({"declared.json": file.to_string()})
}

/// A browser without a window.
struct Browser {
    http: reqwest::Client,
    cookies: Vec<String>,
}

impl Browser {
    fn new() -> Self {
        let ingress: SocketAddr = format!("{}:80", environment("SCDEV_INGRESS")).parse().unwrap();
        let http = reqwest::Client::builder().resolve(HOST, ingress).redirect(reqwest::redirect::Policy::none());
        Self { http: http.build().unwrap(), cookies: Vec::new() }
    }

    fn address(path: &str) -> String {
        format!("http://{HOST}{path}")
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> (u16, String, String) {
        let response = request.header(COOKIE, self.cookies.join("; ")).send().await.unwrap();
        let status = response.status().as_u16();
        let header = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let set = response.headers().get_all(SET_COOKIE).iter().map(header);
        self.cookies.extend(set.map(|cookie| cookie.split(';').next().unwrap().to_owned()).collect::<Vec<_>>());
        let location = response.headers().get(LOCATION).map(header).unwrap_or_default();
        (status, location, response.text().await.unwrap())
    }

    async fn get(&mut self, path: &str) -> (u16, String, String) {
        self.send(self.http.get(Self::address(path))).await
    }

    async fn post(&mut self, path: &str, form: &str) -> (u16, String, String) {
        let request = self.http.post(Self::address(path)).body(form.to_owned());
        self.send(request.header("content-type", "application/x-www-form-urlencoded")).await
    }
}

fn authorize() -> String {
    format!(
        "/oauth2/authorize?client_id=shop&response_type=code&scope=openid&state=s&code_challenge={CHALLENGE}\
         &code_challenge_method=S256&redirect_uri=https%3A%2F%2Fshop.example.com%2Fcallback"
    )
}

/// What follows `start` up to a quote.
fn after<'a>(text: &'a str, start: &str) -> &'a str {
    text.split(start).nth(1).unwrap_or_else(|| panic!("no {start}: {text}")).split(['"', '&']).next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_logs_in_to_an_application_that_a_secret_declares() {
    lend_namespace(NAME);
    make_secret(&format!("{NAME}-declared"), NAME, declared(1));
    // A picture of one pixel.
    let logo = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let metadata = json!({"name": "brand", "namespace": NAME});
    let brand =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": {"logo.png": logo}});
    apply(brand).unwrap();
    let tenant = Tenant::embedded(NAME).host(HOST).with(json!({
        "auth": {"issuer": format!("https://{HOST}")},
        "login": {"title": "Example Shop", "logo": {"configMap": "brand", "key": "logo.png"}, "language": "id"},
    }));
    tenant.apply().ready();
    tenant.client().await.register("alice").await;
    eventually("the application is served", || condition(NAME, "OpenIdReady")["reason"] == "ClientsLoaded");

    // The keys are created after the pods, and the kubelet mounts them a moment later.
    let mut browser = Browser::new();
    until("the keys are mounted", async || Browser::new().get(&authorize()).await.0 == 200).await;
    let (_, _, page) = browser.get(&authorize()).await;
    assert!(page.contains(r#"<html lang="id">"#) && page.contains("Example Shop"), "{page}");
    assert!(page.contains(r#"<img src="/assets/logo""#), "{page}");
    assert_eq!(browser.get("/assets/logo").await.0, 200);

    let sealed = after(&page, "name=\"request\" value=\"").to_owned();
    let form = format!("request={sealed}&username=alice&password={}", PASSWORD.replace(' ', "+"));
    let (status, location, text) = browser.post("/login", &form).await;
    assert_eq!(status, 303, "{text}");
    assert!(location.starts_with(CALLBACK) && location.contains(&format!("iss=https%3A%2F%2F{HOST}")), "{location}");

    let code = location.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let form = format!(
        "grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&client_id=shop&client_secret={}\
         &redirect_uri=https%3A%2F%2Fshop.example.com%2Fcallback",
        SECRET.replace(' ', "+")
    );
    let (status, _, tokens) = Browser::new().post("/oauth2/token", &form).await;
    assert_eq!(status, 200, "{tokens}");
    let tokens: Value = serde_json::from_str(&tokens).unwrap();
    assert_eq!(tokens["id_token"].as_str().unwrap().split('.').count(), 3);

    // A broken file changes nothing, and is a condition.
    make_secret(&format!("{NAME}-declared"), NAME, json!({"declared.json": "{"}));
    eventually("the broken file is reported", || condition(NAME, "OpenIdReady")["reason"] == "ClientsUnreadable");
    eventually("it is Ready all the same", || condition(NAME, "Ready")["status"] == "True");
    assert_eq!(browser.get(&authorize()).await.0, 303, "the session and the application are as before");
}
