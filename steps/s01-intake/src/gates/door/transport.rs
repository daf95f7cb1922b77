//! Refuses bytes that crossed a network in the clear: whoever sat between could have changed or read them (T1).

use artifact::{Door, Feed};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::{Arrival, DoorFacts};

pub(crate) struct Transport;

impl Gate<Door, DoorFacts> for Transport {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "feed-transport",
            clauses: &[Clause::TlsInTransit],
            about: "refuses bytes that came over a connection without TLS; a folder of this machine is no connection",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, feed: Feed, facts: &DoorFacts) -> Verdict<Feed> {
        match facts.arrival {
            Arrival::Tls | Arrival::Folder => Pass(feed),
            Arrival::Plain => Refuse(Finding::seen(
                format!("feed `{}` came over a connection without TLS", feed.name),
                "have the supplier deliver over https, or into a folder of this machine",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arrival: Arrival) -> Verdict<Feed> {
        Transport.judge(Feed::new("market", "acme", vec![1]), &DoorFacts { arrival, ..DoorFacts::ordinary() })
    }

    #[test]
    fn tls_passes() {
        assert!(check(Arrival::Tls).passes());
    }
    #[test]
    fn a_folder_passes() {
        assert!(check(Arrival::Folder).passes());
    }
    #[test]
    fn a_plain_connection_is_refused() {
        assert!(check(Arrival::Plain).refuses());
    }
}
