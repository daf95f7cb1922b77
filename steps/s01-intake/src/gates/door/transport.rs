//! Refuses bytes that crossed a network in the clear: whoever sat between could have changed or read them (T1). And bytes that one
//! supplier handed in as another's: whose certificate opened the door is a fact, whatever the signature says.

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
            about: "refuses bytes that came over a connection without TLS, or from another supplier; a folder of this machine is no connection",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, feed: Feed, facts: &DoorFacts) -> Verdict<Feed> {
        match &facts.arrival {
            Arrival::Tls | Arrival::Folder | Arrival::Fetched { .. } => Pass(feed),
            // A part of the pipeline hands in for any supplier: a gateway of the company's own.
            Arrival::Pushed { by, .. } if by.starts_with("component/") => Pass(feed),
            Arrival::Pushed { by, .. } if by.strip_prefix("supplier/") == Some(feed.supplier.as_str()) => Pass(feed),
            Arrival::Pushed { by, .. } => Refuse(Finding::seen(
                format!("feed `{}` of `{}` was handed in by `{by}`", feed.name, feed.supplier),
                "have its own supplier deliver it, by its own certificate",
            )),
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
    fn pushed(by: &str) -> Arrival {
        Arrival::Pushed { by: by.into(), proof: "certificate 4f".into(), evidence: "ab".into() }
    }

    #[test]
    fn its_supplier_and_our_own_gateway_may_hand_it_in() {
        assert!(check(pushed("supplier/acme")).passes());
        assert!(check(pushed("component/feed-intake")).passes());
    }
    #[test]
    fn another_supplier_is_refused() {
        for by in ["supplier/mallory", "supplier/acme2", "acme", ""] {
            assert!(check(pushed(by)).refuses(), "{by}");
        }
    }
    #[test]
    fn what_we_fetched_passes() {
        assert!(check(Arrival::Fetched { from: "https://acme.example/x.csv".into(), evidence: "ab".into() }).passes());
    }
    #[test]
    fn a_plain_connection_is_refused() {
        assert!(check(Arrival::Plain).refuses());
    }
}
