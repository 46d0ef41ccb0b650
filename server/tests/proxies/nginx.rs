//! nginx, configured as docs/forward-auth.md has it.

use std::path::Path;

use tokio::process::Command;

use crate::page::ORIGIN;

pub fn command(folder: &Path, port: u16, server: &str, app: &str) -> Command {
    let guarded = |location: &str, path: &str, query: &str, cors: &str| {
        let verify = format!("/verify{path}");
        format!(
            r"
    location {location} {{{cors}
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
        guarded("/app", "/app", "", ""),
        guarded("~* \"^/admin|;\"", "/admin", "?role=Admin", ""),
        guarded("/cors", "/cors", "", &cors),
        guarded("/mistyped", "/mistyped", "?roles=Admin", ""),
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
    location /public {{
      proxy_set_header X-Auth-User '';
      proxy_set_header X-Auth-Uuid '';
      proxy_set_header X-Auth-Role '';
      proxy_pass {app};
    }}
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
