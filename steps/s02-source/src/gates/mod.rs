//! One control per file.

pub(crate) mod append_only;
pub(crate) mod content_cleared;
pub(crate) mod database_role;
pub(crate) mod internal_columns;
pub(crate) mod second_factor;
pub(crate) mod writer_role;
