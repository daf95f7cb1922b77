//! What rows add up to, whatever their number: counts and moments, for history once and for each delivery, in bounded memory.

use serde::{Deserialize, Serialize};

use crate::encode::{Chunk, Encoder};
use crate::judge::{Core, Detail, FAMILIES};
use crate::pairs::{GROUPS, PairCounts};
use crate::profile::MARKS;

/// Tiers of value: thirds of history.
pub(crate) const TIERS: usize = 3;

/// Part of the labels that the evidence supposes to be turned.
const TURNED: f64 = 0.05;

/// How far two models of the same history may lie apart on average, in deviations of what they judge.
const MODELS_APART: f64 = 0.02;
/// The same for signed residuals: at 0.02, three of fifty honest deliveries of `mlc_churn` alarmed.
const RESIDUALS_APART: f64 = 0.1;

/// Count, sum and sum of squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moment {
    pub(crate) rows: f64,
    pub(crate) sum: f64,
    pub(crate) square: f64,
}

impl Moment {
    pub(crate) fn add(&mut self, value: f64) {
        self.rows += 1.0;
        self.sum += value;
        self.square += value * value;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sum += other.sum;
        self.square += other.square;
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.rows.max(1.0)
    }

    pub(crate) fn variance(&self) -> f64 {
        let mean = self.mean();
        (self.square / self.rows.max(1.0) - mean * mean).max(0.0)
    }

    /// Standard errors between the means of two samples, by the larger of both variances: where history hardly varies, one row
    /// that does must not count as a wonder. 0 where one has too few rows.
    pub(crate) fn apart(&self, trusted: &Self) -> f64 {
        self.apart_by(trusted, 0.0)
    }

    /// The same of what models say: history was judged by the models of its folds, a delivery by the model of all of it, which
    /// differs a little from each; over many rows that would be called a shift.
    pub(crate) fn apart_under_models(&self, trusted: &Self) -> f64 {
        self.apart_by(trusted, MODELS_APART)
    }

    /// The same of signed residuals, whose mean over a near-exact relation hangs on the last digits of a model.
    pub(crate) fn apart_of_residuals(&self, trusted: &Self) -> f64 {
        self.apart_by(trusted, RESIDUALS_APART)
    }

    fn apart_by(&self, trusted: &Self, systematic: f64) -> f64 {
        const ROWS_MIN: f64 = 20.0;
        if self.rows < ROWS_MIN || trusted.rows < ROWS_MIN {
            return 0.0;
        }
        let variance = trusted.variance().max(self.variance()).max(1e-12);
        (self.mean() - trusted.mean()) / (variance * (1.0 / self.rows + 1.0 / trusted.rows + systematic * systematic)).sqrt()
    }
}

/// Sums over rows with a label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LabelSums {
    pub(crate) positive: u64,
    pub(crate) known: u64,
    /// `label - chance`.
    pub(crate) residual: Moment,
    /// Evidence, as logarithms of likelihood ratios, that a part of labels were turned at random, that a part of the positive
    /// ones were hidden, and that a part of them were added: bounded below, and largest for rows that the model is sure of.
    pub(crate) turned: [Moment; 3],
    pub(crate) tiers: [Moment; TIERS],
    /// Residuals by column and group of values.
    pub(crate) slices: Vec<Moment>,
    /// Rows by chance (ten bins) and label: for the ranking quality.
    pub(crate) ranks: Vec<[u64; 2]>,
}

/// Bins of the chance, for the ranking quality.
const RANK_BINS: usize = 50;

/// All sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub(crate) rows: u64,
    /// 256 counts a column, by fine code.
    pub(crate) histogram: Vec<u32>,
    /// Values with more decimals than any of history, one count a number.
    pub(crate) off_grid: Vec<u64>,
    /// Signed residuals, one a foretold number.
    pub(crate) signed: Vec<Moment>,
    pub(crate) labels: LabelSums,
    #[serde(skip)]
    pub(crate) pairs: PairCounts,
    /// Rows beyond each mark, by family; the last entry is of all families joined.
    pub(crate) beyond: Vec<[u64; MARKS.len()]>,
    /// Rows that stand in history whole, and those that equal another row in what is judged.
    pub(crate) wholes: u64,
    pub(crate) twins: u64,
}

impl Sums {
    pub(crate) fn new(core: &Core, encoder: &Encoder) -> Self {
        Self {
            histogram: vec![0; encoder.width() * 256],
            off_grid: vec![0; encoder.numbers.len()],
            signed: vec![Moment::default(); core.expects.len()],
            labels: LabelSums {
                slices: vec![Moment::default(); core.pairs.slices()],
                ranks: vec![[0; 2]; RANK_BINS],
                ..LabelSums::default()
            },
            beyond: vec![[0; MARKS.len()]; FAMILIES.len() + 1],
            ..Self::default()
        }
    }

    /// Adds a chunk; `label` and `value` are columns, `tiers` the tier of each fine code of the value.
    pub(crate) fn add(
        &mut self,
        core: &Core,
        encoder: &Encoder,
        rows: &Chunk,
        detail: &Detail,
        (label, value): (Option<u16>, Option<u16>),
        tiers: &[u8],
    ) {
        self.rows += rows.rows as u64;
        for column in 0..encoder.width() {
            // Two tables, so that a run of equal codes does not wait for itself.
            let mut counts = [[0_u32; 256]; 2];
            for pair in rows.column(column).chunks(2) {
                let first = &mut counts[0][usize::from(pair[0])];
                *first = first.wrapping_add(1);
                if let Some(&second) = pair.get(1) {
                    let second = &mut counts[1][usize::from(second)];
                    *second = second.wrapping_add(1);
                }
            }
            let ours = &mut self.histogram[column * 256..(column + 1) * 256];
            ours.iter_mut().zip(counts[0].iter().zip(&counts[1])).for_each(|(to, (one, two))| *to += one + two);
        }
        for (at, &column) in encoder.numbers.iter().enumerate() {
            if let Some(number) = encoder.number(usize::from(column)) {
                let values = rows.number(at);
                self.off_grid[at] += values.iter().filter(|value| !value.is_nan() && number.is_off_grid(**value)).count() as u64;
            }
        }
        for (moment, signed) in self.signed.iter_mut().zip(detail.signed.chunks_exact(rows.rows.max(1))) {
            let (mut sum, mut square) = (0.0_f32, 0.0_f32);
            signed.iter().for_each(|value| {
                sum += value;
                square += value * value;
            });
            moment.merge(&Moment { rows: signed.len() as f64, sum: f64::from(sum), square: f64::from(square) });
        }
        core.pairs.count(rows, label.map(usize::from), &mut self.pairs);
        if let (Some(label), false) = (label, detail.chance.is_empty()) {
            self.add_labels(core, rows, &detail.chance, label, value, tiers);
        }
    }

    fn add_labels(&mut self, core: &Core, rows: &Chunk, chance: &[f32], label: u16, value: Option<u16>, tiers: &[u8]) {
        let own = rows.column(usize::from(label));
        let mut residual = vec![f32::NAN; rows.rows];
        for (row, (&code, &p)) in own.iter().zip(chance).enumerate() {
            let class = code >> 2;
            if class > 1 {
                continue;
            }
            let p = f64::from(p).clamp(1e-4, 1.0 - 1e-4);
            let labels = &mut self.labels;
            labels.known += 1;
            labels.positive += u64::from(class);
            let left = f64::from(class) - p;
            residual[row] = left as f32;
            labels.residual.add(left);
            let (own, other) = if class == 1 { (p, 1.0 - p) } else { (1.0 - p, p) };
            let turned = (1.0 - TURNED + TURNED * other / own).ln();
            let not = (1.0 - TURNED).ln();
            labels.turned[0].add(turned);
            labels.turned[1].add(if class == 0 { turned } else { not });
            labels.turned[2].add(if class == 1 { turned } else { not });
            labels.ranks[((p * RANK_BINS as f64) as usize).min(RANK_BINS - 1)][usize::from(class)] += 1;
            if let Some(value) = value {
                let code = rows.fine[usize::from(value) * rows.rows + row];
                if let Some(tier) = labels.tiers.get_mut(usize::from(tiers.get(usize::from(code)).copied().unwrap_or(u8::MAX))) {
                    tier.add(left);
                }
            }
        }
        let mut groups = Vec::with_capacity(rows.rows);
        for column in 0..core.pairs.slices() / GROUPS {
            core.pairs.grouped(rows, column, &mut groups);
            let mut local = [[0.0_f32; 3]; GROUPS];
            for (&group, &left) in groups.iter().zip(&residual) {
                if !left.is_nan() {
                    let cell = &mut local[usize::from(group) & (GROUPS - 1)];
                    *cell = [cell[0] + 1.0, cell[1] + left, cell[2] + left * left];
                }
            }
            for (moment, cell) in self.labels.slices[column * GROUPS..].iter_mut().zip(local) {
                moment.merge(&Moment { rows: f64::from(cell[0]), sum: f64::from(cell[1]), square: f64::from(cell[2]) });
            }
        }
    }

    /// Joins the sums of other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.histogram.iter_mut().zip(&other.histogram).for_each(|(to, from)| *to += from);
        self.off_grid.iter_mut().zip(&other.off_grid).for_each(|(to, from)| *to += from);
        self.signed.iter_mut().zip(&other.signed).for_each(|(to, from)| to.merge(from));
        self.pairs.counts.resize(self.pairs.counts.len().max(other.pairs.counts.len()), [0; 2]);
        for (to, from) in self.pairs.counts.iter_mut().zip(&other.pairs.counts) {
            *to = [to[0] + from[0], to[1] + from[1]];
        }
        for (to, from) in self.beyond.iter_mut().zip(&other.beyond) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
        self.wholes += other.wholes;
        self.twins += other.twins;
        let (ours, theirs) = (&mut self.labels, &other.labels);
        ours.positive += theirs.positive;
        ours.known += theirs.known;
        ours.residual.merge(&theirs.residual);
        ours.turned.iter_mut().zip(&theirs.turned).for_each(|(to, from)| to.merge(from));
        ours.tiers.iter_mut().zip(&theirs.tiers).for_each(|(to, from)| to.merge(from));
        ours.slices.iter_mut().zip(&theirs.slices).for_each(|(to, from)| to.merge(from));
        for (to, from) in ours.ranks.iter_mut().zip(&theirs.ranks) {
            *to = [to[0] + from[0], to[1] + from[1]];
        }
    }

    /// Whether stored sums are of such a core and table.
    pub(crate) fn fits(&self, core: &Core, width: usize, numbers: usize) -> bool {
        self.histogram.len() == width * 256
            && self.off_grid.len() == numbers
            && self.signed.len() == core.expects.len()
            && self.labels.slices.len() == core.pairs.slices()
            && self.labels.ranks.len() == RANK_BINS
            && self.beyond.len() == FAMILIES.len() + 1
    }
}

impl LabelSums {
    /// The area under the ROC curve of the chance against the delivered labels, and its standard error (Hanley and McNeil 1982).
    pub(crate) fn ranking(&self) -> Option<(f64, f64)> {
        let (mut below, mut won) = (0.0, 0.0);
        for &[negative, positive] in &self.ranks {
            won += positive as f64 * (below + negative as f64 / 2.0);
            below += negative as f64;
        }
        let positive = self.positive as f64;
        if positive < 10.0 || below < 10.0 {
            return None;
        }
        let area = won / (positive * below);
        let (one, two) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
        let square = area * (1.0 - area) + (positive - 1.0) * (one - area * area) + (below - 1.0) * (two - area * area);
        Some((area, (square / (positive * below)).max(1e-12).sqrt()))
    }
}
