//! Hashes of other services: werkzeug's, and what each costs.

use super::super::{Form, hash, verify};
use super::*;
use crate::auth::password::derive::CALLS;

const CAPS: Caps = Caps { memory_kib: 32 * 1024 };

/// Made with werkzeug 3.1, bcrypt 5.0 and argon2-cffi 25.1 for the password `old passwörd`.
const HASHES: [&str; 7] = [
    "pbkdf2:sha256:150000$PBJITISJuwLyi9OA$c5030c45d2fdbdb7123809604b9557c079f76d7ffd665ce8ebd51f59cd1e694b",
    "scrypt:32768:8:1$ihtafvgaBuJukrg1$253d7fb581f572683a121a3bb4123cd953102deb9ac8664c3cd9a11d947aa9afc104420ff436c59e79d85012574571ffbfe89e70af10305f46ddbcd3b9a6edb3",
    "pbkdf2:sha512:1000$IpneLmJRpGD1IhlO$2400d99a231d6e41e1940696a9d1fe29fb1eb24bc88629f9951e31a08b6a4461823abe92d64ee349089645c169d0e74303a8913c7ec36f021d5f0ef443bf28aa",
    "$2b$06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa.",
    "$argon2i$v=19$m=8192,t=2,p=2$BxV5j31SY1d5fhagmyUBkw$lFN+qMuSMY5jn7Nx5Cv6xzSAAxaRxbKawbAktLXalcc",
    "$argon2d$v=19$m=8192,t=2,p=2$/fLoEMGxkktUyu8KCobxMg$aqvIhGdkJQBESQPyNGoeni6BZwcgxmUuLZn2xNDopfs",
    "$argon2id$v=19$m=8192,t=2,p=2$WQjZEd8v9wTaOyBWSly/Uw$YMJM7F9W3+wif4BgJ0l2Ya86o7j7MJh89f/zpG4n+i8",
];

#[test]
fn hashes_of_other_services_verify() {
    let mut memory = Memory::allocate();
    for stored in HASHES {
        let verdict = verify(&"old passwörd".into(), stored, CAPS, &mut memory).unwrap();
        assert!(verdict.matches && verdict.may_replace, "{stored}");
        assert!(!verify(&"old passwörD".into(), stored, CAPS, &mut memory).unwrap().matches, "{stored}");
    }
}

/// The name and the hash of each line of hashes.txt.
fn foreign() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("hashes.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap())
}

#[test]
fn each_form_of_other_services_verifies() {
    let mut memory = Memory::allocate();
    for (name, stored) in foreign() {
        let verdict = verify(&"old passwörd".into(), stored, CAPS, &mut memory);
        let verdict = verdict.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(verdict.matches && verdict.may_replace, "{name}");
        assert!(!verify(&"old passwörD".into(), stored, CAPS, &mut memory).unwrap().matches, "{name}");
    }
}

/// Of the pages of Spring Security and of Firebase's own implementation.
#[test]
fn published_examples_verify() {
    let mut memory = Memory::allocate();
    let wide = Caps { memory_kib: 64 * 1024 };
    for (password, stored) in [
        ("password", "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG"),
        ("password", "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc"),
        (
            "password",
            "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=",
        ),
        ("password", "{sha256}97cde38028ad898ebc02e690819fa220e88c62e0699403e94fff291cfffaf8410849f27605abcbc0"),
        (
            "user1password",
            "$firescrypt$ln=14,r=8,p=1$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==$Bw==$jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        ),
    ] {
        assert!(verify(&password.into(), stored, wide, &mut memory).unwrap().matches, "{stored}");
    }
}

#[test]
fn a_hash_with_a_part_cut_off_is_refused() {
    // Values of scrypt and Argon2 have no fixed length.
    let has_fixed_length = |name: &str| !name.contains("scrypt") && !name.contains("argon2");
    for (name, stored) in foreign().filter(|(name, _)| has_fixed_length(name)) {
        let stored = stored.trim_end_matches('=');
        for length in [stored.len() - 2, stored.len() / 2] {
            let Some(part) = stored.get(..length) else { continue };
            // Without its end, a salted digest is one with a shorter salt.
            let is_digest = Stored::parse(part).is_ok_and(|stored| matches!(stored, Stored::Digest(_)));
            assert!(Stored::parse(part).is_err() || is_digest, "{name}: {part}");
        }
    }
}

#[test]
fn the_kind_of_a_hash_that_cannot_be_verified_is_named() {
    for (stored, kind) in [
        ("$1$dpwlNYSA$0b858AYkNwvr/i9dTp2lw1", "md5-crypt"),
        ("$apr1$1UATF3QL$J9kdjKyAXMjyXxKmTvMDa0", "Apache's md5-crypt"),
        ("$md5,rounds=34000$am0d7.9.$$tqbhoeDkFN96w/e6B4ht21", "md5-crypt of Solaris"),
        ("$P$6H82Wnx7Aq2E3FedKfJ6zKbZN2KoaB.", "PHPass"),
        ("$H$6H82Wnx7Aq2E3FedKfJ6zKbZN2KoaB.", "PHPass"),
        ("$S$Dxl7wd6vOk1QnYFuZKZ3eYv0v7bYqv1LpnHW8qB5B1Ff7JkBfyAn", "Drupal 7"),
        ("$sha1$100$rnvfGWPm$y8pKwEx2y3VrnWl6j8EwdkBvP7iF", "sha1-crypt"),
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7", "yescrypt"),
        ("$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D", "crypt(3)'s scrypt"),
        ("$scram$100$fM9Zy/k$sha-1=Gnx9XsB8kkV2Ei1kt66Q3LE222o", "SCRAM"),
        ("SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy", "SCRAM"),
        ("{FSHP1|16|480000}ghCCcK4VojSmNIaQEqJU6j+lUYeJtlOwMe9XbfZH8p7wHgNxyTo38M0ETu61qA4k", "FSHP"),
        ("{MD5}toTSgoBUdR2B5BuTXSXRPQ==", "unsalted MD5"),
        ("{SMD5}gFAVOmkJ7lg/sg9ZJtxch73XWqs=", "salted MD5"),
        ("{NT}d99c3c84339394cc67286b6c1b551e60", "NT hash"),
        ("{SASL}alice@example.com", "another service verifies"),
        ("b684d2828054751d81e41b935d25d13d", "MD5 or the NT hash"),
        ("md5b684d2828054751d81e41b935d25d13d", "PostgreSQL's MD5"),
        ("b684d2828054751d81e41b935d25d13d:salt", "salted MD5"),
        ("5494d8cf12d2b524e840ebbc60e2cc8b24686e6b", "SHA-1 without a scheme"),
        ("7dbe6d2011435073d45267f63bddb2021dc2537270256d0299246371aa9ec493", "SHA-256 without a scheme"),
        ("0x0100EADD1B43F7B20549E821304FA7C61C595D2FF5026E795F8B", "SQL Server"),
        ("*15D7878D464A56D8D9D554595C5FF0C4483FE5F1", "MySQL's hash"),
        ("30db203610cec451", "MySQL's old hash"),
        ("md5$HDzDPBJWZQjs$f19c2706ad57f231ce0749d33846ec6b", "Django's MD5"),
        ("crypt$hc$hcMVWWKyVAECo", "traditional crypt"),
        ("{CRYPT}OLTDhZ.Rq2N8s", "traditional crypt"),
        ("{CRYPT}$1$KKXADOfD$Fqj4PajOkNH3M1a6lgs5Z/", "md5-crypt"),
        ("{noop}s3cret", "plain text"),
        ("{CLEARTEXT}s3cret", "plain text"),
        ("pbkdf2:sha256$salt$aa", "without the number of its iterations"),
        ("pbkdf2:md5:1000$salt$aa", "PBKDF2 with an unknown digest"),
        ("pbkdf2_sha224$1000$salt$YWE=", "PBKDF2 with an unknown digest"),
        ("$pbkdf2-sha3$1000$c2FsdA$YWE", "PBKDF2 with an unknown digest"),
        ("$2x$06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa.", "unsupported version of bcrypt"),
        ("{UNHEARD-OF}s3cret", "unknown scheme"),
        ("$sha1$pf=e1NBTFR9JHtQQVNTV09SRH0kJHtTQUxUfQ==$NDVt$YWJj", "Kratos' form"),
        ("$md5$pf=e1NBTFR9e1BBU1NXT1JEfQ==$MTIz$iyYwYA==", "the salted MD5 of Kratos"),
        ("$md5$CY9rzUYh03PK3k6DJie09g==", "the MD5 of Kratos"),
        ("$hmac-md5$YWE=$YWE=", "an HMAC with another digest"),
        ("$A$005$F9odHYYwGVhQTVo0WTNxMzJDbXpZZXpRdTBkRVhKSkRDYmZHYzRqcQ", "caching_sha2_password"),
        ("$shiro1$SHA-256$500000$abc$def", "Shiro 1"),
        ("_J9..CCCCXBrJUJV154M", "BSDi"),
        ("OLTDhZ.Rq2N8s", "the traditional crypt (DES), or a password"),
        ("S:4143053633E59B4992A8EA17D2FF542C9EDEB335C886EED9C80450C1B4E6", "Oracle"),
        ("{PBKDF2-HMAC-SHA256}10000:c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0", "OpenDJ"),
        ("$argon2id$v=19$m=8192,t=2,p=1,data=YWE$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA", "associated data"),
        (
            "$pbkdf2-sha256$v=1,i=1000$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g",
            "other parameters than i=",
        ),
        ("$5$$zJ7RxGC/7iXRjtHZRLTQCZX4m4fCb4mQ8c6VZ9eh6w8", "SHA-crypt without a salt"),
        ("$5$a-b_c$zJ7RxGC/7iXRjtHZRLTQCZX4m4fCb4mQ8c6VZ9eh6w8", "SHA-crypt without a salt, or with other"),
        (":B:7c0a:5f4dcc3b5aa765d61d8327deb882cf99", "the MD5 of MediaWiki"),
        (":pbkdf2-legacyB:!sha512:64:128:0:abc", "this hash of MediaWiki"),
        ("16384$8$1$c2FsdA==$aGFzaA==", "scrypt without a scheme"),
        ("s3cret", "unknown algorithm, or a password in plain text"),
        (":s3cret", "unknown algorithm, or a password in plain text"),
        ("1$s3cret", "unknown algorithm, or a password in plain text"),
        ("$s3cret", "unknown algorithm"),
    ] {
        let error = Stored::parse(stored).err().unwrap_or_else(|| panic!("{stored} is accepted")).to_string();
        assert!(error.contains(kind) && !error.contains("s3cret"), "{stored}: {error}");
    }
}

#[test]
fn what_costs_too_much_names_the_number_and_the_setting() {
    let problem = |stored: &str| {
        let checked = Stored::parse(stored).and_then(|stored| stored.check(CAPS));
        checked.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let (value, sha_512) = ("aa".repeat(32), "a".repeat(86));
    for (stored, expected) in [
        (
            "$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
            "100 MiB of memory, at most 32; SC_AUTH_IMPORTED_HASH_MEMORY=100 allows it",
        ),
        (
            "$argon2id$v=19$m=4194304,t=2,p=8$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
            "4096 MiB of memory, at most 32; SC_AUTH_IMPORTED_HASH_MEMORY=4096 allows it",
        ),
        (
            "$argon2id$v=19$m=4194305,t=2,p=8$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
            "4097 MiB of memory, at most 32; SC_AUTH_IMPORTED_HASH_MEMORY can be at most 4096; import",
        ),
        (format!("scrypt:65536:8:1$salt${value}"), "SC_AUTH_IMPORTED_HASH_MEMORY=63 allows it"),
        (format!("scrypt:2048:8:9$salt${value}"), "9 parallel parts (p) of scrypt, at most 8"),
        (format!("pbkdf2:sha256:2000001$salt${value}"), "2000001 rounds of PBKDF2, at most 2000000"),
        // Two blocks of 32 bytes take the iterations twice.
        (format!("$pbkdf2-sha256$i=1500000,l=64$c2FsdA${}", "a".repeat(86)), "3000000 rounds of PBKDF2"),
        (format!("$6$rounds=1000001$salt${sha_512}"), "1000001 rounds of SHA-crypt, at most 1000000"),
        (
            "$2b$15$abcdefghijklmnopqrstuuG3n0bkKJBHaAqzC8UHJ5bU8jjbvJe3G".to_owned(),
            "15 as the cost of bcrypt, at most 14",
        ),
    ] {
        assert!(problem(&stored).contains(expected), "{stored}: {}", problem(&stored));
    }
    let scrypt = Stored::parse(&format!("scrypt:65536:8:1$salt${value}")).unwrap();
    assert!(
        scrypt.check(Caps { memory_kib: 63 * 1024 }).is_ok() && scrypt.check(Caps { memory_kib: 62 * 1024 }).is_err()
    );
    assert_eq!(problem(&format!("$6$rounds=656000$salt${sha_512}")), "", "passlib's default");
}

#[test]
fn a_quick_hash_takes_as_long_as_one_of_ours() {
    let is_quick = |stored: &str| Stored::parse(stored).unwrap().is_quick();
    for (name, stored) in foreign().filter(|(name, _)| name.contains("ssha") || name.contains("salted")) {
        assert!(is_quick(stored), "{name}");
    }
    assert!(is_quick(HASHES[2]) && !is_quick(HASHES[0]));
    let mut memory = Memory::allocate();
    let digest = foreign().find(|(name, _)| name.contains("salted")).unwrap().1;
    let before = CALLS.get();
    verify(&"x".into(), digest, CAPS, &mut memory).unwrap();
    assert_eq!(CALLS.get(), before + 1, "Argon2 runs once, as for a hash of ours");
}

#[test]
fn sha_crypt_reads_no_password_that_would_take_long() {
    let mut memory = Memory::allocate();
    let stored = foreign().find(|(name, _)| *name == "passlib_sha512_crypt").unwrap().1;
    assert!(!verify(&"x".repeat(129).into(), stored, CAPS, &mut memory).unwrap().matches);
}

#[test]
fn an_imported_hash_of_other_bytes_for_the_same_letters_verifies() {
    let mut memory = Memory::allocate();
    let decomposed = "old passwo\u{308}rd";
    assert!(verify(&decomposed.into(), HASHES[0], CAPS, &mut memory).unwrap().matches);
}

#[test]
fn the_old_service_can_read_what_is_written_for_it() {
    let mut memory = Memory::allocate();
    let stored = hash(&"new".into(), &Salt::from_rng(&mut rand::rng()), Form::OldService, &mut memory).unwrap();
    assert!(stored.starts_with("pbkdf2:sha256:150000$"), "{stored}");
    assert!(verify(&"new".into(), &stored, CAPS, &mut memory).unwrap().matches);
}

#[test]
fn a_stored_hash_that_exceeds_the_caps_is_refused() {
    let mut memory = Memory::allocate();
    let value = "aa".repeat(32);
    for costly in [
        "$argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
        "$argon2id$v=19$m=19456,t=99,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
        format!("pbkdf2:sha256:2000001$salt${value}"),
        format!("scrypt:65536:8:1$salt${value}"),
        format!("scrypt:32768:8:9$salt${value}"),
        format!("scrypt:2:131072:8$salt${value}"),
        format!("scrypt:2:262144:1$salt${value}"),
        format!("scrypt:16:8:33000$salt${value}"),
        format!("scrypt:2147483648:8:1$salt${value}"),
        "$argon2id$v=19$m=8192,t=2,p=65$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
        "$2b$15$abcdefghijklmnopqrstuuG3n0bkKJBHaAqzC8UHJ5bU8jjbvJe3G".to_owned(),
    ] {
        let error = verify(&"x".into(), &costly, CAPS, &mut memory).unwrap_err();
        assert!(error.to_string().contains("costs more"), "{costly}: {error}");
    }
}

#[test]
fn an_invalid_hash_is_refused() {
    let mut memory = Memory::allocate();
    let value = "aa".repeat(32);
    for bad in [
        "",
        "plain text",
        "a$b$c",
        "pbkdf2:md5:1$a$aa",
        "pbkdf2:sha256:0$a$aa",
        "scrypt:3:8:1$a$aa",
        "$2b$",
        "$2x$06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa.",
        &format!("scrypt:1:8:1$a${value}"),
        &format!("scrypt:2:2147483648:2$a${value}"),
        &format!("scrypt:2:4294967295:4294967295$a${value}"),
        &format!("scrypt:16384:8:0$a${value}"),
    ] {
        assert!(verify(&"x".into(), bad, CAPS, &mut memory).is_err(), "{bad}");
    }
}

#[test]
fn a_pod_of_128_mib_has_room_for_the_defaults_of_werkzeug_and_little_more() {
    let value = "aa".repeat(32);
    let check = |numbers: &str| Stored::parse(&format!("scrypt:{numbers}$a${value}")).unwrap().check(CAPS);
    for fits in ["32768:8:1", "32768:8:8", "16384:16:1", "1024:256:1", "16384:8:2"] {
        assert!(check(fits).is_ok(), "{fits}");
    }
    for too_much in ["65536:8:1", "32768:9:1", "2:87000:1", "1024:8:33000"] {
        assert!(check(too_much).is_err(), "{too_much}");
    }
}

#[test]
fn all_equivalent_versions_of_bcrypt_are_accepted() {
    let mut memory = Memory::allocate();
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let stored = format!("{prefix}06$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa.");
        assert!(verify(&"old passwörd".into(), &stored, CAPS, &mut memory).unwrap().matches, "{prefix}");
        let repeated = "old passwörd\0old passwörd".into();
        assert!(!verify(&repeated, &stored, CAPS, &mut memory).unwrap().matches, "{prefix}");
    }
}

#[test]
fn a_password_that_bcrypt_truncates_does_not_replace_the_hash() {
    let mut memory = Memory::allocate();
    let stored = bcrypt::hash("x".repeat(80), 4).unwrap();
    for (length, matches, may_replace) in [(71, false, true), (72, true, true), (73, true, false), (80, true, false)] {
        let verdict = verify(&"x".repeat(length).into(), &stored, CAPS, &mut memory).unwrap();
        assert_eq!(verdict.matches, matches, "{length}");
        assert_eq!(verdict.may_replace, matches && may_replace, "{length}");
    }
    // 36 characters of two bytes each, or of three if they are decomposed: only the latter are truncated.
    let stored = bcrypt::hash("ü".repeat(36), 4).unwrap();
    assert!(verify(&"ü".repeat(36).into(), &stored, CAPS, &mut memory).unwrap().may_replace);
    assert!(verify(&"u\u{308}".repeat(36).into(), &stored, CAPS, &mut memory).unwrap().may_replace);
}

#[test]
fn the_work_is_estimated_from_the_parameters() {
    let work = |stored: &str| Stored::parse(stored).unwrap().work();
    let value = "aa".repeat(32);
    assert_eq!(work(HASHES[0]), 2);
    assert_eq!(work(&format!("scrypt:32768:8:1$a${value}")), 4);
    assert_eq!(work("$2b$14$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa."), 64);
    assert_eq!(work("$2b$04$9WvkBPcy4a7TIrTuIb.rp.EjAlgRaMdAvwdlQ3MMaPF8h6uu8/sa."), 1);
    assert_eq!(work("$argon2id$v=19$m=19456,t=10,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"), 5);
}
