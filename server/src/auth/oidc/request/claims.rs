//! The parameter `claims` (OpenID Connect Core, 5.5): claims that a client wants beside those of its scopes, and users that
//! it wants to be logged in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::oauth_problem::{OAuthProblem, problem};

/// The longest parameter, in bytes.
const MAX_BYTES: usize = 4_096;

/// What is asked for. Whether a claim is essential makes no difference: each that is known and allowed is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestedClaims {
    /// Names of claims about users.
    pub userinfo: Vec<String>,
    pub id_token: Vec<String>,
    /// The user must be one of each of these lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subjects: Vec<Vec<String>>,
}

impl RequestedClaims {
    /// Reads the parameter. Only claims that `may_have` allows are kept: others are ignored, as unknown ones are.
    ///
    /// # Errors
    /// If it is no such object, or demands what no login here can meet.
    pub fn read(text: Option<&str>, may_have: impl Fn(&str) -> bool) -> Result<Self, OAuthProblem> {
        let Some(text) = text else { return Ok(Self::default()) };
        let invalid = problem("invalid_request", "claims is not an object of claims");
        if text.len() > MAX_BYTES {
            return Err(problem("invalid_request", "claims is too long"));
        }
        let Ok(Value::Object(members)) = serde_json::from_str(text) else { return Err(invalid) };
        let userinfo = claims_of(&members, "userinfo").ok_or(invalid)?;
        let id_token = claims_of(&members, "id_token").ok_or(invalid)?;
        if is_unmet(id_token.get("acr")) {
            return Err(problem("unmet_authentication_requirements", "no login has one of these values of acr"));
        }
        let subjects = [&userinfo, &id_token].map(|claims| claims.get("sub").and_then(values));
        let names = |claims: &Map<String, Value>| claims.keys().filter(|name| may_have(name)).cloned().collect();
        let (userinfo, id_token) = (names(&userinfo), names(&id_token));
        Ok(Self { userinfo, id_token, subjects: subjects.into_iter().flatten().collect() })
    }

    /// Whether this user may be the one who logs in.
    pub fn admits(&self, uuid: &str) -> bool {
        self.subjects.iter().all(|wanted| wanted.iter().any(|wanted| wanted == uuid))
    }

    /// What a grant keeps.
    pub fn to_text(&self) -> Option<String> {
        let kept = Self { subjects: Vec::new(), ..self.clone() };
        if kept == Self::default() { None } else { serde_json::to_string(&kept).ok() }
    }

    /// What a grant has kept.
    pub fn of_text(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// The claims of a member, each with null or an object; `None` if the member is something else.
fn claims_of(members: &Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    match members.get(name) {
        None | Some(Value::Null) => Some(Map::new()),
        Some(Value::Object(claims)) => {
            claims.values().all(|claim| claim.is_null() || claim.is_object()).then(|| claims.clone())
        }
        Some(_) => None,
    }
}

/// The values of a claim that the client accepts; `None` if it names none.
fn values(claim: &Value) -> Option<Vec<String>> {
    let one = claim.get("value").map(std::slice::from_ref);
    let many = claim.get("values").map(|values| values.as_array().map(Vec::as_slice).unwrap_or_default());
    let texts = one.or(many)?.iter().filter_map(Value::as_str);
    Some(texts.map(str::to_owned).collect())
}

/// Whether the client demands a kind of login: the server has no names for kinds (OpenID Connect Core, 5.5.1.1).
fn is_unmet(acr: Option<&Value>) -> bool {
    acr.is_some_and(|acr| acr["essential"] == true && values(acr).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: &Value) -> Result<RequestedClaims, &'static str> {
        let may_have = |name: &str| ["name", "email"].contains(&name);
        RequestedClaims::read(Some(&claims.to_string()), may_have).map_err(|problem| problem.error)
    }

    #[test]
    fn what_is_known_and_allowed_is_kept() {
        let claims = read(&json!({
            "userinfo": {"email": {"essential": true}, "name": null, "groups": null, "name#de": null, "x": {"value": 7}},
            "id_token": {"email": {"value": "a@b.c", "later": 1}, "auth_time": {"essential": true}, "acr": null},
            "later": 7,
        }));
        let claims = claims.unwrap();
        assert_eq!((claims.userinfo.join(" "), claims.id_token.join(" ")), ("email name".into(), "email".into()));
        assert_eq!(RequestedClaims::of_text(claims.to_text().as_deref()), claims);
        for nothing in
            [json!({}), json!({"userinfo": null, "id_token": {}}), json!({"id_token": {"acr": {"values": ["1"]}}})]
        {
            assert_eq!(read(&nothing).unwrap(), RequestedClaims::default(), "{nothing}");
        }
        assert_eq!(RequestedClaims::read(None, |_| true).unwrap().to_text(), None);
        assert_eq!(RequestedClaims::of_text(Some("{")), RequestedClaims::default());
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            json!(7),
            json!([]),
            json!({"userinfo": []}),
            json!({"id_token": "email"}),
            json!({"userinfo": {"email": true}}),
            json!({"id_token": {"email": [{}]}}),
            json!({"x": "x".repeat(5_000)}),
        ] {
            assert_eq!(read(&bad), Err("invalid_request"), "{bad}");
        }
        let nested = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
        for bad in ["", "{", "null", &nested, "{\"userinfo\":{}} x"] {
            assert!(RequestedClaims::read(Some(bad), |_| true).is_err(), "{bad}");
        }
        for acr in [json!({"essential": true, "values": ["1", "2"]}), json!({"essential": true, "value": "1"})] {
            assert_eq!(read(&json!({"id_token": {"acr": acr}})), Err("unmet_authentication_requirements"), "{acr}");
        }
    }

    #[test]
    fn a_user_must_be_each_that_is_named() {
        let admits = |claims: Value, uuid: &str| read(&claims).unwrap().admits(uuid);
        assert!(admits(json!({"id_token": {"sub": null}}), "u") && admits(json!({"id_token": {"sub": {}}}), "u"));
        let one = json!({"id_token": {"sub": {"value": "u"}}});
        assert!(admits(one.clone(), "u") && !admits(one, "v"));
        let some = json!({"userinfo": {"sub": {"values": ["u", "v"]}}, "id_token": {"sub": {"essential": true, "value": "v"}}});
        assert!(admits(some.clone(), "v") && !admits(some, "u"));
        for nobody in [json!({"value": 7}), json!({"values": []}), json!({"values": "u"})] {
            assert!(!admits(json!({"id_token": {"sub": nobody}}), "u"), "{nobody}");
        }
        let kept = read(&json!({"id_token": {"sub": {"value": "u"}}})).unwrap();
        assert_eq!(kept.to_text(), None);
        let sealed = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<RequestedClaims>(&sealed).unwrap(), kept);
    }
}
