//! Gates on the way in.

pub(crate) mod distinct_customers;
pub(crate) mod rate;
pub(crate) mod scope;
pub(crate) mod token;
pub(crate) mod track_use;
