//! Runs safe code with the widest vector instructions of the processor at hand. Results do not depend on them (T4): the compiler
//! neither fuses nor reorders floating-point operations, so that every machine gives the same bits.

use pulp::{Arch, NullaryFnOnce};

/// Does the work, whose `call` must be `#[inline(always)]` with all that it calls, to be compiled for each set of instructions.
pub(crate) fn widest<Work: NullaryFnOnce>(work: Work) -> Work::Output {
    Arch::new().dispatch(work)
}
