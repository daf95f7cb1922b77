//! Points between two writes at which a test kills the process (rule: every crash is survivable). Only a build with debug assertions
//! has them; a release has nothing to switch on.

/// The variable that names the point; the process ends there as if it had been killed.
#[cfg(debug_assertions)]
const CRASH_AT: &str = "STAYWARD_CRASH_AT";

/// Every point, so that a test can try them all.
pub const POINTS: &[&str] = &[
    "roster:signed",
    "roster:written",
    "feeds:door-logged",
    "feeds:content-logged",
    "feeds:source-logged",
    "feeds:appended",
    "feeds:sequence-advanced",
    "feeds:state-left",
    "feeds:stopped",
    "customers:logged",
    "customers:appended",
    "source:recorded",
    "labels:logged",
    "labels:pointed",
    "segments:logged",
    "model:half-written",
    "model:written",
    "model:signed",
    "model:recorded",
    "model:judged",
    "release:logged",
    "deployment:logged",
    "deployment:booked",
    "secret:create",
    "secret:set",
    "secret:test",
    "secret:finish",
    "secret:logged",
    "secret:finished",
];

/// Ends the process here if the test asks for it: no handler runs, no buffer is written.
#[inline]
pub(crate) fn point(name: &str) {
    debug_assert!(POINTS.contains(&name), "crash point `{name}` is not listed");
    #[cfg(debug_assertions)]
    if std::env::var(CRASH_AT).is_ok_and(|wanted| wanted == name) {
        std::process::abort();
    }
    #[cfg(not(debug_assertions))]
    let _unused = name;
}
