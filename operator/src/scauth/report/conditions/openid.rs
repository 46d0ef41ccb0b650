//! OpenIdReady: whether applications can log users in. Nothing is said where nobody asks for that: without a Secret with
//! applications, which the pods report, and without `spec.login`. Ready does not depend on it.

use sc_auth_contract::issuer;

use super::earlier::{before, is_expired, unreachable};
use crate::scauth::clients::Clients;
use crate::scauth::health::PodReports;
use crate::scauth::names::ANNOTATION_UPGRADE_TO;
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

const KIND: ConditionType = ConditionType::OpenIdReady;

pub fn find(input: &ConditionInput<'_>) -> Option<ConditionUpdate> {
    if let Some(problem) = &input.keys.oidc_broken {
        let secret = input.resolved.names.secret();
        let message = format!(
            "key oidc-keys.json of Secret {secret} is unusable: {problem}; restore it, or remove it to get new keys, which \
             invalidates the tokens of all applications"
        );
        return Some(not_ready(Reason::KeysUnreadable, message));
    }
    let clients = input.observed.reports.health().and_then(|health| health.declared.as_ref());
    if (input.resolved.login.is_some() || clients.is_some())
        && let Some(problem) = unavailable(input)
    {
        return Some(problem);
    }
    let earlier = || before(input, KIND).filter(|earlier| Clients::report(earlier.reason));
    match &input.observed.reports {
        PodReports::Received(_) => clients.map(|clients| of_clients(input, clients)),
        PodReports::NotPolled => earlier(),
        PodReports::Unreachable { .. } if is_expired(input, KIND) => None,
        PodReports::Unreachable { since } => earlier().map(|earlier| unreachable(earlier, *since)),
    }
}

/// Why the pods have no endpoints of OpenID Connect.
fn unavailable(input: &ConditionInput<'_>) -> Option<ConditionUpdate> {
    let resolved = input.resolved;
    if !resolved.release.has_openid() {
        let message = format!(
            "the pods run an earlier release without OpenID Connect: upgrade them with the annotation \
             {ANNOTATION_UPGRADE_TO}"
        );
        return Some(not_ready(Reason::ServerTooOld, message));
    }
    if issuer::is_usable(&resolved.issuer) {
        return None;
    }
    let message = format!(
        "OpenID Connect needs an https issuer without a path, but the issuer is {}: set spec.expose.ingress.tls, or \
         spec.auth.issuer if something in front of the Ingress serves HTTPS; until then, only /api/v1 is served",
        resolved.issuer
    );
    Some(not_ready(Reason::IssuerNotUsable, message))
}

fn of_clients(input: &ConditionInput<'_>, clients: &Clients) -> ConditionUpdate {
    let (reason, message) = (clients.reason(), clients.message(&input.resolved.names));
    if reason == Reason::ClientsLoaded {
        let message = format!("{message}, with issuer {}", input.resolved.issuer);
        return update(KIND, ConditionStatus::True, reason, message);
    }
    not_ready(reason, message)
}

fn not_ready(reason: Reason, message: String) -> ConditionUpdate {
    update(KIND, ConditionStatus::False, reason, message)
}
