//! Branch and bound over boxes of cells: depth first, the more promising half first (T5).
//!
//! The bound of a box is the sum of the best live leaf of each tree. If the best leaves contradict each other about a column, the box
//! is cut there, where both halves lose most. In the style of Kantchelian, Tygar and Joseph (2016) it is exact, as Veritas (Devos,
//! Meert and Davis 2021) it stops at any time with a bound; leaves that cannot matter any more are taken away as mixed integer
//! solvers fix variables by reduced cost.

use super::Counts;
use super::local::Local;
use super::state::{Need, State};
use crate::region::Region;
use crate::trees::{Sum, Trees, cell};

/// Splits of which both halves are looked at before one is chosen.
const LOOK_AHEAD: usize = 4;
/// By how much of the trees' sizes a computed 64-bit bound may be off, and more: at most some thousand additions for each of at most
/// 2^23 leaves, each off by 2^-53.
const BOUND_ROUNDING: f64 = 1e-9;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// A score on the other side of the threshold.
    Flip(f64),
    /// The score that is furthest on the way to the other side.
    Worst,
}

/// How a search ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// The row whose score went furthest, if any was looked at, and that score.
    pub(super) found: Option<(Vec<f32>, f64)>,
    /// No score of the region goes further than this.
    pub(super) bound: f64,
    /// Whether the goal was found.
    pub(super) flipped: bool,
    /// Whether the budget ended the search.
    pub(super) cut_short: bool,
    pub(super) steps: u64,
}

/// The state of a search.
pub(super) struct Search<'a> {
    trees: &'a Trees,
    local: Local,
    goal: Goal,
    row: &'a [f32],
    /// Cells of the row's own values, by open column.
    own: Vec<u32>,
    /// Sums below this need not be looked at.
    target: f64,
    /// What rounding can do to a sum.
    slack: f64,
    /// The best sum that was passed by.
    passed: f64,
    /// The best score, times sign, of those that lie so near to the goal that they were computed as the model does.
    settled: f64,
    /// The best row so far, and its score times sign.
    found: Option<(Vec<f32>, f64)>,
    point: Vec<f32>,
    needs: Vec<Need>,
    loads: Loads,
    left: State,
    right: State,
    spare: Vec<State>,
}

/// Losses by rank of one column.
#[derive(Default)]
struct Loads {
    left: Vec<f64>,
    right: Vec<f64>,
}

/// A cut of the box.
#[derive(Clone, Copy, Debug)]
struct Cut {
    column: u32,
    rank: u32,
    /// An estimate of what the better half loses.
    loss: f64,
}

impl<'a> Search<'a> {
    /// Looks upwards from a row that is below the threshold, or downwards from one that is not.
    pub(super) fn new(trees: &'a Trees, row: &'a [f32], region: &Region, goal: Goal, upwards: bool) -> Self {
        let local = Local::new(trees, region, upwards);
        let count = trees.trees() as f64;
        // A sum of n numbers in 32 bits is off by at most n u / (1 - n u) of their sizes, u = 2^-24 (Higham 2002, section 4.2).
        let unit = f64::from(f32::EPSILON) / 2.0;
        let shift = match goal {
            Goal::Flip(threshold) => threshold.abs(),
            Goal::Worst => 0.0,
        };
        let (slack, target) = match trees.sum() {
            Sum::Margin => (count * unit / (1.0 - count * unit) * local.size + BOUND_ROUNDING * local.size, 1.0),
            Sum::Mean => (BOUND_ROUNDING * (local.size + shift * count), count),
        };
        let target = match goal {
            Goal::Flip(threshold) => local.sign * threshold * target - slack,
            Goal::Worst => f64::NEG_INFINITY,
        };
        let own = local.columns.iter().map(|column| cell(trees.cuts(column.id as usize), row[column.id as usize])).collect();
        Self {
            trees,
            goal,
            row,
            own,
            target,
            slack,
            passed: f64::NEG_INFINITY,
            settled: f64::NEG_INFINITY,
            found: None,
            point: row.to_vec(),
            needs: Vec::new(),
            loads: Loads::default(),
            left: State::default(),
            right: State::default(),
            spare: Vec::new(),
            local,
        }
    }

    /// Searches with so many steps at most.
    pub(super) fn run(mut self, counts: Counts) -> Ended {
        let mut stack = vec![State::whole(&self.local)];
        let mut steps = 0;
        self.visit(&[]);
        if self.local.trees.is_empty() {
            // Every row of the region has the row's own score.
            self.settled = self.found.as_ref().map_or(f64::NEG_INFINITY, |found| found.1);
            stack.clear();
        }
        while let Some(mut state) = stack.pop() {
            if self.flipped() {
                break;
            }
            if steps >= counts.steps {
                let open = stack.iter().chain([&state]).map(|state| state.bound).fold(self.passed, f64::max);
                return self.ended(open, true, steps);
            }
            steps += 1;
            self.step(&mut state, &mut stack);
            self.spare.push(state);
        }
        let passed = self.passed;
        self.ended(passed, false, steps)
    }

    fn ended(self, bound: f64, cut_short: bool, steps: u64) -> Ended {
        let (sign, flipped) = (self.local.sign, self.flipped());
        let reached = self.found.as_ref().map_or(f64::NEG_INFINITY, |found| found.1);
        let bound = match self.trees.sum() {
            Sum::Margin => bound + self.slack,
            Sum::Mean => (bound + self.slack) / self.trees.trees() as f64,
        };
        let found = self.found.map(|(row, score)| (row, score * sign));
        Ended { found, bound: bound.max(reached).max(self.settled) * sign, flipped, cut_short: cut_short && !flipped, steps }
    }

    fn flipped(&self) -> bool {
        match (self.goal, &self.found) {
            (Goal::Flip(threshold), Some((_, score))) => (score * self.local.sign >= threshold) == (self.local.sign > 0.0),
            (Goal::Flip(_) | Goal::Worst, _) => false,
        }
    }

    /// Looks at a box: gives it up, finds its best row, or cuts it in two.
    fn step(&mut self, state: &mut State, stack: &mut Vec<State>) {
        loop {
            if !state.tighten(&self.local, self.target, &mut self.passed) {
                return;
            }
            let mut needs = std::mem::take(&mut self.needs);
            state.needs(&self.local, &mut needs);
            self.needs = needs;
            let (cuts, exact) = self.contradictions(state);
            if self.flipped() {
                return;
            }
            if exact && self.settle(state) {
                return;
            }
            // One half was given up: the box is the other one now.
            let Some(cut) = self.choose(state, &cuts) else { continue };
            self.part(state, cut);
            let mut first = self.spare.pop().unwrap_or_default();
            let mut second = self.spare.pop().unwrap_or_default();
            let left_first = self.left.bound >= self.right.bound;
            let (better, worse) = if left_first { (&self.left, &self.right) } else { (&self.right, &self.left) };
            first.copy(better);
            second.copy(worse);
            stack.push(second);
            stack.push(first);
            return;
        }
    }

    /// Whether nothing more can come of a box whose best leaves agree, and whose row was looked at.
    fn settle(&mut self, state: &State) -> bool {
        match self.goal {
            Goal::Flip(_) if self.needs.is_empty() => {
                // Every row of the box has this one score.
                self.settled = self.settled.max(self.trees.score(&self.point) * self.local.sign);
                true
            }
            Goal::Flip(_) => false,
            // Others may differ by rounding, which the bound allows for.
            Goal::Worst => {
                self.passed = self.passed.max(state.bound);
                true
            }
        }
    }

    /// Finds contradictions between the best leaves, looks at the row that pleases most of them, and proposes cuts, best first.
    /// Answers also whether there was no contradiction.
    fn contradictions(&mut self, state: &State) -> (Vec<Cut>, bool) {
        let mut wants: Vec<(u32, u32)> = state.cells.clone();
        for need in &self.needs {
            let want = &mut wants[need.column as usize];
            if need.right { want.0 = want.0.max(need.rank + 1) } else { want.1 = want.1.min(need.rank) }
        }
        let mut cuts: Vec<Cut> = Vec::new();
        let mut cells = Vec::with_capacity(wants.len());
        let mut exact = true;
        for (column, &(low, high)) in wants.iter().enumerate() {
            if low <= high {
                cells.push(self.own[column].clamp(low, high));
            } else {
                exact = false;
                cells.push(self.weigh(state, column as u32, (high, low), &mut cuts));
            }
        }
        self.visit(&cells);
        if let (true, Some(need)) = (exact, self.needs.first()) {
            cuts.push(Cut { column: need.column, rank: need.rank, loss: 0.0 });
        }
        cuts.sort_by(|one, two| two.loss.total_cmp(&one.loss));
        cuts.truncate(LOOK_AHEAD);
        (cuts, exact)
    }

    /// Weighs the cells of a column about which leaves contradict each other: one must be at most `ends.0`, one at least `ends.1`.
    /// Adds cuts, and answers the cell that pleases most.
    fn weigh(&mut self, state: &State, column: u32, ends: (u32, u32), cuts: &mut Vec<Cut>) -> u32 {
        let (first, last) = state.cells[column as usize];
        let size = (last - first + 1) as usize;
        let Loads { left, right } = &mut self.loads;
        for load in [&mut *left, &mut *right] {
            load.clear();
            load.resize(size + 1, 0.0);
        }
        for need in self.needs.iter().filter(|need| need.column == column) {
            let load = if need.right { &mut *right } else { &mut *left };
            load[(need.rank - first) as usize] += need.loss;
        }
        // What is lost at ranks from `at` on by those who need more, and before `at` by those who need less.
        for at in (0..size).rev() {
            right[at] += right[at + 1];
        }
        let mut below = 0.0;
        let (mut best, mut least) = (ends.0, f64::INFINITY);
        for at in 0..size {
            let rank = first + at as u32;
            let lost = right[at] + below;
            if lost < least {
                (best, least) = (rank, lost);
            }
            below += left[at];
            if (ends.0..ends.1).contains(&rank) {
                cuts.push(Cut { column, rank, loss: right[at].min(below) });
            }
        }
        best
    }

    /// Looks at the row of those cells, one for each open column; of none: at the row itself.
    fn visit(&mut self, cells: &[u32]) {
        for (at, &to) in cells.iter().enumerate() {
            let (id, own) = (self.local.columns[at].id as usize, self.own[at]);
            let cuts = self.trees.cuts(id);
            self.point[id] = match to.cmp(&own) {
                std::cmp::Ordering::Equal => self.row[id],
                std::cmp::Ordering::Greater => cuts[to as usize - 1],
                std::cmp::Ordering::Less => cuts[to as usize].next_down(),
            };
        }
        let score = self.trees.score(&self.point) * self.local.sign;
        if self.found.as_ref().is_none_or(|found| score > found.1) {
            self.found = Some((self.point.clone(), score));
            if let Goal::Worst = self.goal {
                let count = if self.trees.sum() == Sum::Mean { self.trees.trees() as f64 } else { 1.0 };
                self.target = self.target.max(score * count + self.slack);
            }
        }
    }

    /// Both halves of a box, into `left` and `right`.
    fn part(&mut self, state: &State, cut: Cut) {
        let (low, high) = state.cells[cut.column as usize];
        self.left.copy(state);
        self.left.narrow(&self.local, cut.column, low, cut.rank);
        self.right.copy(state);
        self.right.narrow(&self.local, cut.column, cut.rank + 1, high);
    }

    /// Of the proposed cuts the one whose halves lose most. `None` if a half can be given up: the box is then the other half.
    fn choose(&mut self, state: &mut State, cuts: &[Cut]) -> Option<Cut> {
        let (mut best, mut most) = (None, f64::NEG_INFINITY);
        for &cut in cuts {
            self.part(state, cut);
            let (left, right) = (self.left.bound, self.right.bound);
            if left < self.target || right < self.target {
                let (lost, kept) = if left < self.target { (left, &self.right) } else { (right, &self.left) };
                self.passed = self.passed.max(lost);
                state.copy(kept);
                return None;
            }
            let (left, right) = (state.bound - left, state.bound - right);
            let worth = left.min(right) + left.max(right) / 8.0;
            if worth > most {
                (best, most) = (Some(cut), worth);
            }
        }
        best
    }
}
