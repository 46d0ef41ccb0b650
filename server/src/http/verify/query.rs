//! What a proxy asks `verify` for, in its query.

use std::sync::{Mutex, PoisonError};

use sc_auth_contract::time::UnixTime;

use crate::store::Role;

/// The longest list of roles, in characters.
const MAX_LENGTH: usize = 255;
/// How much of an unknown name is logged, in characters.
const SHOWN: usize = 40;
/// Warnings that are logged in a minute at most: whoever is logged in can cause them.
const WARNINGS: u32 = 10;

/// Who may pass.
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

/// Why nobody passes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The name, shortened.
    #[error("unknown parameter {0:?}")]
    Unknown(String),
    #[error("`role` is given more than once; separate roles with commas")]
    Repeated,
    #[error("a parameter is empty")]
    Empty,
    #[error("`role` is longer than {MAX_LENGTH} characters")]
    TooLong,
}

/// Reads the query as forms are written (URL Standard, 5.1), but lets nothing pass that this would skip.
///
/// # Errors
/// The first parameter that is not understood.
pub fn wanted(query: &str) -> Result<Wanted, Problem> {
    let mut wanted = Wanted::Anybody;
    if query.is_empty() {
        return Ok(wanted);
    }
    for parameter in query.split('&') {
        let (name, value) = form_urlencoded::parse(parameter.as_bytes()).next().ok_or(Problem::Empty)?;
        if name != "role" {
            return Err(Problem::Unknown(name.chars().take(SHOWN).collect()));
        }
        if wanted != Wanted::Anybody {
            return Err(Problem::Repeated);
        }
        if value.split(',').all(|role| role.trim().is_empty()) {
            return Err(Problem::Empty);
        }
        if value.chars().count() > MAX_LENGTH {
            return Err(Problem::TooLong);
        }
        wanted = Wanted::Roles(value.into_owned());
    }
    Ok(wanted)
}

/// How many warnings were logged in the present minute.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<(i64, u32)>);

impl Warnings {
    /// Logs why nobody passes, unless it was logged often enough in this minute.
    pub fn log(&self, problem: &Problem, now: UnixTime) {
        if self.take(now) {
            tracing::warn!(
                %problem,
                "verify refuses everybody: the query of the address that a proxy asks is not understood; its only \
                 parameter is `role`"
            );
        }
    }

    fn take(&self, now: UnixTime) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.seconds().div_euclid(60);
        if logged.0 != minute {
            *logged = (minute, 0);
        }
        logged.1 = logged.1.saturating_add(1);
        logged.1 <= WARNINGS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_parameter_anybody_may_pass() {
        assert_eq!(wanted(""), Ok(Wanted::Anybody));
    }

    #[test]
    fn roles_are_separated_by_commas_and_have_exact_names() {
        for query in ["role=Admin", "role=User,Admin", "role=User,%20Admin", "role=+Admin+", "%72ole=%41dmin"] {
            let wanted = wanted(query).unwrap();
            assert!(wanted.allows(Role::Admin), "{query}");
            assert_eq!(wanted.allows(Role::User), query.contains("User"), "{query}");
        }
        for query in ["role=admin", "role=Admin%00", "role=Admin;User", "role=%C3%84dmin", "role=%FF", "role==Admin"] {
            assert!(!wanted(query).unwrap().allows(Role::Admin), "{query}");
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
            ("role", Problem::Empty),
            ("role=", Problem::Empty),
            ("role=,%20,+", Problem::Empty),
            ("&", Problem::Empty),
            ("role=User&", Problem::Empty),
            ("&role=User", Problem::Empty),
        ] {
            assert_eq!(wanted(query), Err(problem), "{query}");
        }
        assert_eq!(wanted(&format!("role={}", "User,".repeat(60))), Err(Problem::TooLong));
        let long = wanted(&"x".repeat(10_000)).unwrap_err();
        assert_eq!(long, unknown(&"x".repeat(SHOWN)));
    }

    #[test]
    fn warnings_are_few_in_each_minute() {
        let warnings = Warnings::default();
        let count = |now: i64| (0..1_000).filter(|_| warnings.take(now.into())).count();
        assert_eq!((count(60), count(119), count(120)), (10, 0, 10));
    }
}
