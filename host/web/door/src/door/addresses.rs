//! How many connections an address has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::limits::Limits;
use crate::rate;

/// Connections by address; no more entries than there are connections.
#[derive(Default)]
pub(super) struct Addresses {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A place that a connection takes.
pub(super) struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    /// A place for one more connection, if the address has not too many.
    pub(super) fn place(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Option<Place> {
        let is_exempt = limits.loopback_is_exempt && address.to_canonical().is_loopback();
        let address = rate::caller(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= limits.connections_per_address.max(1) && !is_exempt {
            return None;
        }
        *count += 1;
        Some(Place { addresses: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let addresses = Arc::<Addresses>::default();
        let mut limits = Limits { connections_per_address: 2, ..Limits::default() };
        let [here, there] = ["127.0.0.1", "192.0.2.7"].map(|address| address.parse().unwrap());
        let places = [here, here, there].map(|address| addresses.place(address, &limits).unwrap());
        assert!(addresses.place(here, &limits).is_none());
        assert!(addresses.place(there, &limits).is_some());
        limits.loopback_is_exempt = true;
        assert!(addresses.place(here, &limits).is_some());
        drop(places);
        assert!(addresses.open.lock().unwrap().is_empty());
    }

    #[test]
    fn loopback_of_ipv6_is_loopback() {
        let addresses = Arc::<Addresses>::default();
        let limits = Limits { connections_per_address: 1, loopback_is_exempt: true, ..Limits::default() };
        let _places = [(); 3].map(|()| addresses.place("::1".parse().unwrap(), &limits).unwrap());
    }
}
