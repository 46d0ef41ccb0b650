//! The Deployment. What matters for safety is always sent, though it be a default.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, PersistentVolumeClaimVolumeSource,
    PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile, SecretVolumeSource,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Validated, labels, owned, secret, selector};
use crate::api::{Auth, Blocklist, Engine, External, Names, RefreshTokens, Registration, TlsMode};

const USER: i64 = 65_532;
const RUN: &str = "/run/sc-auth";
const DATA: &str = "/var/lib/sc-auth";

pub fn build(validated: &Validated) -> Deployment {
    Deployment {
        metadata: owned(validated, validated.names.deployment()),
        spec: Some(DeploymentSpec {
            replicas: Some(validated.replicas),
            revision_history_limit: Some(3),
            selector: LabelSelector { match_labels: Some(selector(validated)), ..LabelSelector::default() },
            strategy: Some(strategy(validated)),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels(validated)), ..ObjectMeta::default() }),
                spec: Some(pod(validated)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// A volume has one writer; otherwise a new pod serves before an old one goes.
fn strategy(validated: &Validated) -> DeploymentStrategy {
    if validated.spec.database.embedded.is_some() {
        return DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None };
    }
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

fn pod(validated: &Validated) -> PodSpec {
    let server = container(validated, "server", "serve");
    PodSpec {
        service_account_name: Some(validated.names.service_account().to_owned()),
        automount_service_account_token: Some(false),
        // A Service sc-auth-svc would otherwise plant SC_AUTH_SVC_… among the server's settings.
        enable_service_links: Some(false),
        // The drain, the requests under way after it, and some slack.
        termination_grace_period_seconds: Some(45),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        init_containers: Some(vec![container(validated, "migrate", "migrate")]),
        containers: vec![Container {
            ports: Some(vec![port("http", 8000), port("ops", 8001)]),
            startup_probe: Some(Probe { period_seconds: Some(1), failure_threshold: Some(60), ..probe("/healthz") }),
            readiness_probe: Some(Probe { period_seconds: Some(2), failure_threshold: Some(2), ..probe("/readyz") }),
            liveness_probe: Some(Probe { period_seconds: Some(10), failure_threshold: Some(3), ..probe("/healthz") }),
            ..server
        }],
        volumes: Some(volumes(validated)),
        ..PodSpec::default()
    }
}

fn container(validated: &Validated, name: &str, command: &str) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(validated.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(vec![command.to_owned()]),
        env: Some(environment(validated, command)),
        resources: Some(resources(validated)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        // The last lines of the log are what the status shows of a failure.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts(validated)),
        ..Container::default()
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("ops".to_owned()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(3),
        ..Probe::default()
    }
}

fn resources(validated: &Validated) -> ResourceRequirements {
    let wanted = validated.spec.resources.clone().unwrap_or_default();
    let amounts = |amounts: Option<crate::api::Amounts>, cpu: &str, memory: &str| {
        let amounts = amounts.unwrap_or_default();
        Some(BTreeMap::from([
            ("cpu".to_owned(), Quantity(amounts.cpu.unwrap_or_else(|| cpu.to_owned()))),
            ("memory".to_owned(), Quantity(amounts.memory.unwrap_or_else(|| memory.to_owned()))),
        ]))
    };
    ResourceRequirements {
        limits: amounts(wanted.limits, "500m", "128Mi"),
        requests: amounts(wanted.requests, "50m", "64Mi"),
        claims: None,
    }
}

fn environment(validated: &Validated, command: &str) -> Vec<EnvVar> {
    let mut settings: Vec<(&str, String)> = Vec::new();
    match &validated.spec.database.external {
        Some(external) => settings.extend(database(external)),
        None => settings.push(("DATABASE_URL", format!("sqlite:{DATA}/sc-auth.db"))),
    }
    settings.push(("SC_AUTH_BOOTSTRAP_ADMIN", format!("{RUN}/admin")));
    let auth = validated.spec.auth.clone().unwrap_or_default();
    settings.extend(passwords(&auth));
    if command == "serve" {
        settings.push(("SC_AUTH_KEYS_FILE", format!("{RUN}/keys/{}", secret::KEYS)));
        settings.push(("SC_AUTH_ISSUER", validated.issuer.clone()));
        if !auth.audiences.is_empty() {
            settings.push(("SC_AUTH_AUDIENCE", auth.audiences.join(",")));
        }
        settings.extend(auth.access_token_ttl.clone().map(|ttl| ("SC_AUTH_ACCESS_TOKEN_TTL", ttl)));
        settings.extend(auth.refresh_token_ttl.clone().map(|ttl| ("SC_AUTH_REFRESH_TOKEN_TTL", ttl)));
        settings.extend(auth.session_ttl.clone().map(|ttl| ("SC_AUTH_SESSION_TTL", ttl)));
        settings.extend(clients(&auth));
    }
    settings
        .into_iter()
        .map(|(name, value)| EnvVar { name: name.to_owned(), value: Some(value), value_from: None })
        .collect()
}

/// How passwords are checked and written.
fn passwords(auth: &Auth) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    let rules = auth.password.clone().unwrap_or_default();
    settings.extend(rules.min_length.map(|length| ("SC_AUTH_PASSWORD_MIN_LENGTH", length.to_string())));
    settings.extend(rules.blocklist.map(|list| {
        let value = match list {
            Blocklist::Common => "common",
            Blocklist::None => "off",
        };
        ("SC_AUTH_PASSWORD_BLOCKLIST", value.to_owned())
    }));
    settings.extend(rules.names.map(|names| {
        let value = match names {
            Names::Refused => "refused",
            Names::Allowed => "allowed",
        };
        ("SC_AUTH_PASSWORD_NAMES", value.to_owned())
    }));
    if auth.coexist == Some(true) {
        settings.push(("SC_AUTH_COEXIST", "on".to_owned()));
    }
    settings
}

/// Who may come, and what old clients bring along.
fn clients(auth: &Auth) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    settings.extend(auth.refresh_tokens.map(|tokens| {
        let value = match tokens {
            RefreshTokens::Rotating => "rotating",
            RefreshTokens::Reusable => "reusable",
        };
        ("SC_AUTH_REFRESH_TOKENS", value.to_owned())
    }));
    settings.extend(auth.registration.map(|registration| {
        let value = match registration {
            Registration::Open => "open".to_owned(),
            Registration::Closed => "closed".to_owned(),
            Registration::Domains => auth.registration_domains.join(","),
        };
        ("SC_AUTH_REGISTRATION", value)
    }));
    if !auth.cors_origins.is_empty() {
        settings.push(("SC_AUTH_CORS_ORIGINS", auth.cors_origins.join(",")));
    }
    if let Some(legacy) = &auth.legacy_tokens {
        settings.push(("SECRET_KEY_FILE", format!("{RUN}/legacy/{}", legacy.secret_key_from.key)));
        if legacy.allow_weak == Some(true) {
            settings.push(("SC_AUTH_LEGACY_TOKENS", "weak".to_owned()));
        }
    }
    settings
}

/// Secrets are mounted and not put into the environment, which would not follow their changes.
fn database(external: &External) -> Vec<(&'static str, String)> {
    let mut settings = Vec::new();
    if let Some(url) = &external.url_from {
        settings.push(("DATABASE_URL_FILE", format!("{RUN}/database/{}", url.key)));
    }
    if let Some(host) = &external.host {
        let engine = match external.engine.unwrap_or_default() {
            Engine::Mysql | Engine::Mariadb => "mysql",
            Engine::Postgresql => "postgres",
        };
        settings.push(("DB_ENGINE", engine.to_owned()));
        settings.push(("DB_HOST", host.clone()));
        settings.extend(external.port.map(|port| ("DB_PORT", port.to_string())));
        settings.extend(external.name.clone().map(|name| ("DB_NAME", name)));
        if let Some(credentials) = &external.credentials_from {
            let key = |key: &Option<String>, default: &str| key.clone().unwrap_or_else(|| default.to_owned());
            settings.push(("DB_USER_FILE", format!("{RUN}/database/{}", key(&credentials.user_key, "username"))));
            settings.push(("DB_PASS_FILE", format!("{RUN}/database/{}", key(&credentials.password_key, "password"))));
        }
    }
    if let Some(tls) = &external.tls {
        let mode = match tls.mode {
            TlsMode::Disabled => "disabled",
            TlsMode::Preferred => "preferred",
            TlsMode::Required => "required",
            TlsMode::VerifyCa => "verify-ca",
            TlsMode::VerifyIdentity => "verify-identity",
        };
        settings.push(("DB_TLS", mode.to_owned()));
        settings.extend(tls.ca_from.as_ref().map(|ca| ("DB_TLS_CA_FILE", format!("{RUN}/database-ca/{}", ca.key))));
    }
    settings
}

/// The folders that the pods see: name of the volume, path, and the Secret that it is made of.
struct Folder {
    name: &'static str,
    secret: String,
    optional: bool,
}

fn folders(validated: &Validated) -> Vec<Folder> {
    let mut folders = vec![
        Folder { name: "keys", secret: validated.names.secret(), optional: false },
        // A person may delete it once the password is noted.
        Folder { name: "admin", secret: validated.names.admin_secret(), optional: true },
    ];
    if let Some(external) = &validated.spec.database.external {
        let url = external.url_from.as_ref().map(|key| &key.name);
        let credentials = external.credentials_from.as_ref().map(|credentials| &credentials.name);
        folders.extend(url.or(credentials).map(|name| Folder {
            name: "database",
            secret: name.clone(),
            optional: false,
        }));
        let authority = external.tls.as_ref().and_then(|tls| tls.ca_from.as_ref());
        folders.extend(authority.map(|ca| Folder { name: "database-ca", secret: ca.name.clone(), optional: false }));
    }
    let legacy = validated.spec.auth.as_ref().and_then(|auth| auth.legacy_tokens.as_ref());
    folders.extend(legacy.map(|legacy| Folder {
        name: "legacy",
        secret: legacy.secret_key_from.name.clone(),
        optional: false,
    }));
    folders
}

fn volumes(validated: &Validated) -> Vec<Volume> {
    let mut volumes: Vec<_> = folders(validated)
        .into_iter()
        .map(|folder| Volume {
            name: folder.name.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(folder.secret),
                default_mode: Some(0o440),
                optional: Some(folder.optional),
                items: None,
            }),
            ..Volume::default()
        })
        .collect();
    if validated.spec.database.embedded.is_some() {
        volumes.push(Volume {
            name: "data".to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: validated.names.volume_claim(),
                read_only: None,
            }),
            ..Volume::default()
        });
    }
    volumes
}

fn mounts(validated: &Validated) -> Vec<VolumeMount> {
    let mount = |name: &str, path: String, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path,
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let mut mounts: Vec<_> = folders(validated)
        .into_iter()
        .map(|folder| mount(folder.name, format!("{RUN}/{}", folder.name), true))
        .collect();
    if validated.spec.database.embedded.is_some() {
        mounts.push(mount("data", DATA.to_owned(), false));
    }
    mounts
}
