//! Addresses of models: which there are, and which are on this machine.
//!
//! Invariant
//! - A1 Only `http` and `https`, without user and password; a plain `http` address is on this
//!   machine (N1: a key never travels unencrypted).
//!
//! Follows: RFC 3986, as far as is needed.

use std::fmt;
use std::net::IpAddr;

/// An address that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    text: String,
    is_local: bool,
}

impl Address {
    /// Reads an address such as `http://localhost:8080/v1`; says what is wrong with it otherwise.
    pub fn parse(text: &str) -> Result<Address, String> {
        let text = text.trim().trim_end_matches('/');
        let (is_plain, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(format!("{text:?} begins neither with http:// nor with https://")),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if rest.contains(['?', '#', '\\']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("{text:?} has a character that an address here cannot have"));
        }
        if authority.contains('@') {
            return Err("an address here has no user and password".to_owned());
        }
        let host = host_of(authority).ok_or_else(|| format!("{text:?} names no machine"))?;
        let is_local = is_local(host);
        if is_plain && !is_local {
            return Err(format!("{host} is not this machine, so it must be asked by https://"));
        }
        Ok(Address { text: text.to_owned(), is_local })
    }

    /// Whether it is on this machine.
    pub const fn is_local(&self) -> bool {
        self.is_local
    }

    /// Where chats are answered.
    pub fn chat(&self) -> String {
        if self.text.ends_with("/chat/completions") {
            self.text.clone()
        } else {
            format!("{}/chat/completions", self.text)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The name or number of the machine, without port and brackets.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { "" } else { port.strip_prefix(':')? })
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_port = port.is_empty() || port.parse::<u16>().is_ok();
    (!host.is_empty() && is_port).then_some(host)
}

/// A name is resolved by the system later, so only the one that is fixed counts.
fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let seen = match Address::parse(text) {
            Ok(address) if address.is_local() => format!("local {}", address.chat()),
            Ok(address) => address.chat(),
            Err(why) => format!("no: {why}"),
        };
        assert_eq!(seen, expect, "for {text:?}");
    }

    #[test]
    fn addresses_are_read() {
        check("http://localhost:8080/v1/", "local http://localhost:8080/v1/chat/completions");
        check("http://127.0.0.1", "local http://127.0.0.1/chat/completions");
        check("http://[::1]:1/v1", "local http://[::1]:1/v1/chat/completions");
        check("https://models.example/v1", "https://models.example/v1/chat/completions");
        check(
            "https://models.example/v1/chat/completions",
            "https://models.example/v1/chat/completions",
        );
    }

    #[test]
    fn what_would_leak_or_mislead_is_refused() {
        check("models.example", "no: \"models.example\" begins neither with http:// nor with https://");
        check("ftp://localhost", "no: \"ftp://localhost\" begins neither with http:// nor with https://");
        check("http://models.example", "no: models.example is not this machine, so it must be asked by https://");
        check("http://localhost.models.example", "no: localhost.models.example is not this machine, so it must be asked by https://");
        check("http://127.0.0.1@models.example", "no: an address here has no user and password");
        check("http://localhost:99999", "no: \"http://localhost:99999\" names no machine");
        check("http://", "no: \"http:\" begins neither with http:// nor with https://");
        check("https:///v1", "no: \"https:///v1\" names no machine");
        check("http://localhost\\@models.example", "no: \"http://localhost\\\\@models.example\" has a character that an address here cannot have");
        check("https://a b", "no: \"https://a b\" has a character that an address here cannot have");
        check("https://a/v1?key=1", "no: \"https://a/v1?key=1\" has a character that an address here cannot have");
        check("http://[::1", "no: \"http://[::1\" names no machine");
    }
}
