//! The keys under which names and addresses are unique. They are the same on all engines, regardless of their
//! collations.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;

/// What a key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Username,
    Email,
}

pub fn key(field: Field, text: &str) -> String {
    match field {
        Field::Username => fold(text),
        Field::Email => of_address(text),
    }
}

/// Compatibility form (NFKC), case folded, without surrounding spaces.
pub fn fold(name: &str) -> String {
    let folded: String = name.trim().nfkc().flat_map(fold_case).nfkc().collect();
    // A diacritic becomes a space and a combining mark.
    folded.trim().to_owned()
}

/// Full case folding, in which `ΟΔΟΣ`, `οδος` and `οδοσ` are one, and so are `Straße` and `STRASSE`. Unlike
/// `str::to_lowercase`, it does not depend on the neighbours. The dotless i of Turkish stays another letter.
fn fold_case(c: char) -> impl Iterator<Item = char> {
    let is_kept = c == 'ı';
    let folded = c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase).filter(move |_| !is_kept);
    is_kept.then_some(c).into_iter().chain(folded)
}

/// The key of releases before 0.3, which rows keep: those servers find users by it.
pub fn former_fold(name: &str) -> String {
    name.trim().nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

/// The key of an address: the local part without quotes, and the domain in Unicode (UTS 46), which has one form for
/// `bücher.example` and `xn--bcher-kva.example`.
fn of_address(email: &str) -> String {
    match email.trim().rsplit_once('@') {
        Some((local, domain)) => format!("{}@{}", unquoted(&fold(local)), domain_key(domain)),
        None => fold(email),
    }
}

/// `"al"` and `"a\l"` are `al` (RFC 5321, 4.1.2).
fn unquoted(local: &str) -> String {
    let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut is_escape = false;
    let text: String = quoted
        .chars()
        .filter(|c| {
            is_escape = *c == '\\' && !is_escape;
            !is_escape
        })
        .collect();
    text.trim().to_owned()
}

/// Without the dot of the root, which a full name of a host can end with.
pub fn domain_key(domain: &str) -> String {
    let key = match idna::domain_to_unicode(domain) {
        (unicode, Ok(())) => unicode,
        // Older than the rules: it has only its own form.
        (_, Err(_)) => fold(domain),
    };
    key.trim_end_matches('.').to_owned()
}

/// All keys that a row of the same name or address can have: also those of rows that releases before 0.3 have written, and
/// of user names, which are keys as they are written.
pub fn forms(field: Field, text: &str) -> BTreeSet<String> {
    match field {
        Field::Username => forms_of_name(text),
        Field::Email => forms_of_address(text),
    }
}

fn forms_of_address(email: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([of_address(email), former_fold(email)]);
    if let Some((local, domain)) = email.trim().rsplit_once('@') {
        let domain = domain.trim_end_matches('.');
        let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase());
        let locals = BTreeSet::from([former_fold(local), fold(local)].map(|local| unquoted(&local)));
        for domain in BTreeSet::from([ascii, domain_key(domain)]) {
            forms.extend(locals.iter().flat_map(|local| spellings(local, &domain)));
        }
    }
    forms
}

fn spellings(local: &str, domain: &str) -> [String; 4] {
    [
        format!("{local}@{domain}"),
        format!("\"{local}\"@{domain}"),
        format!("{local}@{domain}."),
        format!("\"{local}\"@{domain}."),
    ]
}

/// A user name can be somebody's address.
fn forms_of_name(username: &str) -> BTreeSet<String> {
    let folded = fold(username);
    // The case of the last sigma depends on whether the name was in upper case.
    let mut forms = BTreeSet::from([former_fold(username), former_fold(&username.to_uppercase())]);
    if folded.contains('@') {
        forms.extend(forms_of_address(username));
        forms.extend(forms_of_address(&folded));
    }
    forms.insert(folded);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_key() {
        for name in ["Alice", "ALICE", " alice ", "Ａｌｉｃｅ"] {
            assert_eq!(fold(name), "alice", "{name:?}");
        }
        assert_eq!(fold("JOSE\u{301}"), fold("josé"));
        assert_ne!(fold("alice"), fold("alicé"));
    }

    #[test]
    fn case_is_folded_and_not_only_lowered() {
        for (one, other) in [
            ("ΟΔΟΣ", "οδος"),
            ("ΟΔΟΣ", "οδοσ"),
            ("Straße", "STRASSE"),
            ("ẞ", "ss"),
            ("ŉ", "ʼn"),
            ("ΑΙ", "ᾳ"),
            ("Ꭰ", "ꭰ"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("ısı"), fold("isi"), "the dotless i is a letter of its own");
        for c in ('\0'..=char::MAX).map(String::from) {
            assert_eq!(fold(&fold(&c)), fold(&c), "{c:?}");
        }
    }

    #[test]
    fn an_address_has_one_key_in_unicode_and_in_ascii() {
        let key = |text: &str| key(Field::Email, text);
        for text in [
            "ü@bücher.example",
            "Ü@BÜCHER.example",
            "ü@xn--bcher-kva.example",
            "ü@XN--BCHER-KVA.EXAMPLE",
            "ü@bu\u{308}cher.example",
        ] {
            assert_eq!(key(text), "ü@bücher.example", "{text}");
            assert!(forms_of_address(text).contains("ü@xn--bcher-kva.example"), "{text}");
        }
        assert_eq!(key("ΟΔΟΣ@example.com"), key("οδος@example.com"));
        assert_ne!(key("a@straße.example"), key("a@strasse.example"), "two domains (IDNA 2008)");
        for odd in ["", "@", "a@", "@b", "a@b@c", "a@xn--", "a@\u{202e}.b"] {
            assert!(!key(&format!("{odd}x")).is_empty());
        }
    }

    #[test]
    fn an_address_has_one_key_with_and_without_quotes_and_a_last_dot() {
        let key = |text: &str| key(Field::Email, text);
        for text in
            ["\"al\"@a.test", "\"A\\l\"@a.test", "al@a.test.", "\" al \"@A.test", "al@a.test\u{3002}", "\"al\"@a.test."]
        {
            assert_eq!(key(text), "al@a.test", "{text}");
            assert!(forms_of_name(text).contains("al@a.test"), "{text}");
        }
        for text in ["\"al\"@a.test", "al@a.test.", "\"al\"@a.test."] {
            assert!(forms_of_address("Al@a.test").contains(&fold(text)), "a user name {text}");
        }
        assert_eq!(key("\"a b\"@c.d"), "a b@c.d");
        assert_eq!(key("\"a\\\\b\"@c.d"), "a\\b@c.d");
        for other in ["a\"l@a.test", "\"al@a.test", "al@a.test.b", "a.l@a.test"] {
            assert_ne!(key(other), "al@a.test", "{other}");
        }
        // Each key of a batch of 500 users is a parameter of one query; SQLite has 32,766.
        let longest = "\"ẞΣ\"@bücher.example.";
        assert!(forms_of_name(longest).len() + forms_of_address(longest).len() <= 60);
    }

    #[test]
    fn a_name_has_the_keys_of_an_address_if_it_is_one() {
        assert!(forms_of_name("A@bücher.example").contains(&key(Field::Email, "a@xn--bcher-kva.example")));
        assert!(forms_of_name("ΟΔΟΣ").is_superset(&BTreeSet::from(["οδος".into(), "οδοσ".into()])));
        assert!(forms_of_name("οδοσ").contains("οδος"), "a row of release 0.2 can have that key");
        assert_eq!(forms_of_name("alice").len(), 1);
    }
}
