//! Fills the facts of each step: reads the world, decides nothing.

pub(crate) mod s01;
pub(crate) mod s02;
pub(crate) mod s03;
pub(crate) mod s06;
pub(crate) mod s07;
