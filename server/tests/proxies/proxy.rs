//! Traefik and nginx as processes of their own, and an app behind them that says what it was told.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::harness::until;

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Traefik,
    Nginx,
}

/// From where browsers may ask for `/cors`.
pub const ORIGIN: &str = "https://www.example.com";

/// A running proxy; it is killed when the value goes.
pub struct Proxy {
    pub address: String,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// `/app` and `/admin` are the app, for whoever is logged in and for Admins; so is `/cors`, for browsers of another
    /// origin too. At `/mistyped` the proxy asks with a parameter that does not exist. All else is the server.
    pub async fn start(kind: Kind, server: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let app = app().await;
        let mut command = match kind {
            Kind::Traefik => traefik(folder.path(), port, server, &app),
            Kind::Nginx => nginx(folder.path(), port, server, &app),
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        let address = format!("http://127.0.0.1:{port}");
        until(&format!("{kind:?} answers"), async || {
            reqwest::get(&address).await.is_ok_and(|response| response.status() == 200)
        })
        .await;
        Self { address, _child: child, _folder: folder }
    }
}

/// As docs/forward-auth.md has it.
fn traefik(folder: &Path, port: u16, server: &str, app: &str) -> Command {
    let program = std::env::var("SCDEV_TRAEFIK").expect("SCDEV_TRAEFIK is not set; run `make test`");
    let config = format!(
        r"
http:
  middlewares:
    logged-in:
      forwardAuth:
        address: {server}/api/v1/verify
        authResponseHeaders: [X-Auth-User, X-Auth-Uuid, X-Auth-Role]
    admins:
      forwardAuth:
        address: {server}/api/v1/verify?role=Admin
        authResponseHeaders: [X-Auth-User, X-Auth-Uuid, X-Auth-Role]
    mistyped:
      forwardAuth:
        address: {server}/api/v1/verify?roles=Admin
        preserveRequestMethod: true
    cors:
      headers:
        accessControlAllowOriginList: ['{ORIGIN}']
        accessControlAllowMethods: [GET, POST]
        accessControlAllowHeaders: [Authorization, Content-Type]
        accessControlMaxAge: 600
        addVaryHeader: true
  routers:
    app: {{rule: 'PathPrefix(`/app`)', service: app, middlewares: [logged-in]}}
    cors: {{rule: 'PathPrefix(`/cors`)', service: app, middlewares: [cors, logged-in]}}
    mistyped: {{rule: 'PathPrefix(`/mistyped`)', service: app, middlewares: [mistyped]}}
    admin: {{rule: 'PathPrefix(`/admin`)', service: app, middlewares: [admins]}}
    auth: {{rule: 'PathPrefix(`/`)', service: auth}}
  services:
    app: {{loadBalancer: {{servers: [{{url: '{app}'}}]}}}}
    auth: {{loadBalancer: {{servers: [{{url: '{server}'}}]}}}}
"
    );
    let file = folder.join("dynamic.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(program);
    command
        .arg(format!("--entrypoints.web.address=127.0.0.1:{port}"))
        .arg(format!("--providers.file.filename={}", file.display()))
        .args(["--global.checknewversion=false", "--global.sendanonymoususage=false"]);
    command
}

/// As docs/forward-auth.md has it.
fn nginx(folder: &Path, port: u16, server: &str, app: &str) -> Command {
    let guarded = |path: &str, query: &str, cors: &str| {
        let verify = format!("/verify{path}");
        format!(
            r"
    location {path} {{{cors}
      auth_request {verify};
      auth_request_set $auth_user $upstream_http_x_auth_user;
      auth_request_set $auth_uuid $upstream_http_x_auth_uuid;
      auth_request_set $auth_role $upstream_http_x_auth_role;
      proxy_set_header X-Auth-User $auth_user;
      proxy_set_header X-Auth-Uuid $auth_uuid;
      proxy_set_header X-Auth-Role $auth_role;
      proxy_pass {app};
    }}
    location = {verify} {{
      internal;
      proxy_pass {server}/api/v1/verify{query};
      proxy_pass_request_body off;
      proxy_set_header Content-Length '';
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}"
        )
    };
    let cors = format!(
        r"
      if ($request_method = OPTIONS) {{
        add_header Access-Control-Allow-Origin {ORIGIN};
        add_header Access-Control-Allow-Methods 'GET, POST';
        add_header Access-Control-Allow-Headers 'Authorization, Content-Type';
        add_header Access-Control-Max-Age 600;
        return 204;
      }}
      add_header Access-Control-Allow-Origin {ORIGIN} always;"
    );
    let locations = [
        guarded("/app", "", ""),
        guarded("/admin", "?role=Admin", ""),
        guarded("/cors", "", &cors),
        guarded("/mistyped", "?roles=Admin", ""),
    ];
    let config = format!(
        r"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};{locations}
    location / {{
      proxy_pass {server};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}",
        folder = folder.display(),
        locations = locations.concat(),
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.arg("-c").arg(file).arg("-e").arg(folder.join("error.log"));
    command
}

/// An app that answers with the headers that it got, as JSON.
async fn app() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut headers = serde_json::Map::new();
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|count| count > 2) {
                    if let Some((name, value)) = line.trim().split_once(": ") {
                        headers.insert(name.to_ascii_lowercase(), value.into());
                    }
                    line.clear();
                }
                let body = serde_json::Value::Object(headers).to_string();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                drop(stream.write_all(format!("{head}{body}").as_bytes()).await);
            });
        }
    });
    address
}
