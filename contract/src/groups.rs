//! Names of groups: what Admins set, and what declared clients name.

use crate::limits::is_hidden;

/// The most groups of a user, and of a declared client.
pub const GROUPS_MAX: usize = 100;
/// The most characters of a name.
pub const GROUP_MAX: usize = 64;
/// How the groups of Kubernetes itself begin: `system:masters` may do everything in a cluster whose API server takes groups
/// from ID tokens.
const RESERVED: &str = "system:";

/// Whether a text can be the name of a group. Proxies join names with commas, and nobody can see blanks around them.
#[must_use]
pub fn is_group(name: &str) -> bool {
    let is_reserved = name.get(..RESERVED.len()).is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    !name.is_empty()
        && name == name.trim()
        && name.chars().count() <= GROUP_MAX
        && !name.contains(',')
        && !name.contains(is_hidden)
        && !is_reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_visible_and_not_one_of_kubernetes() {
        for good in ["staff", "Domain Users", "a:b", "system", "team/ops", "Größe", "/staff", &"ü".repeat(GROUP_MAX)]
        {
            assert!(is_group(good), "{good}");
        }
        for bad in [
            "",
            " ",
            " staff",
            "staff\u{a0}",
            "a,b",
            "a\nb",
            "a\0b",
            "a\u{7f}b",
            "a\u{200b}b",
            "a\u{202e}b",
            "system:masters",
            "System:Masters",
            "system:",
            &"ü".repeat(GROUP_MAX + 1),
        ] {
            assert!(!is_group(bad), "{bad:?}");
        }
    }
}
