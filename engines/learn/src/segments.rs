//! Sorts customers into segments with names that say size, value and churn, and says of each how far it can be trusted (T1).

use frame::{Column, Frame};
use serde::{Deserialize, Serialize};

use crate::error::{LearnError, in_range};
use crate::kmeans::{self, Points, Silhouettes};
use crate::preprocess::Value;
use crate::rng::derive;

/// Most segments.
pub const SEGMENTS_MAX: usize = 16;
/// Most columns that segments are made from.
pub const COLUMNS_MAX: usize = 256;
/// A mean adjusted Rand index from which a number of segments counts as stable.
pub const STABLE: f64 = 0.8;
/// A column more skewed than this, and never negative, is read as `ln(1 + x)`.
const SKEWED: f64 = 1.0;
/// Least share of the rows in the smallest segment. A segment of a few rows is an outlier that stands alone, or a plant (T1).
const SHARE_MIN: f64 = 0.01;
/// Overlap (Jaccard) from which a segment of two versions is the same one (Hennig 2007 calls groups below 0.5 dissolved).
pub const SAME: f64 = 0.5;
/// Starts of the fits inside the bootstraps; fewer than outside, since only the agreement counts.
const BOOTSTRAP_STARTS: usize = 3;
/// The use of the seed.
const SEED_USE: u64 = 0x5E;

/// What segments are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentSpec {
    /// Number columns; at least one.
    pub columns: Vec<String>,
    /// Fewest segments, 2 to [`SEGMENTS_MAX`].
    pub least: usize,
    /// Most segments, `least` to [`SEGMENTS_MAX`].
    pub most: usize,
    /// Starts of each fit, 1 to 100.
    pub starts: usize,
    /// Bootstraps of the stability, 2 to 200.
    pub bootstraps: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for SegmentSpec {
    fn default() -> Self {
        Self { columns: Vec::new(), least: 2, most: 8, starts: 10, bootstraps: 20, seed: 20_261_122 }
    }
}

impl SegmentSpec {
    /// Refuses settings outside their ranges.
    pub fn check(&self) -> Result<(), LearnError> {
        if self.columns.is_empty() || self.columns.len() > COLUMNS_MAX {
            return Err(LearnError::Size { what: "segment columns", seen: self.columns.len(), least: 1, most: COLUMNS_MAX });
        }
        in_range("segments.least", self.least as f64, 2.0, SEGMENTS_MAX as f64, "2 to 16")?;
        in_range("segments.most", self.most as f64, self.least as f64, SEGMENTS_MAX as f64, "`least` to 16")?;
        in_range("segments.starts", self.starts as f64, 1.0, 100.0, "1 to 100")?;
        in_range("segments.bootstraps", self.bootstraps as f64, 2.0, 200.0, "2 to 200")
    }
}

/// How one column is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The column's name.
    pub column: String,
    /// Whether it is read as `ln(1 + x)`; then values below 0 count as 0.
    pub log: bool,
    /// What a missing value becomes, before scaling: the median.
    pub fill: f64,
    /// Subtracted.
    pub mean: f64,
    /// Divided by; positive.
    pub deviation: f64,
}

impl Axis {
    fn narrow(&self, value: f64) -> f64 {
        if self.log { libm::log1p(value.max(0.0)) } else { value }
    }

    fn read(&self, value: f64) -> f64 {
        let value = if value.is_finite() { self.narrow(value) } else { self.fill };
        (value - self.mean) / self.deviation
    }
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// Such as `large, high value, low churn`; unique.
    pub name: String,
    /// The centre, one scaled number per axis.
    pub centre: Vec<f64>,
    /// The centre in the columns' own units.
    pub typical: Vec<f64>,
    /// Training rows in it.
    pub size: u64,
    /// Mean value of its rows; `None` where no value is known.
    pub mean_value: Option<f64>,
    /// Share of positives; `None` where no labels were given.
    pub churn_rate: Option<f64>,
    /// Mean best Jaccard overlap over the bootstraps; below 0.6 the segment is not to be trusted (Hennig 2007).
    pub stability: f64,
    /// Its number in this and all later versions, from 1; 0 in files of earlier programs.
    #[serde(default)]
    pub number: u32,
    /// How far rows that no earlier version had can have moved the centre at most, in scaled units; 0 where all rows count alike.
    #[serde(default)]
    pub bound: f64,
    /// How far they have.
    #[serde(default)]
    pub moved: f64,
}

/// What was measured for one number of segments.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The number of segments.
    pub segments: usize,
    /// Mean silhouette, -1 to 1.
    pub silhouette: f64,
    /// Mean adjusted Rand index over the bootstraps.
    pub stability: f64,
    /// The least adjusted Rand index of them: what chance alone does to the segments.
    #[serde(default)]
    pub least: f64,
    /// Sum of squared distances from the centres.
    pub inertia: f64,
    /// Share of the rows in the smallest segment.
    pub smallest: f64,
}

/// Fitted segments, ordered by falling mean value, then by falling size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segments {
    spec: SegmentSpec,
    axes: Vec<Axis>,
    segments: Vec<Segment>,
    choices: Vec<Choice>,
    /// The highest number that this or an earlier version gave; a number that died is not given again.
    #[serde(default)]
    highest: u32,
}

impl Segments {
    /// Fits segments on every row of a frame.
    ///
    /// Numbers of segments that leave a segment with less than a hundredth of the rows are passed over, where others are left. Of
    /// those with a stability of at least [`STABLE`] the one with the largest silhouette is chosen; where none is stable, the
    /// most stable. `values` (`NaN` for unknown) and `churned` only describe the segments.
    ///
    /// # Errors
    /// Settings outside their ranges, columns that are absent or no numbers, too few rows, counts that do not agree.
    pub fn fit(rows: &Frame, values: &[f64], churned: Option<&[bool]>, spec: &SegmentSpec) -> Result<Self, LearnError> {
        Self::fit_trusting(rows, None, values, churned, spec)
    }

    /// The same, where rows are `known` from an earlier version or new: the known ones alone decide how many segments there are and how
    /// columns are scaled, and all new ones together move each centre by no more than [`Segment::bound`] ([`kmeans::capped::Cap`]), whatever
    /// they are. Where too few rows are known, all count alike.
    ///
    /// # Errors
    /// As [`Self::fit`].
    pub fn fit_trusting(
        rows: &Frame,
        known: Option<&[bool]>,
        values: &[f64],
        churned: Option<&[bool]>,
        spec: &SegmentSpec,
    ) -> Result<Self, LearnError> {
        spec.check()?;
        let count = rows.rows();
        let lengths = [values.len(), churned.map_or(count, <[bool]>::len), known.map_or(count, <[bool]>::len)];
        for (what, seen) in ["values", "labels", "marks of known rows"].into_iter().zip(lengths) {
            if seen != count {
                return Err(LearnError::Count { what, expected: count, seen });
            }
        }
        if count < spec.most * 2 {
            return Err(LearnError::Size {
                what: "rows to segment",
                seen: count,
                least: spec.most * 2,
                most: crate::spec::ROWS_MAX,
            });
        }
        let (old, new): (Vec<usize>, Vec<usize>) = (0..count).partition(|row| known.is_none_or(|known| known[*row]));
        let trusted = (!new.is_empty() && old.len() >= spec.most * 2).then(|| rows.take(&old));
        let base = trusted.as_ref().unwrap_or(rows);
        let axes = spec.columns.iter().map(|name| axis(name, numbers(base, name)?)).collect::<Result<Vec<_>, _>>()?;
        let points = points(&axes, base)?;
        let seed = derive(spec.seed, SEED_USE, 0);
        let silhouettes = Silhouettes::new(&points, seed);
        let mut choices = Vec::new();
        let mut fitted = Vec::new();
        for k in spec.least..=spec.most {
            let (centres, inertia) = kmeans::fit(&points, k, spec.starts, seed);
            let labels = kmeans::assign(&points, &centres);
            let stability = kmeans::stability(&points, &centres, spec.bootstraps, BOOTSTRAP_STARTS, seed);
            let silhouette = silhouettes.mean(&labels);
            let silhouette = if silhouette.is_nan() { -1.0 } else { silhouette };
            let smallest = (0..k as u32).map(|group| labels.iter().filter(|&&label| label == group).count()).min().unwrap_or(0);
            let smallest = smallest as f64 / base.rows() as f64;
            let (least, stable) = (stability.least, stability.rand);
            choices.push(Choice { segments: k, silhouette, stability: stable, least, inertia, smallest });
            fitted.push((centres, labels, stability.jaccard));
        }
        let (mut centres, mut labels, jaccard) = fitted.swap_remove(choose(&choices));
        let mut pulled = vec![(0.0, 0.0); centres.len()];
        if trusted.is_some() {
            let others = self::points(&axes, &rows.take(&new))?;
            let capped =
                kmeans::capped::fit_capped(&points, &others, centres.len(), spec.starts, seed, kmeans::capped::Cap::default());
            pulled = capped.centres.iter().map(|centre| (centre.bound, centre.moved)).collect();
            centres = capped.centres.into_iter().map(|centre| centre.centre).collect();
            labels = kmeans::assign(&self::points(&axes, rows)?, &centres);
        }
        let segments = describe(&axes, (centres, &jaccard, &pulled), &labels, values, churned);
        let highest = segments.iter().map(|segment| segment.number).max().unwrap_or(0);
        Ok(Self { spec: spec.clone(), axes, segments, choices, highest })
    }

    /// Numbers the segments as those of an earlier version that hold the same rows (best overlap first, at least [`SAME`] of the rows of
    /// both); segments that hold others get new numbers. Also says how far both versions agree on these rows (adjusted Rand index;
    /// Hubert and Arabie 1985).
    ///
    /// # Errors
    /// A column of either version that is absent or no number.
    pub fn following(mut self, earlier: &Self, rows: &Frame) -> Result<(Self, f64), LearnError> {
        let narrow = |all: Vec<usize>| -> Vec<u32> { all.into_iter().map(|at| at as u32).collect() };
        let (own, old) = (narrow(self.assign_all(rows)?), narrow(earlier.assign_all(rows)?));
        let share = |new: usize, before: usize| {
            let (mut both, mut either) = (0.0, 0.0);
            for (own, old) in own.iter().zip(&old) {
                let (here, there) = (*own as usize == new, *old as usize == before);
                both += f64::from(u8::from(here && there));
                either += f64::from(u8::from(here || there));
            }
            if either > 0.0 { both / either } else { 0.0 }
        };
        let pairs = (0..self.segments.len()).flat_map(|new| (0..earlier.segments.len()).map(move |before| (new, before)));
        let mut pairs: Vec<(f64, usize, usize)> = pairs.map(|(new, before)| (share(new, before), new, before)).collect();
        pairs.sort_by(|left, right| right.0.total_cmp(&left.0).then((left.1, left.2).cmp(&(right.1, right.2))));
        let mut next = earlier.segments.iter().map(|segment| segment.number).max().unwrap_or(0).max(earlier.highest);
        self.segments.iter_mut().for_each(|segment| segment.number = 0);
        for (_, new, before) in pairs.into_iter().filter(|(share, ..)| *share >= SAME) {
            let number = earlier.segments[before].number;
            if self.segments[new].number == 0 && number > 0 && self.segments.iter().all(|segment| segment.number != number) {
                self.segments[new].number = number;
            }
        }
        for segment in self.segments.iter_mut().filter(|segment| segment.number == 0) {
            next += 1;
            segment.number = next;
        }
        self.highest = next;
        Ok((self, crate::metrics::adjusted_rand(&own, &old)))
    }

    /// The segments.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What was measured for each number of segments.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// How the columns are read, in the order of a row's values.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// What the segments were made by.
    pub fn spec(&self) -> &SegmentSpec {
        &self.spec
    }

    /// The segment of one row, values in the order of [`Self::axes`]; what is no finite number counts as missing.
    pub fn assign(&self, row: &[Value<'_>]) -> usize {
        let number = |at: usize| match row.get(at) {
            Some(Value::Number(number)) => *number,
            Some(Value::Text(_) | Value::Missing) | None => f64::NAN,
        };
        let point: Vec<f64> = self.axes.iter().enumerate().map(|(at, axis)| axis.read(number(at))).collect();
        self.nearest(&point)
    }

    fn nearest(&self, point: &[f64]) -> usize {
        let mut best = (0, f64::INFINITY);
        for (at, segment) in self.segments.iter().enumerate() {
            let distance = kmeans::far(&segment.centre, point);
            if distance < best.1 {
                best = (at, distance);
            }
        }
        best.0
    }

    /// The segment of every row of a frame.
    ///
    /// # Errors
    /// A column that is absent or no number.
    pub fn assign_all(&self, rows: &Frame) -> Result<Vec<usize>, LearnError> {
        let points = points(&self.axes, rows)?;
        Ok((0..points.len()).map(|row| self.nearest(points.at(row))).collect())
    }

    /// Checks what a file claims: sizes agree, numbers finite, deviations positive, names unique.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.spec.check().map_err(|error| error.to_string())?;
        let axes: Vec<&String> = self.axes.iter().map(|axis| &axis.column).collect();
        if axes != self.spec.columns.iter().collect::<Vec<_>>() {
            return Err("axes are not the columns of the settings".to_owned());
        }
        if self.segments.is_empty() || self.segments.len() > SEGMENTS_MAX || self.choices.len() > SEGMENTS_MAX {
            return Err(format!("`{}` segments", self.segments.len()));
        }
        let axis_is_fine =
            |axis: &Axis| [axis.fill, axis.mean, axis.deviation].iter().all(|fact| fact.is_finite()) && axis.deviation > 0.0;
        if !self.axes.iter().all(axis_is_fine) {
            return Err("a number of an axis is not finite or not positive".to_owned());
        }
        for segment in &self.segments {
            let facts = [segment.mean_value.unwrap_or(0.0), segment.churn_rate.unwrap_or(0.0), segment.stability];
            let all = segment.centre.iter().chain(&segment.typical).chain(&facts).chain([&segment.bound, &segment.moved]);
            if segment.centre.len() != self.axes.len()
                || segment.typical.len() != self.axes.len()
                || !all.copied().all(f64::is_finite)
            {
                return Err(format!("segment `{}` does not fit its axes", segment.name));
            }
        }
        let names: std::collections::BTreeSet<&str> = self.segments.iter().map(|segment| segment.name.as_str()).collect();
        if names.len() != self.segments.len() {
            return Err("two segments have one name".to_owned());
        }
        Ok(())
    }
}

fn numbers<'a>(rows: &'a Frame, name: &str) -> Result<&'a [f64], LearnError> {
    match rows.column(name) {
        Some(Column::Number(numbers)) => Ok(numbers),
        Some(Column::Category(_)) => Err(LearnError::Kind { column: name.to_owned(), needed: "a number" }),
        None => Err(LearnError::NoColumn(name.to_owned())),
    }
}

fn points(axes: &[Axis], rows: &Frame) -> Result<Points, LearnError> {
    let columns = axes.iter().map(|axis| numbers(rows, &axis.column)).collect::<Result<Vec<_>, _>>()?;
    let mut values = Vec::with_capacity(rows.rows() * axes.len());
    for row in 0..rows.rows() {
        values.extend(axes.iter().zip(&columns).map(|(axis, column)| axis.read(column.get(row).copied().unwrap_or(f64::NAN))));
    }
    Ok(Points::new(values, axes.len()))
}

/// Mean, population deviation and skewness.
fn moments(values: &[f64]) -> (f64, f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let central = |power: i32| values.iter().map(|value| (value - mean).powi(power)).sum::<f64>() / count;
    let deviation = central(2).sqrt();
    (mean, deviation, central(3) / (deviation * deviation * deviation))
}

fn axis(name: &str, column: &[f64]) -> Result<Axis, LearnError> {
    let mut known: Vec<f64> = column.iter().copied().filter(|value| value.is_finite()).collect();
    if known.is_empty() {
        return Err(LearnError::Kind { column: name.to_owned(), needed: "known for any row" });
    }
    known.sort_unstable_by(f64::total_cmp);
    let log = known[0] >= 0.0 && moments(&known).2 > SKEWED;
    let mut axis = Axis { column: name.to_owned(), log, fill: 0.0, mean: 0.0, deviation: 1.0 };
    axis.fill = axis.narrow(f64::midpoint(known[(known.len() - 1) / 2], known[known.len() / 2]));
    let filled: Vec<f64> = column.iter().map(|&value| axis.read(value)).collect();
    let (mean, deviation, _) = moments(&filled);
    if !mean.is_finite() || !deviation.is_finite() {
        return Err(LearnError::Kind { column: name.to_owned(), needed: "of numbers that can be scaled" });
    }
    axis.mean = mean;
    axis.deviation = if deviation > mean.abs() * 1e-9 && deviation > f64::MIN_POSITIVE { deviation } else { 1.0 };
    Ok(axis)
}

/// The largest silhouette among the stable, else the most stable; the first of equals.
fn choose(choices: &[Choice]) -> usize {
    let whole = |choice: &Choice| choice.smallest >= SHARE_MIN || choices.iter().all(|choice| choice.smallest < SHARE_MIN);
    let stable = choices.iter().any(|choice| whole(choice) && choice.stability >= STABLE);
    let rank = |choice: &Choice| match stable {
        _ if !whole(choice) => f64::NEG_INFINITY,
        true if choice.stability < STABLE => f64::NEG_INFINITY,
        true => choice.silhouette,
        false => choice.stability,
    };
    let mut best = 0;
    for (at, choice) in choices.iter().enumerate() {
        if rank(choice) > rank(&choices[best]) {
            best = at;
        }
    }
    best
}

/// Centres, the stability of each, and how far new rows may and did move it.
type Placed<'a> = (Vec<Vec<f64>>, &'a [f64], &'a [(f64, f64)]);

fn describe(
    axes: &[Axis],
    (centres, jaccard, pulled): Placed<'_>,
    labels: &[u32],
    values: &[f64],
    churned: Option<&[bool]>,
) -> Vec<Segment> {
    let back = |axis: &Axis, scaled: f64| {
        let value = scaled * axis.deviation + axis.mean;
        if axis.log { libm::expm1(value) } else { value }
    };
    let mut out = Vec::new();
    for (group, centre) in centres.into_iter().enumerate() {
        let members: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] as usize == group).collect();
        let typical = axes.iter().zip(&centre).map(|(axis, &scaled)| back(axis, scaled)).collect();
        let (bound, moved) = pulled.get(group).copied().unwrap_or_default();
        out.push(Segment {
            name: String::new(),
            number: 0,
            bound,
            moved,
            typical,
            size: members.len() as u64,
            mean_value: mean(members.iter().map(|&row| values[row])),
            churn_rate: churned.and_then(|churned| mean(members.iter().map(|&row| f64::from(u8::from(churned[row]))))),
            stability: jaccard.get(group).copied().unwrap_or(0.0),
            centre,
        });
    }
    let order = |segment: &Segment| segment.mean_value.unwrap_or(f64::NEG_INFINITY);
    out.sort_by(|left, right| order(right).total_cmp(&order(left)).then(right.size.cmp(&left.size)));
    out.iter_mut().zip(1..).for_each(|(segment, number)| segment.number = number);
    let value = mean(values.iter().copied());
    let churn = churned.and_then(|churned| mean(churned.iter().map(|&label| f64::from(u8::from(label)))));
    name_all(&mut out, axes, labels.len(), value, churn);
    out
}

/// Mean of the finite values.
fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let known: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    if known.is_empty() { None } else { Some(known.iter().sum::<f64>() / known.len() as f64) }
}

/// Says where a number stands against the mean of all: a quarter more, a quarter less, or between.
fn level(number: f64, all: f64, [more, less, between]: [&str; 3]) -> &str {
    let margin = 0.25 * all.abs();
    if number > all + margin {
        more
    } else if number < all - margin {
        less
    } else {
        between
    }
}

/// Names from size, value and churn; equal ones are told apart by the column that stands out most, then by a number.
fn name_all(segments: &mut [Segment], axes: &[Axis], rows: usize, value: Option<f64>, churn: Option<f64>) {
    let even = rows as f64 / segments.len().max(1) as f64;
    for segment in segments.iter_mut() {
        let mut words = vec![level(segment.size as f64, even, ["large", "small", "medium"])];
        if let (Some(own), Some(all)) = (segment.mean_value, value) {
            words.push(level(own, all, ["high value", "low value", "middle value"]));
        }
        if let (Some(own), Some(all)) = (segment.churn_rate, churn) {
            words.push(level(own, all, ["high churn", "low churn", "middle churn"]));
        }
        segment.name = words.join(", ");
    }
    let taken: Vec<String> = segments.iter().map(|segment| segment.name.clone()).collect();
    for (at, segment) in segments.iter_mut().enumerate() {
        if taken.iter().filter(|name| **name == taken[at]).count() > 1 {
            let outstanding =
                (0..axes.len()).max_by(|&left, &right| segment.centre[left].abs().total_cmp(&segment.centre[right].abs()));
            if let Some(axis) = outstanding {
                let side = if segment.centre[axis] >= 0.0 { "high" } else { "low" };
                segment.name = format!("{}, {side} {}", segment.name, axes[axis].column);
            }
        }
    }
    let mut known = std::collections::BTreeMap::<String, u32>::new();
    for segment in segments.iter_mut() {
        let seen = known.entry(segment.name.clone()).or_default();
        *seen += 1;
        if *seen > 1 {
            segment.name = format!("{} ({seen})", segment.name);
        }
    }
}

#[cfg(test)]
mod tests;
