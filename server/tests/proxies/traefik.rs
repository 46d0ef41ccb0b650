//! Traefik, configured as docs/forward-auth.md has it.

use std::path::Path;

use tokio::process::Command;

use crate::page::ORIGIN;

pub fn command(folder: &Path, port: u16, server: &str, app: &str) -> Command {
    let program = std::env::var("SCDEV_TRAEFIK").expect("SCDEV_TRAEFIK is not set; run `make test`");
    let config = format!(
        r"
http:
  middlewares:
    no-forgery:
      headers:
        customRequestHeaders:
          {{X-Auth-User: '', X-Auth-Uuid: '', X-Auth-Role: '', X_Auth_User: '', X_Auth_Uuid: '', X_Auth_Role: ''}}
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
    app: {{rule: 'PathPrefix(`/app`)', service: app, middlewares: [no-forgery, logged-in]}}
    cors: {{rule: 'PathPrefix(`/cors`)', service: app, middlewares: [no-forgery, cors, logged-in]}}
    mistyped: {{rule: 'PathPrefix(`/mistyped`)', service: app, middlewares: [no-forgery, mistyped]}}
    admin: {{rule: 'PathRegexp(`(?i)^/admin|;|%3b`)', priority: 1000, service: app, middlewares: [no-forgery, admins]}}
    public: {{rule: 'PathPrefix(`/public`)', service: app, middlewares: [no-forgery]}}
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
