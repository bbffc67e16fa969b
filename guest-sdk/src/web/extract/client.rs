//! Who sent the request.

use std::{convert::Infallible, fmt, net::IpAddr};

use crate::{FromRequest, Request, RequestExt};

/// The client's address, as the host sees it: a trusted proxy's word counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client(String);

impl Client {
    /// The address as text, without a port.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, if it is one of IP.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromRequest for Client {
    type Rejection = Infallible;

    fn from_request(request: &Request) -> Result<Self, Infallible> {
        Ok(Self(request.client()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test;

    #[test]
    fn a_client_has_an_address() {
        let client = Client::from_request(&test::get("/").client("2001:db8::7").request()).unwrap();
        assert_eq!((client.to_string(), client.ip().unwrap().is_ipv6()), ("2001:db8::7".into(), true));
    }
}
