//! Parts of the CEL rules (Common Expression Language) that come from the contract with the server.

use std::fmt::Write as _;

use sc_auth_contract::limits::HIDDEN;
use sc_auth_contract::places::{DATA, MOUNTS, RUN};
use sc_auth_contract::settings::{ALL, DecidedBy, Setting};
use schemars::{Schema, SchemaGenerator, json_schema};

/// The seconds in a field such as `15m`; `default` replaces a missing field.
pub fn seconds(field: &str, default: Option<Setting>) -> String {
    let field = format!("self.{field}");
    let text = match default {
        Some(setting) => format!("(has({field}) ? {field} : '{}')", setting.default),
        None => field,
    };
    format!(
        "{{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}}[{text}.substring({text}.size() - 1)] \
         * int({text}.substring(0, {text}.size() - 1))"
    )
}

/// The text is an e-mail address that the server accepts.
pub fn email() -> String {
    let atom = r#"[^\x00-\x20@.,:;<>()"\\\[\]\x7f]"#;
    let alphanumeric = r"[^\x00-/:-@\[-`{-\x7f]";
    let label = format!("{alphanumeric}({atom}{{0,61}}{alphanumeric})?");
    let pattern = format!("^{atom}+([.]{atom}+)*@{label}([.]{label})+$").replace('\\', r"\\");
    format!("self.matches('^.{{1,64}}@') && self.matches('{pattern}')")
}

/// Each domain is one that an e-mail address can have.
pub fn domains() -> String {
    let label = "[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?";
    format!("self.all(domain, domain.matches('^({label}[.])+{label}$'))")
}

/// The pattern of the host in a URL: names without empty parts, or an IPv6 address.
fn url_host() -> String {
    r"([-_a-zA-Z0-9]+([.][-_a-zA-Z0-9]+)*[.]?|\[[0-9a-fA-F]*:[:.0-9a-fA-F]+\])".replace('\\', r"\\")
}

/// One address of a host, without a query and a fragment (RFC 8414).
pub fn issuer() -> String {
    let host = url_host();
    format!("self.matches('^https?://{host}(:[0-9]{{1,5}})?(/[!-\"$-&(->@-~]*)?$')")
}

/// Each origin is one that a browser can send.
pub fn origins() -> String {
    let host = url_host();
    let port = "(:([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?";
    let no_page = "(?i:ftp|ws|wss|file|data|blob|about|javascript)";
    format!(
        "self.all(origin, origin.matches('^[a-zA-Z][-+.a-zA-Z0-9]*://{host}{port}$') && !origin.matches('^{no_page}:'))"
    )
}

/// The text has no control and no invisible characters.
pub fn visible() -> String {
    let ranges = HIDDEN.iter().fold(String::new(), |mut text, (first, last)| {
        let _ = write!(text, r"\\x{{{:x}}}-\\x{{{:x}}}", u32::from(*first), u32::from(*last));
        text
    });
    format!("self.matches('^[^{ranges}]*$')")
}

/// No additional variable of the pods is one that another field, or the operator itself, sets.
pub fn no_reserved_variable() -> String {
    let reserved = ALL.iter().filter(|setting| setting.decided_by != DecidedBy::PodTemplate);
    let mut names: Vec<&str> = reserved.map(|setting| setting.name.trim_end_matches("_FILE")).collect();
    names.retain(|name| !name.starts_with("DB_"));
    names.dedup();
    let ours: Vec<_> = names.iter().filter_map(|name| name.strip_prefix("SC_AUTH_")).collect();
    let others: Vec<_> = names.iter().copied().filter(|name| !name.starts_with("SC_AUTH_")).collect();
    let pattern = format!("^({}|DB_[A-Z_]*|SC_AUTH_({}))(_FILE)?$", others.join("|"), ours.join("|"));
    format!("self.all(variable, !variable.name.matches('{pattern}'))")
}

/// No additional volume has the name of one of ours.
pub fn no_reserved_volume() -> String {
    let names: Vec<_> = MOUNTS.iter().map(|mount| format!("'{}'", mount.volume)).collect();
    format!("self.all(volume, !(volume.name in [{}]))", names.join(", "))
}

/// The names of our volumes, as a sentence has them.
pub fn reserved_volumes() -> String {
    let names = MOUNTS.map(|mount| mount.volume);
    let [others @ .., last] = &names;
    format!("{} and {last}", others.join(", "))
}

/// An absolute path, without `:`, empty parts, `.` and `..`, by which it could lead to one of our folders after all.
const PLAIN_FOLDER: &str = "^(/([^/:.][^/:]*|[.][^/:.][^/:]*|[.][.][^/:]+))+/*$";

/// No extra volume is mounted at one of our folders, inside of one, or at a folder that holds one.
pub fn no_reserved_folder() -> String {
    let folders = [RUN, DATA.path].map(|folder| {
        let inside = folder.rsplit('/').filter(|name| !name.is_empty());
        let pattern = inside.fold("(/.*)?".to_owned(), |rest, name| format!("(/{name}{rest})?"));
        pattern.strip_prefix("(/").and_then(|rest| rest.strip_suffix(")?")).unwrap_or_default().to_owned()
    });
    let pattern = format!("^/({})?/*$", folders.join("|"));
    format!("self.all(mount, mount.mountPath.matches('{PLAIN_FOLDER}') && !mount.mountPath.matches('{pattern}'))")
}

/// A DNS name (RFC 1123 subdomain): a host, or the name of an object of most kinds.
pub const DNS_NAME: &str = "^[a-z0-9]+((-+|[.])[a-z0-9]+)*$";

/// The text is a [`DNS_NAME`].
pub fn object_name() -> String {
    format!("self.matches('{DNS_NAME}')")
}

/// The key of a label: a name, with a DNS name and a slash in front or not.
const LABEL_KEY: &str = "([a-z0-9]+((-+|[.])[a-z0-9]+)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?";

/// The refusal of a key that the API server refuses in each object.
const KEYS: &str = "write keys of at most 63 characters, such as team or example.com/team";

/// A map of labels.
pub fn labels(_: &mut SchemaGenerator) -> Schema {
    let keys = format!("self.all(key, key.indexOf('/') <= 253 && key.matches('^{LABEL_KEY}$'))");
    json_schema!({"type": "object", "x-kubernetes-validations": [{"rule": keys, "message": KEYS}], "additionalProperties": {
        "type": "string",
        "maxLength": 63,
        "x-kubernetes-validations": [{
            "rule": "self.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$')",
            "message": "the value of a label has at most 63 letters, digits, hyphens, dots and underscores",
        }],
    }})
}

/// A map of annotations. In their keys, unlike in those of labels, the letter case of the DNS name does not count.
pub fn annotations(_: &mut SchemaGenerator) -> Schema {
    let keys = format!("self.all(key, key.indexOf('/') <= 253 && key.matches('(?i)^{LABEL_KEY}$'))");
    json_schema!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": keys, "message": KEYS}],
        "additionalProperties": {"type": "string", "maxLength": 16384},
    })
}

/// The refusal of labels that the operator itself sets.
pub const OWN_LABELS: &str = "labels that begin with app.kubernetes.io/ or sc-auth.io/ are the operator's own";

/// No label is one that the operator itself sets.
pub fn no_own_label() -> &'static str {
    "self.all(name, !name.startsWith('app.kubernetes.io/') && !name.startsWith('sc-auth.io/'))"
}

/// The refusal of annotations that the operator itself sets.
pub const OWN_ANNOTATIONS: &str = "annotations that begin with sc-auth.io/ are the operator's own";

/// No annotation is one that the operator itself sets.
pub fn no_own_annotation() -> &'static str {
    "self.all(name, !name.startsWith('sc-auth.io/'))"
}

/// Each file of an external database is in a folder, or is a file, that the pod template mounts. Without lists of these
/// fields, since the API server knows the greatest length only of the fields themselves.
pub fn files_are_mounted() -> String {
    let mounts = "self.podTemplate.volumeMounts";
    let is_mounted = |field: &str| {
        let file = format!("self.database.external.{field}");
        format!(
            "(!has({file}) || (!{file}.contains('..') && has(self.podTemplate) && has({mounts}) && {mounts}.exists(m, \
             ({file} + '/').startsWith(m.mountPath + (m.mountPath.endsWith('/') ? '' : '/')))))"
        )
    };
    let files = ["urlFile", "userFile", "passwordFile"].map(is_mounted).join(" && ");
    let ca = is_mounted("tls.caFile");
    format!("!has(self.database.external) || ({files} && (!has(self.database.external.tls) || {ca}))")
}

/// No two items of a list have the same value of a field.
pub fn unique_by(field: &str) -> String {
    format!("self.all(item, self.exists_one(other, other.{field} == item.{field}))")
}

/// Each item names another parent, as Gateway API requires: a parent once, or listeners of it.
pub fn distinct_parents() -> &'static str {
    "self.all(a, self.exists_one(b, b.name == a.name && (has(b.__namespace__) ? b.__namespace__ : '') \
     == (has(a.__namespace__) ? a.__namespace__ : '') \
     && (!has(a.sectionName) || !has(b.sectionName) || a.sectionName == b.sectionName)))"
}

/// The refusal of a peer of a NetworkPolicy that says nothing, or two things at once.
pub const PEERS: &str = "a peer has either ipBlock, or podSelector or namespaceSelector or both";

/// Each item of this list of peers has one of the forms of a peer.
pub fn peers(list: &str) -> String {
    format!("{list}.all(p, has(p.ipBlock) != (has(p.podSelector) || has(p.namespaceSelector)))")
}

/// Each source of a projected volume has one kind.
pub fn one_kind_of_source() -> String {
    let kinds = ["clusterTrustBundle", "configMap", "downwardAPI", "secret", "serviceAccountToken"];
    let kinds = kinds.map(|kind| format!("has(s.{kind})")).join(", ");
    format!("self.all(s, [{kinds}].exists_one(set, set))")
}

/// The reference of an image, as container runtimes read it.
pub fn image() -> String {
    let (host, part) = ("[a-z0-9][a-zA-Z0-9.-]*(:[0-9]+)?", "[a-z0-9]+([._-]+[a-z0-9]+)*");
    let (tag, digest) = ("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", "[a-z0-9]+([+._-][a-z0-9]+)*:[a-fA-F0-9]{32,}");
    format!("self.matches('^({host}/)?{part}(/{part})*(:{tag})?(@{digest})?$')")
}

/// The size of an embedded database's volume only grows; it can always be set back to what the volume has.
pub fn size_only_grows() -> String {
    let size = |object: &str| {
        let embedded = format!("{object}.spec.database.embedded");
        format!("(has({embedded}.size) ? string({embedded}.size) : '1Gi')")
    };
    let (new, old, capacity) = (size("self"), size("oldSelf"), "oldSelf.status.volume.capacity");
    let less = |left: &str, right: &str| format!("quantity({left}).compareTo(quantity({right})) < 0");
    format!(
        "!has(self.spec.database.embedded) || !has(oldSelf.spec.database.embedded) || !isQuantity({new}) || !isQuantity({old}) \
         || !({shrinks}) || (has(oldSelf.status) && has(oldSelf.status.volume) && (!has({capacity}) || !({below}) || {was_below}))",
        shrinks = less(&new, &old),
        below = less(&new, capacity),
        was_below = less(&old, capacity),
    )
}

/// The refusal of a name that no object can have.
pub const OBJECT_NAME: &str = "the name of a Secret or ConfigMap has lower-case letters, digits, hyphens and dots";

/// Each of these fields, if it is set, is the name of an object.
pub fn names_objects(of: &str, fields: &[&str]) -> String {
    let rules = fields.iter().map(|field| {
        let parts: Vec<_> = field.split('.').collect();
        let parts = (1..=parts.len()).map(|count| format!("!has({of}.{})", parts[..count].join(".")));
        format!("({} || {of}.{field}.matches('{DNS_NAME}'))", parts.collect::<Vec<_>>().join(" || "))
    });
    rules.collect::<Vec<_>>().join(" && ")
}

/// The key of a Secret or a ConfigMap in a variable.
pub fn variable_keys() -> String {
    let rules = ["secretKeyRef", "configMapKeyRef"]
        .map(|source| format!("(!has(self.{source}) || self.{source}.key.matches('^[-._a-zA-Z0-9]+$'))"));
    rules.join(" && ")
}

/// The fields of a pod that a variable can have.
pub fn pod_fields() -> String {
    let path = "metadata[.](name|namespace|uid|(labels|annotations)\\\\[.+\\\\])|spec[.](nodeName|serviceAccountName)|status[.](host|pod)IPs?";
    let resource = "(limits|requests)[.](cpu|memory|ephemeral-storage|hugepages-.+)";
    format!(
        "(!has(self.fieldRef) || self.fieldRef.fieldPath.matches('^({path})$')) && (!has(self.resourceFieldRef) || \
         self.resourceFieldRef.resource.matches('^{resource}$'))"
    )
}

/// The name of a CSI driver.
pub fn csi_driver() -> String {
    format!("!has(self.csi) || (self.csi.driver.size() <= 63 && self.csi.driver.matches('(?i){DNS_NAME}'))")
}

/// Each domain is one in which a resolver can look.
pub fn search_domains() -> String {
    let label = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
    format!("self.all(domain, domain.matches('^([.]|{label}([.]{label})*[.]?)$'))")
}

/// A variable's value comes from one place.
pub fn one_source() -> String {
    let sources = ["configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"];
    let sources = sources.map(|source| format!("has(self.{source})")).join(", ");
    format!("[{sources}].exists_one(set, set)")
}

/// A quantity of Kubernetes.
pub const IS_AMOUNT: &str = "isQuantity(string(self))";

/// A quantity is not less than another one. What is not a quantity has an error of its own.
pub fn at_least(least: &str) -> String {
    format!("!{IS_AMOUNT} || quantity(string(self)).compareTo(quantity('{least}')) >= 0")
}

/// The request of a resource is not more than its limit. What is not a quantity has an error of its own.
pub fn request_within_limit(resource: &str, default_limit: Option<&str>) -> String {
    let request = format!("string(self.requests.{resource})");
    let default = default_limit.map_or_else(|| request.clone(), |limit| format!("'{limit}'"));
    let limit =
        format!("(has(self.limits) && has(self.limits.{resource}) ? string(self.limits.{resource}) : {default})");
    format!(
        "!has(self.requests) || !has(self.requests.{resource}) || !isQuantity({request}) || !isQuantity({limit}) || \
         quantity({request}).compareTo(quantity({limit})) <= 0"
    )
}

#[cfg(test)]
mod tests {
    use regex::Regex;
    use sc_auth_contract::samples::{
        AUDIENCES, DOMAINS, EMAILS, ISSUERS, ORIGINS, Samples, USELESS_ISSUERS, USELESS_ORIGINS,
    };
    use serde_json::Value;

    /// The patterns in the rules of a field of the spec, and whether a value has to match them.
    fn patterns(path: &str) -> Vec<(Regex, bool)> {
        let schema = crate::api::schema().unwrap();
        let rules = schema.pointer(path).unwrap()["x-kubernetes-validations"].as_array().unwrap();
        let mut patterns = Vec::new();
        for rule in rules.iter().filter_map(|rule: &Value| rule["rule"].as_str()) {
            let parts: Vec<_> = rule.split(".matches('").collect();
            for (before, rest) in parts.iter().zip(&parts[1..]) {
                let is_wanted = !before.trim_end_matches(char::is_alphanumeric).ends_with('!');
                let pattern = rest.split("')").next().unwrap().replace(r"\\", r"\");
                patterns.push((Regex::new(&pattern).unwrap(), is_wanted));
            }
        }
        patterns
    }

    #[test]
    fn a_name_that_hides_characters_is_refused() {
        let patterns = patterns("/properties/spec/properties/bootstrapAdmin/properties/username");
        let accepts = |name: &str| patterns.iter().all(|(pattern, is_wanted)| pattern.is_match(name) == *is_wanted);
        for name in ["admin", "J\u{f6}rg M\u{fc}ller", "\u{674e}\u{5c0f}\u{9f99}"] {
            assert!(accepts(name), "{name:?}");
        }
        for name in ["ad\u{200b}min", "ad\u{202e}min", "ad\u{7}min", "\u{3164}\u{3164}\u{3164}", "admin\u{feff}"] {
            assert!(!accepts(name), "{name:?}");
        }
    }

    #[test]
    fn the_schema_accepts_what_the_server_accepts() {
        let useless = Samples { good: &[], bad: USELESS_ORIGINS };
        for (field, samples) in [
            ("auth/properties/issuer", ISSUERS),
            ("auth/properties/issuer", Samples { good: &[], bad: USELESS_ISSUERS }),
            ("auth/properties/audiences", AUDIENCES),
            ("auth/properties/corsOrigins", ORIGINS),
            ("auth/properties/corsOrigins", useless),
            ("auth/properties/registrationDomains", DOMAINS),
            ("bootstrapAdmin/properties/email", EMAILS),
        ] {
            let patterns = patterns(&format!("/properties/spec/properties/{field}"));
            assert!(!patterns.is_empty(), "{field}");
            let accepts = |value: &str| patterns.iter().all(|(pattern, wanted)| pattern.is_match(value) == *wanted);
            for good in samples.good {
                assert!(accepts(good), "{field}: {good:?}");
            }
            for bad in samples.bad {
                assert!(!accepts(bad), "{field}: {bad:?}");
            }
        }
    }
}
