//! Refuses internal data by an unknown connector or with a column that the contract does not name: the pipeline gets what it needs
//! of the customer data and no more (T1).

use artifact::{Append, Origin, Source};
use gate::Verdict::{Pass, Refuse};
use gate::{Card, Clause, Finding, Gate, Maturity, Verdict};

use crate::Facts;

pub(crate) struct InternalColumns;

impl Gate<Source, Facts> for InternalColumns {
    fn card(&self) -> &'static Card {
        const CARD: Card = Card {
            id: "source-internal-columns",
            clauses: &[Clause::InternalAccess],
            about: "refuses internal data through a connector that is not allowed, or with columns that the contract does not let in",
            maturity: Maturity::Working,
        };
        &CARD
    }

    fn judge(&self, append: Append, facts: &Facts) -> Verdict<Append> {
        if let Origin::Internal { connector } = &append.origin
            && !facts.connectors_allowed.contains(connector)
        {
            let why = format!("connector `{connector}` is not allowed to bring internal data");
            return Refuse(Finding::seen(why, "name it under `source.connectors` in stayward.toml"));
        }
        let foreign: Vec<&str> =
            append.columns.iter().filter(|column| !facts.columns_allowed.contains(column)).map(String::as_str).collect();
        if foreign.is_empty() {
            return Pass(append);
        }
        let why = format!("columns `{}` are not in the contract", foreign.join(", "));
        Refuse(Finding::seen(why, "leave them out, or give them a role in contract.toml"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::append;

    #[test]
    fn agreed_columns_pass() {
        assert!(InternalColumns.judge(append(), &Facts::ordinary()).passes());
    }
    #[test]
    fn another_column_is_refused() {
        let columns = vec!["customer_id".into(), "card_number".into()];
        assert!(InternalColumns.judge(Append { columns, ..append() }, &Facts::ordinary()).refuses());
    }
    #[test]
    fn another_connector_is_refused() {
        let origin = Origin::Internal { connector: "usb-stick".into() };
        assert!(InternalColumns.judge(Append { origin, ..append() }, &Facts::ordinary()).refuses());
    }
}
