//! Gates that judge parsed rows.

pub(crate) mod market;
pub(crate) mod outliers;
pub(crate) mod quarantine;
pub(crate) mod release;
pub(crate) mod schema;
pub(crate) mod thresholds;
