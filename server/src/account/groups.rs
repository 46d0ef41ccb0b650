//! The groups of a user.

use sc_auth_contract::groups::{GROUPS_MAX, is_group};

use super::Problem;

/// The names without the blanks around them, each once.
pub fn unique(groups: Vec<String>) -> Vec<String> {
    let mut groups: Vec<_> = groups.into_iter().map(|name| name.trim().to_owned()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// What is wrong with the names, if anything is.
pub fn problem(groups: &[String]) -> Option<Problem> {
    let groups = unique(groups.to_vec());
    if !groups.iter().all(|name| is_group(name)) {
        return Some(Problem::NotGroups);
    }
    (groups.len() > GROUPS_MAX).then_some(Problem::TooLong(GROUPS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_count_once() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(unique(names(&[" staff", "ops", "staff\t", "Staff"])), ["Staff", "ops", "staff"]);
        assert_eq!(problem(&names(&[" staff ", "staff"])), None);
        for bad in ["", "a,b", " system:masters", "a\u{7}"] {
            assert_eq!(problem(&names(&["staff", bad])), Some(Problem::NotGroups), "{bad:?}");
        }
        let many: Vec<_> = (0..=GROUPS_MAX).map(|number| format!("g{number}")).collect();
        assert_eq!(problem(&many), Some(Problem::TooLong(GROUPS_MAX)));
        assert_eq!(problem(&many[1..]), None);
        assert_eq!(problem(&vec!["staff".to_owned(); GROUPS_MAX + 1]), None);
    }
}
