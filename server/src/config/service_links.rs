//! Kubernetes describes each Service of a namespace in the environment of its pods, unless a pod has
//! `enableServiceLinks: false`: a Service `sc-auth-svc` gives `SC_AUTH_SVC_SERVICE_HOST`, and a Service `db` gives
//! `DB_PORT=tcp://…`. None of these variables is a setting, even if a setting has the same name.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// The variables of a process.
pub type Environment = BTreeMap<String, String>;

/// The protocols of a Service (Kubernetes, `ServicePort.protocol`), in lower case as in the values.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// The names of the variables that describe Services. A variable counts only if its name, its value and the Service's
/// own variables agree: a setting that is misspelt so that it looks like one of these is not among them.
pub fn names(environment: &Environment) -> Vec<&str> {
    let services: Vec<_> =
        environment.iter().filter_map(|(name, value)| Service::of(environment, name, value)).collect();
    let is_link = |name: &str, value: &str| services.iter().any(|service| service.has(name, value));
    environment.iter().filter(|(name, value)| is_link(name, value)).map(|(name, _)| name.as_str()).collect()
}

/// A Service that two variables describe: its address and its first port.
struct Service<'a> {
    /// Its name in capitals, with `_` for `-`.
    prefix: &'a str,
    address: IpAddr,
}

impl<'a> Service<'a> {
    /// The Service whose address a variable gives.
    fn of(environment: &Environment, name: &'a str, value: &str) -> Option<Self> {
        let prefix = name.strip_suffix("_SERVICE_HOST").filter(|prefix| !prefix.is_empty())?;
        port(environment.get(&format!("{prefix}_SERVICE_PORT"))?)?;
        Some(Self { prefix, address: value.parse().ok()? })
    }

    /// Whether Kubernetes gives this variable to pods for this Service.
    fn has(&self, name: &str, value: &str) -> bool {
        let Some(name) = name.strip_prefix(self.prefix).and_then(|name| name.strip_prefix('_')) else { return false };
        match name {
            "SERVICE_HOST" => true,
            "SERVICE_PORT" => port(value).is_some(),
            "PORT" => PROTOCOLS.iter().any(|protocol| self.port_of_url(protocol, value).is_some()),
            _ => is_named_port(name, value) || self.has_numbered_port(name, value).unwrap_or(false),
        }
    }

    /// `PORT_8000_TCP=tcp://10.0.0.1:8000`, `PORT_8000_TCP_PROTO=tcp`, `PORT_8000_TCP_PORT=8000` and
    /// `PORT_8000_TCP_ADDR=10.0.0.1`
    fn has_numbered_port(&self, name: &str, value: &str) -> Option<bool> {
        let (number, rest) = name.strip_prefix("PORT_")?.split_once('_')?;
        let number = port(number)?;
        let (protocol, part) = rest.split_once('_').map_or((rest, None), |(protocol, part)| (protocol, Some(part)));
        let protocol = PROTOCOLS.iter().find(|known| known.to_ascii_uppercase() == protocol)?;
        match part {
            None => Some(self.port_of_url(protocol, value)? == number),
            Some("PROTO") => Some(value == *protocol),
            Some("PORT") => Some(port(value)? == number),
            Some("ADDR") => Some(value.parse::<IpAddr>().ok()? == self.address),
            Some(_) => None,
        }
    }

    /// The port in a URL of this Service.
    fn port_of_url(&self, protocol: &str, url: &str) -> Option<u16> {
        let address: SocketAddr = url.strip_prefix(protocol)?.strip_prefix("://")?.parse().ok()?;
        (address.ip() == self.address).then(|| address.port())
    }
}

/// `SERVICE_PORT_HTTP=8000`
fn is_named_port(name: &str, value: &str) -> bool {
    let name = name.strip_prefix("SERVICE_PORT_");
    name.is_some_and(|name| name.chars().any(char::is_alphanumeric)) && port(value).is_some()
}

/// A port as Kubernetes writes it.
fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port: &u16| *port != 0 && port.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[&str]) -> Environment {
        let pairs = variables.iter().map(|variable| variable.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The variables of one Service, as the kubelet writes them (kubernetes/pkg/kubelet/envvars).
    const WHOLE: [&str; 12] = [
        "SC_AUTH_SVC_SERVICE_HOST=10.0.0.1",
        "SC_AUTH_SVC_SERVICE_PORT=8000",
        "SC_AUTH_SVC_SERVICE_PORT_HTTP=8000",
        "SC_AUTH_SVC_PORT=tcp://10.0.0.1:8000",
        "SC_AUTH_SVC_PORT_8000_TCP=tcp://10.0.0.1:8000",
        "SC_AUTH_SVC_PORT_8000_TCP_PROTO=tcp",
        "SC_AUTH_SVC_PORT_8000_TCP_PORT=8000",
        "SC_AUTH_SVC_PORT_8000_TCP_ADDR=10.0.0.1",
        "SC_AUTH_SVC_PORT_53_UDP=udp://10.0.0.1:53",
        "SC_AUTH_SVC_PORT_53_UDP_PROTO=udp",
        "SC_AUTH_SVC_PORT_53_UDP_PORT=53",
        "SC_AUTH_SVC_PORT_53_UDP_ADDR=10.0.0.1",
    ];

    #[test]
    fn all_variables_of_a_service_are_its_own() {
        let whole = environment(&WHOLE);
        assert_eq!(names(&whole).len(), WHOLE.len());
        let ipv6 = environment(&[
            "SC_AUTH_SERVICE_HOST=fd00::1",
            "SC_AUTH_SERVICE_PORT=8000",
            "SC_AUTH_PORT=sctp://[fd00::1]:8000",
            "SC_AUTH_PORT_8000_SCTP=sctp://[fd00::1]:8000",
            "SC_AUTH_PORT_8000_SCTP_ADDR=fd00::1",
        ]);
        assert_eq!(names(&ipv6).len(), 5);
    }

    /// Each is next to the variables of a Service that would explain its name.
    #[test]
    fn a_variable_that_only_looks_like_one_is_none() {
        for variable in [
            "SC_AUTH_SVC_PORT=8000",
            "SC_AUTH_SVC_PORT=tcp://10.0.0.2:8000",
            "SC_AUTH_SVC_PORT=http://10.0.0.1:8000",
            "SC_AUTH_SVC_PORT=tcp://sc-auth:8000",
            "SC_AUTH_SVC_PORT=tcp://10.0.0.1",
            "SC_AUTH_SVC_PORT_8000_TCP=tcp://10.0.0.1:8001",
            "SC_AUTH_SVC_PORT_8000_TCP=udp://10.0.0.1:8000",
            "SC_AUTH_SVC_PORT_8000_HTTP=http://10.0.0.1:8000",
            "SC_AUTH_SVC_PORT_8000_TCP_PROTO=udp",
            "SC_AUTH_SVC_PORT_8000_TCP_PORT=8001",
            "SC_AUTH_SVC_PORT_8000_TCP_ADDR=10.0.0.2",
            "SC_AUTH_SVC_PORT_8000_TCP_NAME=x",
            "SC_AUTH_SVC_PORT_08000_TCP_PROTO=tcp",
            "SC_AUTH_SVC_SERVICE_PORT_=8000",
            "SC_AUTH_SVC_SERVICE_PORT_HTTP=http",
            "SC_AUTH_SVC_SERVICE_PORT_HTTP=0",
            "SC_AUTH_SVC_SERVICE_NAME=sc-auth",
            "SC_AUTH_SVC=10.0.0.1",
            "SC_AUTH_LISTEN_PORT=8000",
            "SC_AUTH_LISTEN_PORT=tcp://10.0.0.1:8000",
        ] {
            let environment = environment(&[WHOLE[0], WHOLE[1], variable]);
            assert_eq!(names(&environment).len(), 2, "{variable}");
        }
    }

    #[test]
    fn without_its_address_and_its_port_there_is_no_service() {
        assert_eq!(names(&environment(&WHOLE[1..])), Vec::<&str>::new());
        assert_eq!(names(&environment(&[&WHOLE[..1], &WHOLE[2..]].concat())), Vec::<&str>::new());
        for host in ["sc-auth", "", "None", "10.0.0.1:8000"] {
            let host = format!("SC_AUTH_SVC_SERVICE_HOST={host}");
            let environment = environment(&[&host, WHOLE[1]]);
            assert_eq!(names(&environment), Vec::<&str>::new(), "{host}");
        }
    }
}
