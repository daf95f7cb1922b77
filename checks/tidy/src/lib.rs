//! The repository's rules as ordinary tests: what no compiler keeps, and review would forget (T4, T7).
//!
//! Each rule is a function from paths and texts to complaints; a complaint names the file, the rule and what to do. Beside each
//! stands a test that the rule sees what it forbids. Golden files in this folder hold what may only change on purpose: write them
//! anew with `STAYWARD_BLESS=1 cargo nextest run -p tidy` (`just gen`) and have the change reviewed.

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod cards;
#[cfg(test)]
mod clauses;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod repository;
#[cfg(test)]
mod resolved;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod words;
