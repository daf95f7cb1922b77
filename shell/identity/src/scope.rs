//! Which customers an application may ask about (T2): everything that is not named is denied.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::database::NAME_BYTES_MAX;
use crate::error::IdentityError;

/// Entries of a list at most.
pub const SCOPE_ENTRIES_MAX: usize = 100_000;
/// Bytes of a scope as stored at most.
const SCOPE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A predicate over customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CustomerScope {
    /// Every customer.
    All,
    /// The customers with these ids.
    Customers(BTreeSet<String>),
    /// Customers of these segments.
    Segments(BTreeSet<String>),
    /// Customers of these regions.
    Regions(BTreeSet<String>),
}

impl CustomerScope {
    /// Whether the customer is inside. A customer whose segment or region is not known is outside a scope that asks for it.
    #[must_use]
    pub fn covers(&self, customer: &str, segment: Option<&str>, region: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Customers(ids) => ids.contains(customer),
            Self::Segments(names) => segment.is_some_and(|name| names.contains(name)),
            Self::Regions(names) => region.is_some_and(|name| names.contains(name)),
        }
    }

    pub(crate) fn check(&self) -> Result<(), IdentityError> {
        let entries = match self {
            Self::All => return Ok(()),
            Self::Customers(entries) | Self::Segments(entries) | Self::Regions(entries) => entries,
        };
        let max = i64::try_from(SCOPE_ENTRIES_MAX).unwrap_or(i64::MAX);
        if entries.is_empty() || entries.len() > SCOPE_ENTRIES_MAX {
            return Err(IdentityError::Range { what: "number of entries in the customer scope", min: 1, max });
        }
        if entries.iter().any(|entry| entry.is_empty() || entry.len() > NAME_BYTES_MAX) {
            return Err(IdentityError::Text { what: "entry of the customer scope", limit: NAME_BYTES_MAX });
        }
        Ok(())
    }

    pub(crate) fn to_text(&self) -> Result<String, IdentityError> {
        serde_json::to_string(self).map_err(|_| IdentityError::Corrupt("a customer scope"))
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, IdentityError> {
        let corrupt = IdentityError::Corrupt("a customer scope");
        if text.len() > SCOPE_BYTES_MAX {
            return Err(corrupt);
        }
        serde_json::from_str(text).map_err(|_| corrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_what_is_named_is_covered() {
        let check = |scope: &CustomerScope, expected: bool| assert_eq!(scope.covers("c1", Some("loyal"), None), expected);
        check(&CustomerScope::All, true);
        check(&CustomerScope::Customers(names(&["c1"])), true);
        check(&CustomerScope::Customers(names(&["c2"])), false);
        check(&CustomerScope::Segments(names(&["loyal"])), true);
        check(&CustomerScope::Segments(names(&["new"])), false);
        check(&CustomerScope::Regions(names(&["north"])), false);
    }

    #[test]
    fn scopes_read_back_and_empty_ones_are_refused() {
        for scope in [CustomerScope::All, CustomerScope::Regions(names(&["north", "s\u{fc}d"]))] {
            assert_eq!(CustomerScope::from_text(&scope.to_text().unwrap()).unwrap(), scope);
            scope.check().unwrap();
        }
        assert!(CustomerScope::Customers(names(&[])).check().is_err());
        assert!(CustomerScope::Customers(names(&[""])).check().is_err());
        assert!(CustomerScope::from_text("\"everything\"").is_err());
    }
}
