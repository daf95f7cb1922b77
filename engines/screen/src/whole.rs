//! The delivery as a whole: each group of tests may spend its part of the false alarm rate, so that one honest delivery in a
//! hundred alarms, whatever the number of layers (T1).

use outlier::stats::exceedance_tail;

use crate::drip::State;
use crate::encode::{NEW, Reading};
use crate::exact::uneven;
use crate::judge::{CROWDING, DUPLICATE, FAMILIES};
use crate::pairs::{Combination, Kept, exact_scan};
use crate::screen::Screen;
use crate::time::TimeSums;
use crate::{BatchFinding, ContractFinding, Layer, PARTS};

/// Share of rows that break the contract or cannot be read from which a delivery is refused.
const BROKEN_SHARE_MAX: f64 = 0.2;
/// Crowded rows that count as one: honest crowding comes in pockets, not row by row (measured; `screen_table` prints the blame).
const POCKET: usize = 2;

/// Rank of the first mark and how many trusted rows stand behind it, by family; the last entry is of all joined.
fn ranks(screen: &Screen<'_>, mark: usize) -> Vec<Option<(u32, usize)>> {
    let (model, index) = (&screen.profile.model, &screen.profile.index);
    let trusted = model.rows as usize;
    let mut out: Vec<Option<(u32, usize)>> = (0..FAMILIES.len())
        .map(|family| match family {
            DUPLICATE => None,
            CROWDING => index
                .crowding_marks
                .iter()
                .zip(&model.crowding)
                .filter(|(_, known)| !known.sorted.is_empty())
                .map(|(marks, known)| (marks[mark].1, known.sorted.len()))
                .next_back(),
            _ => Some((index.marks[family][mark].1, trusted)),
        })
        .collect();
    out.push(Some((index.joined_marks[0][mark].1, trusted)));
    out
}

/// All tests that can be made, each with its alarm.
pub(crate) fn tests(screen: &Screen<'_>, kept: &Kept, time: &TimeSums, state: &State) -> Vec<BatchFinding> {
    let (model, sums) = (&screen.profile.model, &screen.sums);
    if sums.rows == 0 {
        return Vec::new();
    }
    let mut out = vec![shares(screen), crate::columns::tests(model, sums, &screen.sampled), duplicates(screen)];
    out.extend(crate::labels::tests(model, sums));
    let codes = kept.codes();
    out.extend(combination(screen, (codes.0, &codes.1)));
    out.extend(crate::shift::test(model, (codes.0, &codes.1)));
    out.extend(model.time.as_ref().map(|reference| reference.tests(time)));
    let first: Vec<Option<(u32, usize)>> = ranks(screen, 0);
    out.extend(state.test(model, &first));
    for (at, test) in out.iter_mut().enumerate() {
        // The first counts rows of all row layers, and names the one that says most.
        let group = if at == 0 { Layer::Combined } else { test.layer };
        let part = PARTS.iter().find(|(layer, _)| *layer == group).map_or(0.0, |(_, part)| *part);
        test.alarm = test.p_value <= part * model.spec.false_alarm;
    }
    out
}

/// How many rows pass the marks that few trusted rows pass: exact for rows judged one by one (Sarkadi 1957).
fn shares(screen: &Screen<'_>) -> BatchFinding {
    let sums = &screen.sums;
    let mut all: Vec<(f64, Layer, String)> = Vec::new();
    for mark in 0..crate::profile::MARKS.len() {
        for (family, rank) in ranks(screen, mark).into_iter().enumerate() {
            let Some((rank, trusted)) = rank else { continue };
            let seen = sums.beyond[family][mark];
            let p = match family {
                CROWDING => exceedance_tail(seen as usize / POCKET, sums.rows as usize / POCKET, rank as usize, trusted),
                _ => exceedance_tail(seen as usize, sums.rows as usize, rank as usize, trusted),
            };
            let layer = FAMILIES.get(family).copied().unwrap_or(Layer::Combined);
            let expected = f64::from(rank) / (trusted + 1) as f64 * sums.rows as f64;
            all.push((p, layer, format!("{seen} rows stranger by {layer:?} than {expected:.1} of as many trusted rows")));
        }
    }
    let count = all.len().max(1) as f64;
    all.sort_by(|one, two| one.0.total_cmp(&two.0));
    let (p, layer, seen) = all.into_iter().next().unwrap_or((1.0, Layer::Combined, String::new()));
    BatchFinding { layer, what: "strange rows".to_owned(), p_value: (p * count).min(1.0), seen, alarm: false }
}

/// Rows that stand in history or in the delivery twice, against how many of history's do.
fn duplicates(screen: &Screen<'_>) -> BatchFinding {
    let (ours, theirs) = (&screen.sums, &screen.profile.model.reference);
    let one = (uneven(ours.wholes, ours.rows, theirs.wholes, theirs.rows), ours.wholes, "whole rows");
    // Copies of contents grow by chance with the rows: compared while the delivery is no larger than history.
    let two = (uneven(ours.twins, ours.rows, theirs.twins, theirs.rows), ours.twins, "rows' contents");
    let fits = ours.rows <= theirs.rows && (ours.twins as f64 / ours.rows as f64) > (theirs.twins as f64 / theirs.rows as f64);
    let (p, seen, what) = if fits && two.0 < one.0 { two } else { one };
    BatchFinding {
        layer: Layer::Duplicate,
        what: "rows that were there before".to_owned(),
        p_value: (2.0 * p).min(1.0),
        seen: format!("{seen} {what} stand in history or in the delivery already"),
        alarm: false,
    }
}

/// The most remarkable combination of two values, by groups over all rows and by exact values over kept rows.
fn combination(screen: &Screen<'_>, (rows, codes): (usize, &[u8])) -> Option<BatchFinding> {
    let (model, sums) = (&screen.profile.model, &screen.sums);
    let labels = &model.reference.labels;
    let rate = (labels.positive as f64 + 1.0) / (labels.known as f64 + 2.0);
    let grouped = model.core.pairs.scan(&sums.pairs, sums.rows, model.rows, rate).map(|found| (found, false));
    let levels = crate::expect::level_columns(&model.encoder);
    let trusted = (model.sample_rows(), model.sample.as_slice());
    let exact = exact_scan((rows, codes), trusted, model.label.map(usize::from), rate, &levels).map(|found| (found, true));
    let both = [grouped, exact];
    let (found, is_exact) = both.into_iter().flatten().min_by(|one, two| one.0.p_value.total_cmp(&two.0.p_value))?;
    Some(BatchFinding {
        layer: Layer::Combination,
        what: "a combination of values".to_owned(),
        p_value: (2.0 * found.p_value).min(1.0),
        seen: in_words(screen, &found, is_exact),
        alarm: false,
    })
}

fn in_words(screen: &Screen<'_>, found: &Combination, is_exact: bool) -> String {
    let encoder = &screen.profile.model.encoder;
    let value = |column: u16, group: u8| {
        let name = encoder.names.get(usize::from(column)).map_or("", String::as_str);
        let which = match encoder.readings.get(usize::from(column)) {
            Some(Reading::Levels(levels)) => levels
                .name(if is_exact { group >> 2 } else { group })
                .filter(|_| is_exact || group < 6)
                .map_or_else(|| "a rare or new level".to_owned(), |level| format!("`{level}`")),
            Some(Reading::Number(_)) if is_exact && group < NEW => format!("near rank {group} of 248"),
            Some(Reading::Number(_)) if !is_exact && group < 7 => format!("in seventh {} of its values", group + 1),
            Some(Reading::Number(_)) | None => "missing".to_owned(),
        };
        format!("`{name}` {which}")
    };
    format!(
        "{} rows with {} and {} ({} in history), {} of them positive",
        found.rows,
        value(found.columns.0, found.groups.0),
        value(found.columns.1, found.groups.1),
        found.trusted_rows,
        found.positive
    )
}

/// Why a delivery is not what was agreed.
pub(crate) fn refusals(
    screen: &Screen<'_>,
    broken_rows: u64,
    (absent, unknown): (&[String], &[String]),
    contract: &[ContractFinding],
) -> Vec<BatchFinding> {
    let mut out = Vec::new();
    let mut refuse = |layer: Layer, what: &str, seen: String| {
        out.push(BatchFinding { layer, what: what.to_owned(), p_value: 0.0, seen, alarm: true });
    };
    if !absent.is_empty() {
        let also = if unknown.is_empty() { String::new() } else { format!("; `{}` are not known", unknown.join("`, `")) };
        refuse(Layer::Contract, "columns", format!("`{}` are missing or unreadable{also}", absent.join("`, `")));
    } else if !unknown.is_empty() {
        refuse(Layer::Contract, "columns", format!("`{}` are not known to history", unknown.join("`, `")));
    }
    for finding in contract.iter().filter(|finding| finding.row.is_none()) {
        refuse(Layer::Contract, "contract", format!("`{}`: {}", finding.column, finding.seen));
    }
    let all = screen.sums.rows + broken_rows;
    if broken_rows as f64 > BROKEN_SHARE_MAX * all as f64 {
        refuse(Layer::Records, "records", format!("{broken_rows} of {all} rows cannot be read or break the contract"));
    }
    out.extend(inverted(screen));
    out
}

/// Records that could not be read: history is read without any, so that people look at the file.
pub(crate) fn unreadable(broken: u64) -> Option<BatchFinding> {
    let seen = format!("{broken} records could not be read");
    (broken > 0).then(|| BatchFinding { layer: Layer::Records, what: "records".to_owned(), p_value: 0.0, seen, alarm: true })
}

/// Strange rows beyond those whose numbers are kept: nobody could set them aside one by one.
pub(crate) fn unlisted(flagged: u64, listed: u64) -> Option<BatchFinding> {
    let seen = format!("{flagged} rows are to be set aside, of {listed} the numbers are known");
    let what = "more strange rows than can be listed".to_owned();
    (flagged > listed).then_some(BatchFinding { layer: Layer::Combined, what, p_value: 0.0, seen, alarm: true })
}

fn inverted(screen: &Screen<'_>) -> Option<BatchFinding> {
    let seen = crate::labels::inverted(&screen.profile.model, &screen.sums)?;
    let what = "labels turned around".to_owned();
    Some(BatchFinding { layer: Layer::Label, what, p_value: 0.0, seen, alarm: true })
}
