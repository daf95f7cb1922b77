//! Judges a delivery part by part, in bounded memory: rows on all cores by every layer, then the delivery as a whole.

use frame::{Column, Frame};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::copies::Copies;
use crate::drip::State;
use crate::encode::{Chunk, Source};
use crate::judge::FAMILIES;
use crate::pairs::Kept;
use crate::profile::Profile;
use crate::shift::ROWS_MAX as KEPT_ROWS;
use crate::strange::{STRANGE_MAX, Strange, Stranges};
use crate::sums::Sums;
use crate::task::{Joined, Judged, Task, explain};
use crate::time::TimeSums;
use crate::{ContractFinding, FINDINGS_MAX, Layer, ROWS_MAX, ScreenError};

/// Rows that one core judges at a time.
const TASK_ROWS: usize = 8_192;
/// Tasks that are judged before their rows are joined: what they found of each row stays in memory until then.
const TASKS_MAX: usize = 64;
/// Rows up to this p-value are explained, as long as there is room.
const EXPLAINED_FROM: f32 = 0.02;
/// Values of each number that are kept to name a unit.
const SAMPLED_MAX: usize = 4_096;

/// One strange row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowFinding {
    /// The row, from 0 over all parts.
    pub row: u64,
    /// The layer that says most.
    pub layer: Layer,
    /// The column that says most, where one does.
    pub column: Option<String>,
    /// Conformal p-value of the row over all layers; 0 where the row breaks a rule.
    pub p_value: f64,
    /// What was seen.
    pub seen: String,
}

/// One test of the delivery as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchFinding {
    /// The layer.
    pub layer: Layer,
    /// What was tested.
    pub what: String,
    /// P-value, corrected for all that the test looked at.
    pub p_value: f64,
    /// What was seen.
    pub seen: String,
    /// Whether it passes its part of the false alarm rate.
    pub alarm: bool,
}

/// What to do with a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suggestion {
    /// Take it in.
    Pass,
    /// Take it in without these rows.
    Quarantine(Vec<u64>),
    /// People look at it; the rows that stand out by themselves are in [`Screening::rows`].
    Hold,
    /// It is not what was agreed.
    Refuse,
}

/// A judged delivery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Screening {
    /// Rows to set aside at a false discovery rate of 5 %, the strangest first, at most [`FINDINGS_MAX`].
    pub rows: Vec<RowFinding>,
    /// How many rows are to be set aside.
    pub rows_flagged: u64,
    /// One score a row, all layers joined: `-ln p` beyond what history can show; larger is stranger.
    pub row_scores: Vec<f32>,
    /// Tests of the whole.
    pub tests: Vec<BatchFinding>,
    /// Whether one of them alarms.
    pub alarm: bool,
    /// What to do.
    pub verdict: Suggestion,
    /// What to carry to the next delivery, if this one is taken in.
    pub state: State,
}

/// One surprise of many, the logarithm of their summed odds, and the family that says most (Cauchy combination; Liu and Xie 2020).
pub(crate) fn joined(said: &[f32; FAMILIES.len()]) -> (f32, u8) {
    let mut most = 0;
    for (at, surprise) in said.iter().enumerate() {
        if *surprise > said[most] {
            most = at;
        }
    }
    let largest = said[most];
    (largest + said.iter().map(|surprise| (surprise - largest).exp()).sum::<f32>().ln(), most as u8)
}

/// Who a row is about and when: hashed with what is judged, to find rows that were sent before.
pub(crate) struct Identity<'a> {
    columns: Vec<Option<Hashed<'a>>>,
}

enum Hashed<'a> {
    Numbers(&'a [f64]),
    Levels(&'a [u32], Vec<u64>),
}

fn mixed(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

fn text_hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| mixed(hash, u64::from(byte)))
}

impl<'a> Identity<'a> {
    pub(crate) fn of(frame: &'a Frame, spec: &crate::ProfileSpec) -> Self {
        let column = |name: &String| {
            frame.column(name).map(|column| match column {
                Column::Number(values) => Hashed::Numbers(values),
                Column::Category(known) => {
                    Hashed::Levels(&known.codes, known.levels.iter().map(|level| text_hash(level)).collect())
                }
            })
        };
        Self { columns: spec.id.iter().chain(&spec.time).map(column).collect() }
    }

    /// Whether rows have more than what is judged.
    pub(crate) fn has_more(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Hashes of what is judged of a chunk's rows.
    pub(crate) fn contents(&self, rows: &Chunk, seed: u64) -> Vec<u64> {
        let mut out = vec![seed ^ 0x51_7C_C1_B7; rows.rows];
        let width = rows.fine.len().checked_div(rows.rows.max(1)).unwrap_or(0);
        for column in 0..width {
            for (hash, &code) in out.iter_mut().zip(rows.column(column)) {
                *hash = mixed(*hash, u64::from(code));
            }
        }
        for number in 0..rows.values.len().checked_div(rows.rows.max(1)).unwrap_or(0) {
            for (hash, value) in out.iter_mut().zip(rows.number(number)) {
                *hash = mixed(*hash, if value.is_nan() { 1 } else { (value + 0.0).to_bits() });
            }
        }
        out
    }

    /// The same with identifier and time; the chunk begins at row `from` of the frame.
    pub(crate) fn wholes(&self, contents: &[u64], from: usize) -> Vec<u64> {
        let mut out = contents.to_vec();
        for column in self.columns.iter().flatten() {
            for (at, hash) in out.iter_mut().enumerate() {
                let own = match column {
                    Hashed::Numbers(values) => values.get(from + at).map_or(0, |value| value.to_bits()),
                    Hashed::Levels(codes, hashes) => {
                        codes.get(from + at).and_then(|&code| hashes.get(code as usize)).copied().unwrap_or(0)
                    }
                };
                *hash = mixed(*hash, own);
            }
        }
        out
    }
}

/// A delivery on its way through: [`Self::push`] its parts in order, then [`Self::finish`]. Of each row only a few bytes stay.
pub struct Screen<'a> {
    pub(crate) profile: &'a Profile,
    state: &'a State,
    now: Option<i64>,
    pub(crate) sums: Sums,
    time: TimeSums,
    kept: Kept,
    pub(crate) sampled: Vec<Vec<f64>>,
    copies: Copies,
    scores: Vec<f32>,
    stranges: Stranges,
    explained: std::collections::BTreeMap<u64, String>,
    contract: Vec<ContractFinding>,
    broken: u64,
    absent: Vec<String>,
    unknown: Vec<String>,
}

impl<'a> Screen<'a> {
    /// Begins a delivery that arrives at `now` (seconds since 1970).
    pub fn new(profile: &'a Profile, state: &'a State, now: Option<i64>) -> Self {
        let model = &profile.model;
        Self {
            profile,
            state,
            now,
            sums: Sums::new(&model.core, &model.encoder),
            time: TimeSums::default(),
            kept: Kept::new(model.encoder.width(), KEPT_ROWS),
            sampled: vec![Vec::new(); model.encoder.numbers.len()],
            copies: Copies::default(),
            scores: Vec::new(),
            stranges: Stranges::default(),
            explained: std::collections::BTreeMap::new(),
            contract: Vec::new(),
            broken: 0,
            absent: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Adds what the contract found and how many records could not be read. Rows are counted over all parts.
    pub fn contract(&mut self, found: &[ContractFinding], broken_records: u64) {
        self.contract.extend_from_slice(found);
        self.broken += broken_records;
    }

    /// Judges the next rows. Columns may stand in any order; those that history does not know are named and left out.
    ///
    /// # Errors
    /// More than [`ROWS_MAX`] rows in all.
    pub fn push(&mut self, part: &Frame) -> Result<(), ScreenError> {
        let (first, rows) = (self.scores.len(), part.rows());
        if first + rows > ROWS_MAX {
            return Err(ScreenError::TooManyRows(first + rows));
        }
        let model = &self.profile.model;
        self.note_columns(part);
        if let Some(column) = model.spec.time.as_ref().and_then(|name| part.column(name)) {
            self.time.add(crate::time::moments(column), model.time.as_ref(), self.now, first as u64);
        }
        if !self.absent.is_empty() || rows == 0 {
            // Without a column nothing can be foretold: the delivery is refused, and no row is blamed for it.
            self.scores.resize(first + rows, 0.0);
            self.sums.rows += rows as u64;
            return Ok(());
        }
        let sources = model.encoder.open(part);
        let identity = Identity::of(part, &model.spec);
        let tasks = rows.div_ceil(TASK_ROWS);
        for group in (0..tasks).step_by(TASKS_MAX) {
            let kept_below = self.kept.limit();
            let judged: Vec<Judged> = (group..tasks.min(group + TASKS_MAX))
                .into_par_iter()
                .map(|task| {
                    let (from, to) = (rows * task / tasks, rows * (task + 1) / tasks);
                    let (profile, first) = (self.profile, first + from);
                    Task { profile, sources: &sources, identity: &identity, from, to, first, kept_below }.judge()
                })
                .collect();
            self.take(judged, &identity, (part, &sources), first);
        }
        Ok(())
    }

    fn note_columns(&mut self, part: &Frame) {
        let model = &self.profile.model;
        let kinds = |name: &str| part.column(name).map(|column| matches!(column, Column::Number(_)));
        for (at, name) in model.encoder.names.iter().enumerate() {
            let is_number = model.encoder.number(at).is_some();
            // Texts in place of numbers are read as numbers; where none can be, the column is not what was agreed.
            let unreadable = kinds(name) == Some(false)
                && is_number
                && part.rows() > 0
                && matches!(part.column(name), Some(Column::Category(known))
                    if known.levels.iter().all(|level| level.trim().parse::<f64>().is_err()) && !known.levels.is_empty());
            if (kinds(name).is_none() || unreadable) && !self.absent.contains(name) {
                self.absent.push(name.clone());
            }
        }
        let spec = &model.spec;
        let known = |name: &String| {
            model.encoder.names.contains(name)
                || [&spec.id, &spec.time].into_iter().any(|declared| declared.as_ref() == Some(name))
                || spec.ignore.contains(name)
        };
        for name in part.names() {
            if !known(name) && !self.unknown.contains(name) {
                self.unknown.push(name.clone());
            }
        }
    }

    /// Joins what tasks found, whose rows come in order; `part_first` is the number of the first row of the part. Whatever the threads
    /// do, copies within the delivery are found in that order, and sums are added in it.
    fn take(
        &mut self,
        judged: Vec<Judged>,
        identity: &Identity<'_>,
        (part, sources): (&Frame, &[Source<'_>]),
        part_first: usize,
    ) {
        let first = self.scores.len();
        // Copies of contents within the delivery are only remarkable while it is no larger than history.
        let contents_below = usize::try_from(self.profile.model.rows).unwrap_or(usize::MAX).saturating_add(1);
        let found = self.copies.find(&judged, first, contents_below, identity.has_more());
        let joined: Vec<Joined> =
            judged.par_iter().zip(&found.levels).map(|(one, copies)| one.join(self.profile, copies)).collect();
        let mut to_explain: Vec<Strange> = Vec::new();
        let mut at = first;
        for one in joined {
            self.sums.twins += one.twins;
            self.sums.wholes += one.wholes;
            let all = self.sums.beyond[FAMILIES.len()].iter_mut();
            all.zip(one.beyond).for_each(|(to, from)| *to += from);
            let stranges: Vec<Strange> =
                one.stranges.into_iter().map(|strange| Strange { row: strange.row + at as u32, ..strange }).collect();
            let room = (2 * FINDINGS_MAX).saturating_sub(self.explained.len() + to_explain.len());
            to_explain.extend(stranges.iter().filter(|strange| strange.p_value <= EXPLAINED_FROM).take(room));
            self.stranges.add(stranges);
            at += one.scores.len();
            self.scores.extend(one.scores);
        }
        self.copies.raise(&judged, &found, first, &mut self.scores);
        let texts: Vec<(u64, String)> = to_explain
            .par_iter()
            .map(|strange| {
                let row = strange.row as usize - part_first;
                let layer = FAMILIES[usize::from(strange.family)];
                (u64::from(strange.row), explain(self.profile, (part, sources), row, layer, strange.column))
            })
            .collect();
        self.explained.extend(texts);
        for one in judged {
            self.sums.merge(&one.sums);
            self.kept.merge(one.kept);
            for (to, from) in self.sampled.iter_mut().zip(&one.sampled) {
                let room = SAMPLED_MAX.saturating_sub(to.len());
                to.extend(from.iter().take(room));
            }
        }
    }

    /// Ends the delivery.
    pub fn finish(mut self) -> Screening {
        std::mem::take(&mut self.copies).raise_firsts(&mut self.scores);
        let rows = self.rows();
        let flagged = rows.1;
        let state = self.state.after(&self.sums);
        let mut tests =
            if self.absent.is_empty() { crate::whole::tests(&self, &self.kept, &self.time, &state) } else { Vec::new() };
        let broken = self.contract.iter().filter(|finding| finding.row.is_some()).map(|finding| finding.row);
        let broken_rows = broken.collect::<std::collections::BTreeSet<_>>().len() as u64 + self.broken;
        let refusals = crate::whole::refusals(&self, broken_rows, (&self.absent, &self.unknown), &self.contract);
        let refused = !refusals.is_empty();
        tests.extend(refusals);
        tests.extend(crate::whole::unreadable(self.broken));
        tests.extend(crate::whole::unlisted(flagged, rows.2.len() as u64));
        let alarm = tests.iter().any(|test| test.alarm);
        let verdict = if refused {
            Suggestion::Refuse
        } else if alarm {
            Suggestion::Hold
        } else if rows.0.is_empty() {
            Suggestion::Pass
        } else {
            Suggestion::Quarantine(rows.2)
        };
        let row_scores = std::mem::take(&mut self.scores);
        Screening { rows: rows.0, rows_flagged: flagged, row_scores, tests, alarm, verdict, state }
    }

    /// Rows to set aside: those that break a rule, and those that Benjamini and Hochberg's rule rejects. The first of them as findings, how
    /// many there are, and their numbers as far as they are kept.
    fn rows(&mut self) -> (Vec<RowFinding>, u64, Vec<u64>) {
        let cut = self.stranges.cut(self.scores.len());
        let rejected = |strange: &&Strange| cut.is_some_and(|(cut, _)| strange.p_value <= cut);
        let mut flagged: Vec<Strange> = self.stranges.rows.iter().filter(rejected).copied().collect();
        let unlisted = cut.map_or(0, |(_, count)| count - flagged.len() as u64);
        let broken: std::collections::BTreeMap<u64, &ContractFinding> =
            self.contract.iter().filter_map(|finding| Some((finding.row?, finding))).collect();
        let wrong: std::collections::BTreeMap<u64, (i64, bool)> =
            self.time.rows_wrong.iter().map(|&(row, at, ahead)| (row, (at, ahead))).collect();
        let certain = |row: u64| broken.contains_key(&row) || wrong.get(&row).is_some_and(|(_, ahead)| *ahead);
        flagged.retain(|strange| !certain(u64::from(strange.row)));
        let score = |strange: &Strange| self.scores[strange.row as usize];
        flagged.sort_by(|one, two| score(two).total_cmp(&score(one)).then(one.row.cmp(&two.row)));
        let mut set_aside: Vec<u64> = flagged.iter().map(|strange| u64::from(strange.row)).collect();
        set_aside.extend(broken.keys().copied());
        set_aside.extend(wrong.iter().filter(|(_, (_, ahead))| *ahead).map(|(row, _)| *row));
        set_aside.sort_unstable();
        set_aside.dedup();
        let mut out: Vec<RowFinding> = Vec::new();
        for (&row, finding) in &broken {
            let column = Some(finding.column.clone()).filter(|name| !name.is_empty());
            out.push(RowFinding { row, layer: Layer::Contract, column, p_value: 0.0, seen: finding.seen.clone() });
        }
        for (&row, &(at, ahead)) in wrong.iter().filter(|(_, (_, ahead))| *ahead) {
            let seen = format!("`{at}` lies {} its arrival", if ahead { "ahead of" } else { "before" });
            out.push(RowFinding { row, layer: Layer::Time, column: self.profile.model.spec.time.clone(), p_value: 0.0, seen });
        }
        for strange in flagged.into_iter().take(FINDINGS_MAX) {
            let row = u64::from(strange.row);
            out.push(RowFinding {
                row,
                layer: FAMILIES[usize::from(strange.family)],
                column: self.profile.model.encoder.names.get(usize::from(strange.column)).cloned(),
                p_value: f64::from(strange.p_value),
                seen: self.explained.get(&row).cloned().unwrap_or_else(|| "stranger than rows of history".to_owned()),
            });
        }
        out.truncate(FINDINGS_MAX);
        let count = set_aside.len() as u64 + unlisted;
        (out, count, set_aside)
    }
}

const _: () = assert!(ROWS_MAX < u32::MAX as usize && STRANGE_MAX < ROWS_MAX, "the number of a row is kept in 32 bits");
