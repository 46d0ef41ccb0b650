//! A browser without JavaScript: it keeps cookies, follows redirects, and submits forms.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, Url, redirect};

/// A login takes fewer; a browser that goes in circles fails.
const MAX_REDIRECTS: usize = 20;

pub struct Browser {
    client: Client,
    /// By host and port, and name. Hosts have their own cookies, whatever the port: here, each port stands for a host.
    cookies: BTreeMap<(String, String), String>,
    /// An https origin, and the http address at which this browser, which has no TLS, reaches it.
    reached: Option<(String, String)>,
}

/// Where the browser is after all redirects.
#[derive(Debug)]
pub struct Page {
    pub address: Url,
    pub status: u16,
    pub text: String,
}

impl Browser {
    pub fn new() -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, cookies: BTreeMap::new(), reached: None }
    }

    /// Reaches an https origin at an http address.
    pub fn without_tls(origin: &str, address: &str) -> Self {
        Self { reached: Some((origin.to_owned(), address.to_owned())), ..Self::new() }
    }

    pub async fn open(&mut self, address: &str) -> Page {
        self.go(Method::GET, address.parse().unwrap(), String::new()).await
    }

    /// Fills in the form of a page, and submits it.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let action = page.address.join(&page.attribute("<form", "action")).unwrap();
        let hidden = page.hidden();
        let all = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(fields.iter().copied());
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        self.go(Method::POST, action, body).await
    }

    /// As the form of a page without fields.
    pub async fn post(&mut self, address: &str) -> Page {
        self.go(Method::POST, address.parse().unwrap(), String::new()).await
    }

    /// Deletes the cookies of an application.
    pub fn forget(&mut self, address: &str) {
        self.cookies.retain(|(host, _), _| !address.ends_with(host));
    }

    /// Allows what an application asks for, if it asks.
    pub async fn allow(&mut self, page: Page) -> Page {
        if page.text.contains("action=\"/consent\"") {
            self.submit(&page, &[("decision", "allow")]).await
        } else {
            page
        }
    }

    async fn go(&mut self, mut method: Method, mut address: Url, mut body: String) -> Page {
        for _ in 0..MAX_REDIRECTS {
            let response = self.send(method, address.clone(), body).await;
            let Some(next) = response.headers().get(LOCATION) else {
                let status = response.status().as_u16();
                return Page { address, status, text: response.text().await.unwrap() };
            };
            address = address.join(next.to_str().unwrap()).unwrap();
            (method, body) = (Method::GET, String::new());
        }
        panic!("too many redirects, the last one to {address}");
    }

    async fn send(&mut self, method: Method, address: Url, body: String) -> reqwest::Response {
        let host = format!("{}:{}", address.host_str().unwrap(), address.port().unwrap());
        let own = self.cookies.iter().filter(|((of, _), _)| *of == host);
        let cookies: Vec<_> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        let request = self.client.request(method, self.reach(address)).header(HOST, &host);
        let request = request.header(COOKIE, cookies.join("; "));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            self.keep(&host, cookie.to_str().unwrap());
        }
        response
    }

    fn reach(&self, address: Url) -> Url {
        match &self.reached {
            Some((origin, reached)) if address.origin().ascii_serialization() == *origin => {
                address.as_str().replacen(origin, reached, 1).parse().unwrap()
            }
            _ => address,
        }
    }

    fn keep(&mut self, host: &str, cookie: &str) {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        let key = (host.to_owned(), name.to_owned());
        let lower = cookie.to_ascii_lowercase();
        if lower.contains("max-age=0") || lower.contains("1970") {
            self.cookies.remove(&key);
        } else {
            self.cookies.insert(key, value.to_owned());
        }
    }
}

impl Page {
    /// The value of an attribute of the first such element.
    fn attribute(&self, element: &str, name: &str) -> String {
        let rest = self
            .text
            .split(element)
            .nth(1)
            .unwrap_or_else(|| panic!("no {element} at {}: {}", self.address, self.text));
        attribute(rest.split('>').next().unwrap(), name)
    }

    fn hidden(&self) -> Vec<(String, String)> {
        let inputs = self.text.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap());
        let hidden = inputs.filter(|input| input.contains("type=\"hidden\""));
        hidden.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
    }

    pub fn is_login(&self) -> bool {
        self.text.contains("action=\"/login\"")
    }
}

fn attribute(element: &str, name: &str) -> String {
    let rest = element.split(&format!("{name}=\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {element}"));
    rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
}
