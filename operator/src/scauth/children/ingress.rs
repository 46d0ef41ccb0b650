//! The Ingress, if the spec asks for one.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec,
    IngressTLS, ServiceBackendPort,
};

use super::metadata::exposing;
use crate::scauth::exposure::Exposure;
use crate::scauth::resolved::Resolved;

pub fn build(resolved: &Resolved) -> Option<Ingress> {
    let Exposure::Ingress(wanted) = resolved.free() else { return None };
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: resolved.names.service(),
            port: Some(ServiceBackendPort { name: Some("http".to_owned()), number: None }),
        }),
        resource: None,
    };
    let path = HTTPIngressPath { path: Some("/".to_owned()), path_type: "Prefix".to_owned(), backend };
    Some(Ingress {
        metadata: exposing(resolved, &resolved.names.ingress(), &wanted.annotations),
        spec: Some(IngressSpec {
            ingress_class_name: wanted.class.clone(),
            rules: Some(vec![IngressRule {
                host: Some(wanted.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            tls: wanted
                .certificate
                .map(|secret| vec![IngressTLS { hosts: Some(vec![wanted.host.clone()]), secret_name: Some(secret) }]),
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    })
}
