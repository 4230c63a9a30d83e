//! Which addresses a webhook may be at.
//!
//! The one URL in the configuration is all that is ever fetched. A name in it is looked up anew for
//! each connection, and whoever answers for that name could point it at this host's own services or
//! at the address where clouds hand out credentials; such answers are dropped.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// The address, if the host of a URL is one.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether a URL's host says that this very machine is meant.
pub(super) fn is_this_host(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || literal(host).is_some_and(|address| address.is_loopback())
}

/// Whether anybody may be posted to there at all.
///
/// # Errors
/// A sentence that says why not.
pub(super) fn allowed(address: IpAddr) -> Result<(), String> {
    let refused = match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_multicast() || v4.is_broadcast() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified(),
    };
    if refused { Err(format!("{address} is an address of no receiver")) } else { Ok(()) }
}

/// Looks names up and keeps what may be posted to.
#[derive(Clone)]
pub(super) struct Resolver {
    system: GaiResolver,
    loopback: bool,
}

impl Resolver {
    /// For the host of this URL: only `localhost` may be this machine.
    pub(super) fn for_host(host: &str) -> Self {
        Self { system: GaiResolver::new(), loopback: is_this_host(host) }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let looking_up = self.system.call(name);
        let loopback = self.loopback;
        Box::pin(async move { keep(looking_up.await?, loopback).map(Vec::into_iter) })
    }
}

fn keep(found: impl Iterator<Item = SocketAddr>, loopback: bool) -> std::io::Result<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = found.collect();
    let is_kept = |address: &SocketAddr| {
        allowed(address.ip()).is_ok() && (loopback || !address.ip().to_canonical().is_loopback())
    };
    let kept: Vec<SocketAddr> = found.iter().copied().filter(is_kept).collect();
    if kept.is_empty() && !found.is_empty() {
        return Err(std::io::Error::other("the name leads to addresses that no receiver may have"));
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(addresses: &[&str], loopback: bool) -> Option<usize> {
        let addresses = addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443));
        keep(addresses, loopback).ok().map(|kept| kept.len())
    }

    #[test]
    fn a_name_cannot_lead_to_this_host_or_to_its_neighbours_credentials() {
        assert_eq!(kept(&["192.168.10.20", "203.0.113.7", "2001:db8::1"], false), Some(3));
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "0.0.0.0"] {
            assert_eq!(kept(&[address], false), None, "{address}");
            assert_eq!(kept(&[address, "10.0.0.1"], false), Some(1), "{address}");
        }
        assert_eq!(kept(&["127.0.0.1", "::1"], true), Some(2), "localhost is this host");
    }

    #[test]
    fn only_a_loopback_host_is_this_host() {
        assert!(["localhost", "127.0.0.1", "[::1]"].into_iter().all(is_this_host));
        assert!(!["localhost.example.com", "10.0.0.1"].into_iter().any(is_this_host));
    }
}
