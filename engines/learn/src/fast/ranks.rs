//! Replaces values by their ranks among the cuts of all trees: one byte for four, and the same comparisons.
//! Exact: `value < cut` is `rank < place of cut`. Served answers must be those of the trained trees, bit for bit (T4).

/// Most cuts of one code, so that ranks and a mark for missing values fit a byte. Columns with more get more codes.
pub(super) const CUTS_MAX: usize = 254;
/// Room for the cuts, with plus infinity behind them; a power of two, so that no index is out of bounds.
pub(super) const ROOM: usize = 256;

/// Cuts of one column, or some of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Code {
    pub(super) column: usize,
    /// Steps of the search: `2^halvings` is above the number of cuts.
    pub(super) halvings: u32,
    pub(super) cuts: Box<[f32; ROOM]>,
}

impl Code {
    /// How many cuts a value reaches, 0 for a missing one; above [`CUTS_MAX`] at most for plus infinity.
    #[inline(always)]
    pub(super) fn rank(&self, value: f32) -> u32 {
        let mut rank = 0u32;
        // All steps, without a way out: which of them are needed no processor can guess.
        for half in [128, 64, 32, 16, 8, 4, 2, 1] {
            let probe = self.cuts[(rank + half - 1) as usize % ROOM];
            rank += u32::from(probe <= value) * half;
        }
        rank
    }
}

/// Sorted cuts of each column, and where its codes begin.
pub(super) struct Cuts {
    columns: Vec<Vec<f32>>,
    firsts: Vec<usize>,
}

impl Cuts {
    /// Sorts what was found in the trees, column by column.
    pub(super) fn new(mut columns: Vec<Vec<f32>>) -> Self {
        let (mut firsts, mut next) = (Vec::new(), 0);
        for cuts in &mut columns {
            // Both zeros are one cut, since no value lies between them.
            cuts.sort_unstable_by(f32::total_cmp);
            cuts.dedup_by(|left, right| left == right);
            firsts.push(next);
            next += cuts.len().div_ceil(CUTS_MAX);
        }
        Self { columns, firsts }
    }

    /// How many codes there are.
    pub(super) fn count(&self) -> usize {
        self.columns.iter().map(|cuts| cuts.len().div_ceil(CUTS_MAX)).sum()
    }

    /// The codes, those of a column side by side.
    pub(super) fn codes(&self) -> Vec<Code> {
        let of_column = |(column, cuts): (usize, &Vec<f32>)| {
            let code = |some: &[f32]| {
                let mut room = Box::new([f32::INFINITY; ROOM]);
                room[..some.len()].copy_from_slice(some);
                Code { column, halvings: usize::BITS - some.len().leading_zeros(), cuts: room }
            };
            cuts.chunks(CUTS_MAX).map(code).collect::<Vec<_>>()
        };
        self.columns.iter().enumerate().flat_map(of_column).collect()
    }

    /// The code of a cut, and how many cuts of the code are less.
    pub(super) fn place(&self, column: u32, cut: f32) -> (usize, u8) {
        let at = self.columns[column as usize].partition_point(|other| *other < cut);
        (self.firsts[column as usize] + at / CUTS_MAX, (at % CUTS_MAX) as u8)
    }
}
