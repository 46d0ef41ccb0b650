//! AdminReady: whether an Admin was created with the password in the Secret with the first Admin. Nothing is said where nobody knows:
//! of a Secret that release 0.2 made, and where a person has deleted it.

use crate::scauth::identity::admin_is_created;
use crate::scauth::report::input::ConditionInput;
use crate::shared::conditions::{ConditionStatus, ConditionType, ConditionUpdate, update};
use crate::shared::reasons::Reason;

const KIND: ConditionType = ConditionType::AdminReady;

pub fn find(input: &ConditionInput<'_>) -> Option<ConditionUpdate> {
    let live = input.observed.admin_secret.as_ref()?;
    let said = input.observed.reports.health().and_then(|health| health.admin_made);
    let names = &input.resolved.names;
    let (secret, name, namespace) = (names.admin_secret(), &names.scauth, &names.namespace);
    Some(if said.or_else(|| admin_is_created(live))? {
        let message = format!("the first Admin was created with the password in Secret {secret}") + &other_name(input);
        update(KIND, ConditionStatus::True, Reason::AdminCreated, message)
    } else {
        let message = format!(
            "Secret {secret} has no password that works, since the database already had an Admin, or a user of that name; log \
             in as an existing Admin with that Admin's own password, or create one with: kubectl -n {namespace} exec -it \
             deploy/{name} -c server -- /sc-auth-server admin create NAME; then delete the Secret {secret}"
        );
        update(KIND, ConditionStatus::False, Reason::AdminNotCreated, message)
    })
}

/// A ScAuth that was deleted and created again adopts the Secret, and the database has the Admin in it.
fn other_name(input: &ConditionInput<'_>) -> String {
    let (wanted, names) = (&input.resolved.admin.username, &input.resolved.names);
    let Some(name) = input.observed.admin_name.as_ref().filter(|name| *name != wanted) else { return String::new() };
    format!(
        " and is called {name}, not {wanted} as in spec.bootstrapAdmin, since the Secret is from before: log in as {name}, or \
         create another Admin with: kubectl -n {} exec -it deploy/{} -c server -- /sc-auth-server admin create {wanted}",
        names.namespace, names.scauth
    )
}
