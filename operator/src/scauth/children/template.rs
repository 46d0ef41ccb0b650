//! The pod template: a pure function of spec, image and revision. Security settings are always sent, even if they are
//! defaults.
//!
//! A revision never changes once it is released: pods would restart when the operator is upgraded. Additions require a
//! new revision, see release.rs.
//!
//! 1. The template of release 0.1.0.
//! 2. Pods are spread over zones and nodes.
//! 3. Mounts of the declared applications and the logo, settings of the login pages, a readiness probe every second; with
//!    an embedded database, the server migrates it instead of an init container.
//!
//! Whether the pods name user and group ids is chosen beside the revision.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, HTTPGetAction, KeyToPath, LocalObjectReference,
    PersistentVolumeClaimVolumeSource, PodDNSConfig, PodDNSConfigOption, PodSecurityContext, PodSpec, PodTemplateSpec,
    Probe, ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecretVolumeSource, SecurityContext,
    TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sc_auth_contract::places::{self, Mount, OPS_PORT, PORT};

use super::environment::environment;
use super::metadata::{labels, selector};
use crate::api::{DnsConfig, Logo, Migration, PodTemplate};
use crate::scauth::mounts::SecretMount;
use crate::scauth::names::ANNOTATION_DATABASE;
use crate::scauth::release::PodIds;
use crate::scauth::resolved::Resolved;
use crate::scauth::resources::Amount;

const USER: i64 = 65_532;

pub fn build(resolved: &Resolved) -> PodTemplateSpec {
    let extra = resolved.pod_template.clone();
    let mut labels = labels(resolved);
    labels.extend(extra.labels.clone());
    let mut annotations = extra.annotations.clone();
    annotations.extend(resolved.expectation.template.iter().map(|id| (ANNOTATION_DATABASE.to_owned(), id.clone())));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(resolved, extra)),
    }
}

fn pod(resolved: &Resolved, extra: PodTemplate) -> PodSpec {
    let server = container(resolved, &extra, "server", "serve");
    let by_server = migration(resolved, &extra) == Migration::Server;
    // It answers once the schema is migrated.
    let patience = if by_server { 3_600 } else { 60 };
    PodSpec {
        service_account_name: Some(resolved.names.scauth.clone()),
        automount_service_account_token: Some(false),
        // Otherwise a Service sc-auth-svc would add SC_AUTH_SVC_… to the server's settings.
        enable_service_links: Some(false),
        // The drain, the requests in flight after it, and a reserve.
        termination_grace_period_seconds: Some(45),
        security_context: Some(security_context(resolved.release.ids)),
        init_containers: (!by_server).then(|| vec![container(resolved, &extra, "migrate", "migrate")]),
        containers: vec![Container {
            ports: Some(vec![port("http", PORT), port("ops", OPS_PORT)]),
            startup_probe: Some(Probe {
                period_seconds: Some(1),
                failure_threshold: Some(patience),
                ..probe("/healthz")
            }),
            readiness_probe: Some(readiness(resolved)),
            liveness_probe: Some(Probe { period_seconds: Some(10), failure_threshold: Some(3), ..probe("/healthz") }),
            ..server
        }],
        volumes: Some(volumes(resolved, &extra)),
        topology_spread_constraints: spread(resolved, &extra),
        node_selector: (!extra.node_selector.is_empty()).then_some(extra.node_selector),
        tolerations: (!extra.tolerations.is_empty()).then_some(extra.tolerations),
        affinity: extra.affinity,
        priority_class_name: extra.priority_class_name,
        dns_policy: extra.dns_policy.map(|policy| policy.to_string()),
        dns_config: extra.dns_config.map(dns),
        image_pull_secrets: (!extra.image_pull_secrets.is_empty()).then(|| {
            extra.image_pull_secrets.into_iter().map(|secret| LocalObjectReference { name: secret.name }).collect()
        }),
        ..PodSpec::default()
    }
}

/// Where the database is migrated. A new pod beside old ones must not begin to serve before the schema is ready for it,
/// and an old pod goes on if that fails. Neither matters to an embedded database, whose only pod has stopped before: its
/// server would wait for the init container.
fn migration(resolved: &Resolved, extra: &PodTemplate) -> Migration {
    let is_alone = resolved.release.migrates_in_server() && resolved.database.is_embedded();
    extra.migration.unwrap_or(if is_alone { Migration::Server } else { Migration::InitContainer })
}

fn readiness(resolved: &Resolved) -> Probe {
    let (period, failures) = if resolved.release.probes_every_second() { (1, 3) } else { (2, 2) };
    Probe { period_seconds: Some(period), failure_threshold: Some(failures), ..probe("/readyz") }
}

fn dns(wanted: DnsConfig) -> PodDNSConfig {
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let options = wanted.options.into_iter();
    let options: Vec<_> =
        options.map(|option| PodDNSConfigOption { name: Some(option.name), value: option.value }).collect();
    PodDNSConfig {
        nameservers: some(wanted.nameservers),
        searches: some(wanted.searches),
        options: (!options.is_empty()).then_some(options),
    }
}

/// Meets the standard `restricted` with and without ids.
fn security_context(ids: PodIds) -> PodSecurityContext {
    let id = match ids {
        PodIds::Fixed => Some(USER),
        PodIds::Assigned => None,
    };
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: id,
        run_as_group: id,
        fs_group: id,
        // Without a fixed user, the kubelet opens the files to the group at each start: the next pod may have another
        // user with the same group.
        fs_group_change_policy: id.map(|_| "OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// Evenly over zones and nodes if possible; never a reason for a pod to wait.
fn spread(resolved: &Resolved, extra: &PodTemplate) -> Option<Vec<TopologySpreadConstraint>> {
    if !extra.topology_spread_constraints.is_empty() {
        return Some(extra.topology_spread_constraints.clone());
    }
    let over = |key: &str| TopologySpreadConstraint {
        topology_key: key.to_owned(),
        max_skew: 1,
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector { match_labels: Some(selector(resolved)), ..LabelSelector::default() }),
        // Only the pods of the same template: those that a rollout is about to stop do not count.
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    };
    let release = &resolved.release;
    release.spreads_pods().then(|| vec![over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")])
}

fn container(resolved: &Resolved, extra: &PodTemplate, name: &str, command: &str) -> Container {
    Container {
        name: name.to_owned(),
        image: Some(resolved.release.image.clone()),
        image_pull_policy: Some(resolved.image_pull_policy.to_string()),
        args: Some(vec![command.to_owned()]),
        env: Some(environment(resolved, command)),
        resources: Some(resources(resolved)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        // The status shows the last lines of a failed container's log.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts(resolved, extra)),
        ..Container::default()
    }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
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

fn resources(resolved: &Resolved) -> ResourceRequirements {
    let amount = |amount: &Amount| {
        let Amount { cpu, memory, ephemeral_storage } = amount.clone();
        let amounts = [("cpu", Some(cpu)), ("memory", Some(memory)), ("ephemeral-storage", ephemeral_storage)];
        let amounts = amounts.into_iter().filter_map(|(name, amount)| Some((name.to_owned(), Quantity(amount?))));
        Some(amounts.collect::<BTreeMap<_, _>>())
    };
    ResourceRequirements {
        limits: amount(&resolved.resources.limits),
        requests: amount(&resolved.resources.requests),
        claims: None,
    }
}

/// The Secrets that the pods of the release mount.
fn secrets(resolved: &Resolved) -> impl Iterator<Item = &SecretMount> {
    resolved.secrets.iter().filter(|folder| !folder.is_of_openid || resolved.release.has_openid())
}

fn logo(resolved: &Resolved) -> Option<&Logo> {
    let login = resolved.login.as_ref().filter(|_| resolved.release.has_openid());
    login.and_then(|login| login.logo.as_ref())
}

fn volumes(resolved: &Resolved, extra: &PodTemplate) -> Vec<Volume> {
    let mut volumes: Vec<_> = secrets(resolved)
        .map(|folder| Volume {
            name: folder.mount.volume.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(folder.secret.clone()),
                default_mode: Some(0o440),
                optional: Some(folder.optional),
                items: None,
            }),
            ..Volume::default()
        })
        .collect();
    volumes.extend(logo(resolved).map(|logo| Volume {
        name: places::LOGO.volume.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: logo.config_map.clone(),
            // Nothing else of the ConfigMap. The pages work without it.
            items: Some(vec![KeyToPath { key: logo.key.clone(), path: places::LOGO_FILE.to_owned(), mode: None }]),
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }));
    if resolved.database.is_embedded() {
        volumes.push(Volume {
            name: places::DATA.volume.to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: resolved.names.volume_claim(),
                read_only: None,
            }),
            ..Volume::default()
        });
    }
    volumes.extend(extra.volumes.iter().cloned().map(|volume| Volume {
        name: volume.name,
        config_map: volume.config_map,
        secret: volume.secret,
        empty_dir: volume.empty_dir,
        projected: volume.projected.map(|projected| ProjectedVolumeSource {
            default_mode: projected.default_mode,
            sources: Some(projected.sources),
        }),
        csi: volume.csi,
        ..Volume::default()
    }));
    volumes
}

fn mounts(resolved: &Resolved, extra: &PodTemplate) -> Vec<VolumeMount> {
    let of = |mount: Mount, read_only: bool| VolumeMount {
        name: mount.volume.to_owned(),
        mount_path: mount.path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let mut mounts: Vec<_> = secrets(resolved).map(|folder| of(folder.mount, true)).collect();
    mounts.extend(logo(resolved).map(|_| of(places::LOGO, true)));
    if resolved.database.is_embedded() {
        mounts.push(of(places::DATA, false));
    }
    mounts.extend(extra.volume_mounts.iter().cloned().map(|mount| VolumeMount {
        name: mount.name,
        mount_path: mount.mount_path,
        sub_path: mount.sub_path,
        read_only: mount.read_only,
        ..VolumeMount::default()
    }));
    mounts
}
