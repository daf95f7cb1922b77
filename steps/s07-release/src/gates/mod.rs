//! One control per file.

pub(crate) mod access_proved;
pub(crate) mod checks_complete;
pub(crate) mod key_vault;
pub(crate) mod least_privilege;
pub(crate) mod rotation;
