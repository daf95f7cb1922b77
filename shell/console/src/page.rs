//! The pages, one file each. A page computes nothing but its own drawing (T2: it can show only what its view holds).

pub(crate) mod card;
pub(crate) mod controls;
pub(crate) mod entry;
pub(crate) mod evidence;
pub(crate) mod model;
pub(crate) mod passkeys;
pub(crate) mod pipeline;
pub(crate) mod run;
