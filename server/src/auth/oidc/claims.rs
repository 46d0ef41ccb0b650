//! What an application may know about a user (OpenID Connect Core, 5.1 and 5.4), and whether that user may log in to it.

use sc_auth_contract::declared::DeclaredClient;
use serde_json::{Map, Value, json};

use crate::store::{Store, StoreError, User};

/// The claims about users, each with the scope that allows it.
pub const CLAIMS: [(&str, &str); 5] = [
    ("name", "profile"),
    ("preferred_username", "profile"),
    ("email", "email"),
    ("email_verified", "email"),
    (GROUPS, GROUPS),
];
/// The scope and the claim of groups.
pub const GROUPS: &str = "groups";

/// The scope that allows a claim; `None` for a claim that is unknown, or not about a user.
pub fn scope_of(claim: &str) -> Option<&'static str> {
    CLAIMS.iter().find(|(name, _)| *name == claim).map(|(_, scope)| *scope)
}

/// The groups of a user as far as the client has to do with groups; `None` if the user may not log in to it.
pub async fn groups(store: &Store, user: &User, declared: &DeclaredClient) -> Result<Option<Vec<String>>, StoreError> {
    if declared.groups.is_empty() && !declared.scopes.iter().any(|scope| scope == GROUPS) {
        return Ok(Some(Vec::new()));
    }
    let groups = store.groups(user.id).await?;
    Ok(declared.admits(&groups).then_some(groups))
}

/// The claims that are wanted, by name and scope, and that are known.
pub fn of_user(user: &User, groups: &[String], wants: impl Fn(&str, &str) -> bool) -> Map<String, Value> {
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let value = |claim: &str| match claim {
        "name" => text(&user.name),
        "preferred_username" => text(&user.username),
        "email" => text(&user.email),
        "email_verified" => user.email.as_ref().map(|_| json!(user.is_email_verified())),
        GROUPS => Some(json!(groups)),
        _ => None,
    };
    let wanted = CLAIMS.into_iter().filter(|(claim, scope)| wants(claim, scope));
    wanted.filter_map(|(claim, _)| Some((claim.to_owned(), value(claim)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_learns_only_what_its_scopes_allow() {
        let user = User {
            uuid: "u".into(),
            name: Some("Some Body".into()),
            username: Some("some".into()),
            email: Some("some@example.com".into()),
            ..User::default()
        };
        let claims = |scopes: &[&str]| {
            let groups = ["ops".to_owned(), "staff".to_owned()];
            Value::Object(of_user(&user, &groups, |_, scope| scopes.contains(&scope)))
        };
        assert_eq!(claims(&["openid"]), json!({}));
        assert_eq!(claims(&["openid", "profile"]), json!({"name": "Some Body", "preferred_username": "some"}));
        assert_eq!(claims(&["openid", "email"]), json!({"email": "some@example.com", "email_verified": false}));
        let verified = User { verified_email: user.email.clone(), ..user.clone() };
        let verified = of_user(&verified, &[], |claim, _| claim == "email_verified");
        assert_eq!(Value::Object(verified), json!({"email_verified": true}));
        assert_eq!(claims(&["openid", "groups"]), json!({"groups": ["ops", "staff"]}));
        let nobody = of_user(&User::default(), &[], |_, _| true);
        assert_eq!(Value::Object(nobody), json!({"groups": []}), "what is unknown is left out");
    }
}
