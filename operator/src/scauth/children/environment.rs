//! The server's settings as environment variables.

use k8s_openapi::api::core::v1::EnvVar;

use crate::scauth::resolved::Resolved;

pub fn environment(resolved: &Resolved, command: &str) -> Vec<EnvVar> {
    let settings = &resolved.settings;
    let mut ours: Vec<_> = settings.common.iter().collect();
    if command == "serve" {
        ours.extend(&settings.serve);
        // A server of an earlier release does not start with settings that it does not know.
        if resolved.release.knows_recent_settings() {
            ours.extend(&settings.recent);
        }
    }
    let ours = ours.into_iter().map(|(setting, value)| EnvVar {
        name: setting.name.to_owned(),
        value: Some(value.clone()),
        value_from: None,
    });
    let theirs = resolved.pod_template.env.iter().cloned();
    let theirs =
        theirs.map(|variable| EnvVar { name: variable.name, value: variable.value, value_from: variable.value_from });
    ours.chain(theirs).collect()
}
