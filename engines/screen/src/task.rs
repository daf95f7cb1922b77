//! One core's share of a delivery: its rows by every row layer, with nothing allocated per row.

use frame::Frame;
use outlier::stats::Mix;

use crate::Layer;
use crate::encode::{Chunk, Reading, Source};
use crate::expect::Space;
use crate::judge::{ALONE, CHUNK_ROWS, CLONE, CROWDING, DUPLICATE, Detail, FAMILIES, ISOLATION, Scores};
use crate::learn::tiers_of;
use crate::near::{BLOCKS, Points, block_of};
use crate::pairs::Kept;
use crate::profile::{MARKS, Profile, p_value};
use crate::screen::{Identity, joined};
use crate::shift::ROWS_MAX as KEPT_ROWS;
use crate::strange::{Strange, may_be_flagged};
use crate::sums::Sums;

/// Values of each number that a task keeps to name a unit.
const SAMPLED: usize = 256;

/// Rows `from..to` of an opened part; `first` is the number of the first in the delivery.
pub(crate) struct Task<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) sources: &'a [Source<'a>],
    pub(crate) identity: &'a Identity<'a>,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) first: usize,
    /// Keys from here on cannot be among the rows that are kept.
    pub(crate) kept_below: u64,
}

/// What a task found.
pub(crate) struct Judged {
    /// Surprises of each row by family; duplicates are decided later.
    pub(crate) said: Vec<[f32; FAMILIES.len()]>,
    /// The column that drives each family that one row alone decides.
    pub(crate) columns: Vec<[u16; ALONE]>,
    /// Whether the row stands in history: 1 what is judged of it, 2 the whole row.
    pub(crate) twins: Vec<u8>,
    pub(crate) contents: Vec<u64>,
    pub(crate) wholes: Vec<u64>,
    pub(crate) sums: Sums,
    pub(crate) kept: Kept,
    pub(crate) sampled: Vec<Vec<f64>>,
    /// The block size by which crowding was judged.
    pub(crate) block: Option<usize>,
}

/// Rows of a task with all layers joined.
#[derive(Default)]
pub(crate) struct Joined {
    pub(crate) scores: Vec<f32>,
    /// Rows that may have to be set aside, counted from the task's first.
    pub(crate) stranges: Vec<Strange>,
    /// Rows beyond each mark of the joined score.
    pub(crate) beyond: [u64; MARKS.len()],
    /// Rows that stood there before, in what is judged of them or as a whole, and those as a whole.
    pub(crate) twins: u64,
    pub(crate) wholes: u64,
}

impl Judged {
    /// Joins the layers; `copies` says of each row whether it stood in the delivery before: 1 what is judged of it, 2 the whole row.
    pub(crate) fn join(&self, profile: &Profile, copies: &[u8]) -> Joined {
        let (model, index) = (&profile.model, &profile.index);
        let option = self.block.map_or(0, |at| at + 1);
        let (sorted, marks) = (&model.joined[option], &index.joined_marks[option]);
        let mut out = Joined { scores: Vec::with_capacity(self.said.len()), ..Joined::default() };
        for (row, ((said, &twin), &copy)) in self.said.iter().zip(&self.twins).zip(copies).enumerate() {
            let (mut said, twin) = (*said, twin.max(copy));
            out.twins += u64::from(twin > 0);
            out.wholes += u64::from(twin > 1);
            said[DUPLICATE] = model.surprise(DUPLICATE, None, f32::from(twin));
            let (score, family) = joined(&said);
            for (count, (mark, _)) in out.beyond.iter_mut().zip(marks) {
                *count += u64::from(score > *mark);
            }
            let p_value = p_value(sorted, score);
            if may_be_flagged(p_value) {
                let column = self.columns[row].get(usize::from(family)).copied().unwrap_or(u16::MAX);
                out.stranges.push(Strange { row: row as u32, p_value, column, family });
            }
            out.scores.push(score);
        }
        out
    }
}

impl Task<'_> {
    pub(crate) fn judge(&self) -> Judged {
        let (model, index) = (&self.profile.model, &self.profile.index);
        let rows = self.to - self.from;
        let mut out = Judged {
            said: Vec::with_capacity(rows),
            columns: Vec::with_capacity(rows),
            twins: Vec::with_capacity(rows),
            contents: Vec::with_capacity(rows),
            wholes: Vec::with_capacity(rows),
            sums: Sums::new(&model.core, &model.encoder),
            kept: Kept::below(model.encoder.width(), KEPT_ROWS, self.kept_below),
            sampled: vec![Vec::new(); model.encoder.numbers.len()],
            block: None,
        };
        let (mut chunk, mut space, mut detail, mut scores) =
            (Chunk::default(), Space::default(), Detail::default(), Scores::default());
        let mut points = Points::default();
        let tiers = model.value.map_or_else(Vec::new, |value| {
            tiers_of(&model.reference.histogram[usize::from(value) * 256..(usize::from(value) + 1) * 256])
        });
        let mut at = self.from;
        while at < self.to {
            let upto = self.to.min(at + CHUNK_ROWS);
            model.encoder.read(self.sources, at, upto, &mut chunk);
            model.core.detail(&model.encoder, &chunk, model.label.map(usize::from), &mut space, &mut detail);
            scores.of(&model.core, &model.curves, (model.label, model.value), model.rate, &detail);
            out.sums.add(&model.core, &model.encoder, &chunk, &detail, (model.label, model.value), &tiers);
            out.kept.offer(&chunk, (self.first + at - self.from) as u64, model.spec.seed);
            points.append(&index.near.points(&chunk));
            let contents = self.identity.contents(&chunk, 0);
            let wholes = self.identity.wholes(&contents, at);
            for row in 0..chunk.rows {
                let whole = self.identity.has_more() && index.wholes.contains(&wholes[row]);
                out.twins.push(if whole { 2 } else { u8::from(index.contents.contains(&contents[row])) });
            }
            out.contents.extend(contents);
            out.wholes.extend(wholes);
            self.surprises(&scores, chunk.rows, &mut out);
            for (number, sampled) in out.sampled.iter_mut().enumerate() {
                let room = SAMPLED.saturating_sub(sampled.len());
                sampled.extend(chunk.number(number).iter().copied().filter(|value| value.is_finite()).take(room));
            }
            at = upto;
        }
        self.nearness(&points, &mut out);
        out
    }

    fn surprises(&self, scores: &Scores, rows: usize, out: &mut Judged) {
        let (model, index) = (&self.profile.model, &self.profile.index);
        for row in 0..rows {
            let (mut said, mut columns) = ([0.0; FAMILIES.len()], [u16::MAX; ALONE]);
            for family in 0..ALONE {
                let raw = scores.raw[family][row];
                said[family] = model.surprise(family, None, raw);
                columns[family] = scores.column[family][row];
                for (count, (mark, _)) in out.sums.beyond[family].iter_mut().zip(&index.marks[family]) {
                    *count += u64::from(raw > *mark);
                }
            }
            out.said.push(said);
            out.columns.push(columns);
        }
    }

    /// Deals the rows into blocks of a calibrated size, in seeded order; the last block is filled up with rows of the one before.
    fn nearness(&self, points: &Points, out: &mut Judged) {
        let (model, index) = (&self.profile.model, &self.profile.index);
        let rows = points.rows();
        let largest = model.crowding.iter().zip(BLOCKS).filter(|(known, _)| !known.sorted.is_empty()).map(|(_, size)| size).max();
        let size = largest.and_then(|largest| block_of(rows, largest));
        out.block = size.and_then(|size| BLOCKS.iter().position(|known| *known == size));
        let order: Vec<u32> =
            Mix::new(model.spec.seed ^ self.first as u64, 61).choose(rows, rows).into_iter().map(|row| row as u32).collect();
        let size = size.unwrap_or(rows).max(1);
        let mut done = 0;
        while done < rows {
            let from = done.min(rows.saturating_sub(size));
            let block = &order[from..rows.min(from + size)];
            for (at, near) in index.near.judge(points, block, &index.pool).into_iter().enumerate().skip(done - from) {
                let row = block[at] as usize;
                let raw = [(CLONE, near.clone), (ISOLATION, near.isolation), (CROWDING, near.crowding)];
                for (family, raw) in raw {
                    out.said[row][family] = model.surprise(family, out.block, raw);
                    let marks = match (family, out.block) {
                        (CROWDING, Some(block)) => &index.crowding_marks[block],
                        (CROWDING, None) => continue,
                        _ => &index.marks[family],
                    };
                    for (count, (mark, _)) in out.sums.beyond[family].iter_mut().zip(marks) {
                        *count += u64::from(raw > *mark);
                    }
                }
            }
            done = from + block.len();
        }
    }
}

/// A cell as people read it.
fn shown(frame: &Frame, name: &str, row: usize) -> String {
    match frame.column(name) {
        Some(frame::Column::Number(values)) => values.get(row).map_or_else(String::new, |value| format!("{value}")),
        Some(frame::Column::Category(known)) => known.text(row).unwrap_or_default().chars().take(80).collect(),
        None => String::new(),
    }
}

/// What is strange about one row, in words.
pub(crate) fn explain(
    profile: &Profile,
    (part, sources): (&Frame, &[Source<'_>]),
    row: usize,
    layer: Layer,
    column: u16,
) -> String {
    let model = &profile.model;
    let name = model.encoder.names.get(usize::from(column)).map_or("", String::as_str);
    let value = shown(part, name, row);
    match layer {
        Layer::Range => match model.encoder.readings.get(usize::from(column)) {
            Some(Reading::Levels(_)) => format!("`{name}` is `{value}`, hardly ever or never in history"),
            Some(Reading::Number(_)) | None => format!("`{name}` is `{value}`, beyond the values of history or more exact"),
        },
        Layer::Conditional | Layer::Critical => {
            let mut chunk = Chunk::default();
            model.encoder.read(sources, row, row + 1, &mut chunk);
            let mut space = Space::default();
            let foretold = model.core.expects.iter().find(|expect| expect.column == column).and_then(|expect| {
                model.core.linear.standardise(&model.encoder, &chunk, &mut space.inputs);
                model.core.linear.predict(&chunk, &space.inputs, &mut space.lines, &mut space.distance);
                expect.judge(&model.encoder, &chunk, &mut space);
                expect.foretold(&model.encoder, &space, 0)
            });
            match foretold {
                Some(foretold) => format!("`{name}` is `{value}`, the row's other columns foretell about `{foretold:.4}`"),
                None => format!("`{name}` is `{value}`, which the row's other columns do not foretell"),
            }
        }
        Layer::Covariance => "its numbers lie far apart from how history's go together".to_owned(),
        Layer::Pair => format!("`{name}` is `{value}` together with values that history does not hold with it"),
        Layer::Duplicate => "the row stands in history or in the delivery already".to_owned(),
        Layer::Clone => "nearly a copy of one row of history".to_owned(),
        Layer::Isolation => "far from every row of history".to_owned(),
        Layer::Crowding => "one of a block of near-copies in the delivery".to_owned(),
        Layer::Label => format!("`{name}` is `{value}`, a model of history says otherwise"),
        Layer::Contract | Layer::Records | Layer::Time | Layer::Combined | Layer::Column => String::new(),
        Layer::Combination | Layer::Shift | Layer::Drip => String::new(),
    }
}

const _: () = assert!(CROWDING + 1 == FAMILIES.len(), "one surprise a family");
