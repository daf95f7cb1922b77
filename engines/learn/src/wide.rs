//! Runs safe code with the widest vector instructions of the processor at hand. Results do not depend on them (T4): the compiler
//! neither fuses nor reorders floating-point operations, so that every machine gives the same bits.

use pulp::{Arch, NullaryFnOnce};

/// Does the work, whose `call` must be `#[inline(always)]` with all that it calls, to be compiled for each set of instructions.
pub(crate) fn widest<Work: NullaryFnOnce>(work: Work) -> Work::Output {
    Arch::new().dispatch(work)
}

/// Numbers that are worked on together.
pub(crate) const LANES: usize = 16;

/// Adds multiples. A loop of its own for each sum: the compiler makes single instructions of longer ones.
#[inline(always)]
pub(crate) fn add_scaled(sums: &mut [f32; LANES], lanes: &[f32; LANES], by: f32) {
    for (sum, lane) in sums.iter_mut().zip(lanes) {
        *sum += by * lane;
    }
}

/// The sum of all lanes, halves first. Not inlined, since the compiler would take the lanes apart long before.
#[inline(never)]
pub(crate) fn total(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        let (low, high) = sums.split_at_mut(width);
        low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
        width /= 2;
    }
    sums[0]
}
