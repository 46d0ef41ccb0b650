//! Values of fields that become settings: the schema of the custom resource and the server must agree about them. Their
//! tests use these.

/// Values that both accept, and values that both refuse.
#[derive(Debug, Clone, Copy)]
pub struct Samples {
    /// Accepted.
    pub good: &'static [&'static str],
    /// Refused.
    pub bad: &'static [&'static str],
}

/// `spec.auth.issuer`
pub const ISSUERS: Samples = Samples {
    good: &[
        "https://auth.example.com",
        "http://a",
        "https://a_b.test/a,b;c=d%20",
        "https://a.test:8443/path/",
        "https://[::1]:8000",
    ],
    bad: &[
        "",
        "https://",
        "https:///x",
        "ftp://a.test",
        "auth.example.com",
        "https://a b",
        "https://\u{fc}.test",
        "https://a\nb",
    ],
};

/// Issuers that clients cannot use. The schema refuses them; the server warns, since release 0.2 started with them.
pub const USELESS_ISSUERS: &[&str] = &[
    "https://a,https://b",
    "https://:80",
    "https://h?x#y",
    "https://h/p?x",
    "https://h/p#y",
    "https://user:password@h",
    "https://h:x",
    "https://[x",
    "https://a,b",
];

/// `spec.auth.audiences`
pub const AUDIENCES: Samples =
    Samples { good: &["a", "https://api.example.com/v1", "a-b~c!"], bad: &["", "a b", "\u{fc}", "a\tb"] };

/// `spec.auth.corsOrigins`
pub const ORIGINS: Samples = Samples {
    good: &[
        "https://app.example.com",
        "https://App.Example.com",
        "http://localhost:3000",
        "https://a.test:443",
        "https://a_b.test.",
        "https://127.1",
        "https://[::1]:8443",
        "https://[::ffff:1.2.3.4]",
        "capacitor://localhost",
        "tauri://localhost",
        "chrome-extension://abcdefghijklmnop",
    ],
    bad: &[
        "",
        "https://",
        "app.example.com",
        "https://a.test/",
        "https://a.test/path",
        "https://a b",
        "ftp://a.test",
        "file://a",
        "about://blank",
        "javascript://a",
        "WSS://a.test",
        "1a://b",
        "capacitor://local host",
        "*",
        "null",
        "https://\u{fc}.test",
    ],
};

/// Origins that no browser sends. The schema refuses them; the server warns, since release 0.2 started with them.
pub const USELESS_ORIGINS: &[&str] = &[
    "https://*.example.com",
    "https://*",
    "https://user@a.test",
    "https://user:password@a.test",
    "https://a.test?x",
    "https://a.test#x",
    "https://a.test\\x",
    "https://a.test:80x",
    "https://a.test:99999",
    "https://a:1:2",
    "https://::1",
    "https://[::1",
    "https://[x]",
    "https://:8000",
    "https://a,b",
    "https://a%2e.test",
    "https://.",
    "https://a..test",
    "https://.a.test",
];

/// `spec.auth.registrationDomains`
pub const DOMAINS: Samples = Samples {
    good: &["example.com", "Sub.Example.org", "a-b.co.uk", "xn--mnchen-3ya.de", "1.2"],
    bad: &[
        "",
        "*.example.com",
        "*",
        "open",
        "true",
        "example",
        "alice@example.com",
        "-a.b",
        "a-.b",
        "a..b",
        "https://example.com",
        "a.b c.d",
        "a.b;c.d",
    ],
};

/// `spec.bootstrapAdmin.email`
pub const EMAILS: Samples = Samples {
    good: &["admin@example.com", "a.b+c@sub.example.org", "\u{fc}@m\u{fc}ller.example", "o'neil@a-b.test", "1@2.3"],
    bad: &[
        "",
        "a",
        "a@",
        "@b.c",
        "a@b",
        "a b@c.d",
        "a@b..c",
        "a@b.c.",
        "a@.b.c",
        ".a@b.c",
        "a.@b.c",
        "a..b@c.d",
        "a@-b.c",
        "a@b-.c",
        "a@b@c.d",
        "a,b@c.d",
        "a(b)@c.d",
        "Alice <a@b.c>",
        "a@[127.0.0.1]",
        "a@b.c\n",
        "a\u{200b}b@c.d",
        "a@b\u{202e}.c",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.c",
        "a@bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.c",
    ],
};
