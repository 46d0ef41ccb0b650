//! The roles that a proxy's configuration allows, in the query or in the path of `verify`.

use percent_encoding::percent_decode_str;

use crate::store::Role;

/// The longest list of roles, in characters.
const MAX_LENGTH: usize = 255;
/// The most characters of an unknown name to log.
const SHOWN: usize = 40;

/// The users that the proxy's configuration allows.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    Anybody,
    /// Role names, separated by commas.
    Roles(String),
}

impl Wanted {
    pub fn allows(&self, role: Role) -> bool {
        match self {
            Self::Anybody => true,
            Self::Roles(roles) => roles.split(',').any(|name| name.trim() == role.name()),
        }
    }
}

/// The reason for refusing everybody.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The name, shortened.
    #[error("unknown parameter {0:?}")]
    Unknown(String),
    #[error("`role` is given more than once; separate roles with commas")]
    Repeated,
    #[error("a parameter is empty")]
    Empty,
    /// The first segment below `verify`, shortened.
    #[error("unknown path /api/v1/verify/{0}")]
    UnknownPath(String),
    #[error("no role is given")]
    NoRole,
    #[error("the roles are longer than {MAX_LENGTH} characters")]
    TooLong,
}

/// Parses the query as a form (URL Standard, 5.1), but refuses what a form parser would skip.
///
/// # Errors
/// The first invalid parameter.
pub fn in_query(query: &str) -> Result<Wanted, Problem> {
    let mut wanted = Wanted::Anybody;
    if query.is_empty() {
        return Ok(wanted);
    }
    for parameter in query.split('&') {
        let (name, value) = form_urlencoded::parse(parameter.as_bytes()).next().ok_or(Problem::Empty)?;
        if name != "role" {
            return Err(Problem::Unknown(shortened(&name)));
        }
        if wanted != Wanted::Anybody {
            return Err(Problem::Repeated);
        }
        wanted = roles(&value)?;
    }
    Ok(wanted)
}

/// Reads the path below `verify/`: `any` or `role/ROLES`. What follows comes from the proxy's client, who must not
/// gain anything by it: it is neither decoded nor normalized.
///
/// # Errors
/// The first invalid segment.
pub fn in_path(path: &str) -> Result<Wanted, Problem> {
    let mut segments = path.split('/');
    match (segments.next().unwrap_or_default(), segments.next()) {
        ("any", _) => Ok(Wanted::Anybody),
        ("role", names) => roles(&percent_decode_str(names.unwrap_or_default()).decode_utf8_lossy()),
        (other, _) => Err(Problem::UnknownPath(shortened(other))),
    }
}

fn roles(names: &str) -> Result<Wanted, Problem> {
    if names.split(',').all(|name| name.trim().is_empty()) {
        return Err(Problem::NoRole);
    }
    if names.chars().count() > MAX_LENGTH {
        return Err(Problem::TooLong);
    }
    Ok(Wanted::Roles(names.to_owned()))
}

fn shortened(name: &str) -> String {
    name.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_parameter_anybody_may_pass() {
        assert_eq!(in_query(""), Ok(Wanted::Anybody));
    }

    #[test]
    fn roles_are_separated_by_commas_and_have_exact_names() {
        for query in ["role=Admin", "role=User,Admin", "role=User,%20Admin", "role=+Admin+", "%72ole=%41dmin"] {
            let wanted = in_query(query).unwrap();
            assert!(wanted.allows(Role::Admin), "{query}");
            assert_eq!(wanted.allows(Role::User), query.contains("User"), "{query}");
        }
        for query in ["role=admin", "role=Admin%00", "role=Admin;User", "role=%C3%84dmin", "role=%FF", "role==Admin"] {
            assert!(!in_query(query).unwrap().allows(Role::Admin), "{query}");
        }
    }

    #[test]
    fn what_is_not_understood_is_a_problem() {
        let unknown = |name: &str| Problem::Unknown(name.into());
        for (query, problem) in [
            ("roles=Admin", unknown("roles")),
            ("Role=Admin", unknown("Role")),
            ("role[]=Admin", unknown("role[]")),
            ("role%5B%5D=Admin", unknown("role[]")),
            ("+role=Admin", unknown(" role")),
            ("role%00=Admin", unknown("role\0")),
            ("%2572ole=Admin", unknown("%72ole")),
            ("role=User&group=x", unknown("group")),
            ("role=User;x&y", unknown("y")),
            ("=Admin", unknown("")),
            ("=", unknown("")),
            ("?role=Admin", unknown("?role")),
            ("role=Admin&role=User", Problem::Repeated),
            ("role=User&%72ole=User", Problem::Repeated),
            ("role", Problem::NoRole),
            ("role=", Problem::NoRole),
            ("role=,%20,+", Problem::NoRole),
            ("&", Problem::Empty),
            ("role=User&", Problem::Empty),
            ("&role=User", Problem::Empty),
        ] {
            assert_eq!(in_query(query), Err(problem), "{query}");
        }
        assert_eq!(in_query(&format!("role={}", "User,".repeat(60))), Err(Problem::TooLong));
        let long = in_query(&"x".repeat(10_000)).unwrap_err();
        assert_eq!(long, unknown(&"x".repeat(SHOWN)));
    }

    #[test]
    fn the_path_of_a_client_changes_nothing() {
        for rest in
            ["", "/", "//", "/x?", "/../any", "/../../any", "/%2e%2e/%2e%2e/any", "/role/User", "/,User", "/\u{fffd}"]
        {
            let admins = in_path(&format!("role/Admin{rest}")).unwrap();
            assert_eq!(admins, Wanted::Roles("Admin".into()), "{rest}");
            let both = in_path(&format!("role/%41dmin,%20User{rest}")).unwrap();
            assert!(both.allows(Role::Admin) && both.allows(Role::User), "{rest}");
            assert_eq!(in_path(&format!("any{rest}")), Ok(Wanted::Anybody), "{rest}");
        }
    }

    #[test]
    fn a_path_that_is_not_understood_is_a_problem() {
        for path in [
            "role/admin",
            "role/Admin%2f..",
            "role/Admin%2F",
            "role/Admin%00",
            "role/Admin;User",
            "role/Admin+",
            "role/%2541dmin",
            "role/%FF",
            "role/..",
            "role/../any",
        ] {
            assert!(!in_path(path).unwrap().allows(Role::Admin), "{path}");
        }
        for path in ["role", "role/", "role//", "role//Admin", "role/,", "role/%20/Admin", "role/%2C"] {
            assert_eq!(in_path(path), Err(Problem::NoRole), "{path}");
        }
        for path in
            ["", "/any", "/role/Admin", "Any", "any%2f", "an%79", "Role/Admin", "roles/Admin", "..", "role%2FAdmin"]
        {
            let first = path.split('/').next().unwrap();
            assert_eq!(in_path(path), Err(Problem::UnknownPath(first.into())), "{path}");
        }
        assert_eq!(in_path(&format!("role/{}", "User,".repeat(60))), Err(Problem::TooLong));
        assert_eq!(in_path(&"x".repeat(10_000)), Err(Problem::UnknownPath("x".repeat(SHOWN))));
    }
}
