//! How much one address takes (T2: throttling): connections at a time, and refusals in a minute. Kept small: an attacker with
//! many addresses must not fill the memory either.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Addresses whose refusals are remembered; above, the oldest minute goes first, then no more are taken in.
const ADDRESSES_MAX: usize = 16 * 1024;
const MINUTE_SECONDS: u64 = 60;

/// Counts by address.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    connections: Mutex<BTreeMap<IpAddr, u32>>,
    refused: Mutex<BTreeMap<IpAddr, Refused>>,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    minute: u64,
    times: u32,
}

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Arc<Crowd>,
    address: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut connections = self.crowd.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = connections.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                connections.remove(&self.address);
            }
        }
    }
}

impl Crowd {
    /// A place for one more connection from there, if there is one.
    pub(crate) fn seat(self: &Arc<Self>, from: IpAddr, most: u32) -> Option<Seat> {
        let address = household(from);
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let count = connections.entry(address).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { crowd: Arc::clone(self), address })
    }

    /// Takes down one refusal.
    pub(crate) fn refused(&self, from: IpAddr, now_seconds: u64) {
        let minute = now_seconds / MINUTE_SECONDS;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= ADDRESSES_MAX {
            refused.retain(|_, seen| seen.minute == minute);
        }
        let address = household(from);
        if refused.len() >= ADDRESSES_MAX && !refused.contains_key(&address) {
            return;
        }
        let seen = refused.entry(address).or_insert(Refused { minute, times: 0 });
        if seen.minute != minute {
            *seen = Refused { minute, times: 0 };
        }
        seen.times = seen.times.saturating_add(1);
    }

    /// Seconds to wait where this address was refused too often in this minute.
    pub(crate) fn must_wait(&self, from: IpAddr, most: u32, now_seconds: u64) -> Option<u32> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = refused.get(&household(from))?;
        let here = seen.minute == now_seconds / MINUTE_SECONDS && seen.times >= most;
        here.then(|| u32::try_from(MINUTE_SECONDS - now_seconds % MINUTE_SECONDS).unwrap_or(u32::MAX))
    }
}

/// What one subscriber has: an IPv4 address, or an IPv6 /64 (RFC 6177).
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_seat_is_given_back() {
        let crowd = Arc::new(Crowd::default());
        let first = crowd.seat(address("10.0.0.1"), 1);
        assert!(first.is_some() && crowd.seat(address("10.0.0.1"), 1).is_none() && crowd.seat(address("10.0.0.2"), 1).is_some());
        drop(first);
        assert!(crowd.seat(address("10.0.0.1"), 1).is_some());
        assert!(crowd.connections.lock().unwrap().is_empty());
    }

    #[test]
    fn a_household_counts_as_one() {
        let crowd = Arc::new(Crowd::default());
        let _first = crowd.seat(address("2001:db8::1"), 1).unwrap();
        assert!(crowd.seat(address("2001:db8::2"), 1).is_none() && crowd.seat(address("2001:db8:0:1::2"), 1).is_some());
    }

    #[test]
    fn the_next_minute_begins_anew() {
        let crowd = Crowd::default();
        crowd.refused(address("10.0.0.1"), 600);
        assert_eq!(crowd.must_wait(address("10.0.0.1"), 2, 601), None);
        crowd.refused(address("10.0.0.1"), 610);
        assert_eq!(crowd.must_wait(address("10.0.0.1"), 2, 620), Some(40));
        assert_eq!(crowd.must_wait(address("10.0.0.2"), 2, 620), None);
        assert_eq!(crowd.must_wait(address("10.0.0.1"), 2, 660), None);
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let crowd = Crowd::default();
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 50 {
            crowd.refused(IpAddr::V4(number.into()), 600);
        }
        assert_eq!(crowd.refused.lock().unwrap().len(), ADDRESSES_MAX);
        crowd.refused(address("10.0.0.1"), 700);
        assert_eq!(crowd.refused.lock().unwrap().len(), 1);
    }
}
