//! Holds delivered labels against a model of history alone: their rate, their direction, their randomness, over all rows, in a
//! tier of value, in a segment. Every test compares the delivery with trusted rows out of fold, so that a model's own error
//! cancels (T1, T6).

use crate::encode::Reading;
use crate::exact::{normal_two_sided, normal_upper, uneven};
use crate::pairs::GROUPS;
use crate::profile::Model;
use crate::sums::Sums;
use crate::{BatchFinding, Layer};

/// Standard errors below one half from which the ranking of labels is called turned around.
const INVERTED: f64 = 4.0;

/// Tests of the labels; `None` where history has none of two levels.
pub(crate) fn tests(model: &Model, sums: &Sums) -> Option<BatchFinding> {
    let (ours, theirs) = (&sums.labels, &model.reference.labels);
    if model.label.is_none() || ours.known == 0 || theirs.known == 0 {
        return None;
    }
    let mut all: Vec<(f64, String)> = Vec::new();
    let percent = |positive: u64, known: u64| 100.0 * positive as f64 / known.max(1) as f64;
    all.push((
        uneven(ours.positive, ours.known, theirs.positive, theirs.known),
        format!(
            "{:.1} % of labels are positive, {:.1} % in history",
            percent(ours.positive, ours.known),
            percent(theirs.positive, theirs.known)
        ),
    ));
    let direction = |z: f64| if z < 0.0 { "fewer" } else { "more" };
    let z = ours.residual.apart_under_models(&theirs.residual);
    all.push((normal_two_sided(z), format!("{} positive labels than rows foretell ({z:+.1} standard errors)", direction(z))));
    let whats = ["labels are turned at random", "positive labels are hidden", "positive labels are added"];
    for (what, (mine, known)) in whats.into_iter().zip(ours.turned.iter().zip(&theirs.turned)) {
        let z = mine.apart_under_models(known);
        all.push((normal_upper(z), format!("{what}, says a model of history ({z:+.1} standard errors)")));
    }
    for (tier, (mine, known)) in ours.tiers.iter().zip(&theirs.tiers).enumerate() {
        let z = mine.apart_under_models(known);
        let name = ["lowest", "middle", "highest"].get(tier).copied().unwrap_or_default();
        all.push((
            normal_two_sided(z),
            format!("{} positive labels than foretold in the {name} third of value ({z:+.1})", direction(z)),
        ));
    }
    if let (Some((area, error)), Some((known, known_error))) = (ours.ranking(), theirs.ranking()) {
        let z = (known - area) / (error * error + known_error * known_error).sqrt();
        all.push((normal_upper(z), format!("labels rank with an area of {area:.2} under a model of history, {known:.2} there")));
    }
    if let Some(slice) = slices(model, sums) {
        all.push(slice);
    }
    let count = all.len() as f64;
    all.sort_by(|one, two| one.0.total_cmp(&two.0));
    let (p, seen) = all.into_iter().next()?;
    Some(BatchFinding {
        layer: Layer::Label,
        what: "labels against history".to_owned(),
        p_value: (p * count).min(1.0),
        seen,
        alarm: false,
    })
}

/// The segment, by one column's group of values, whose labels differ most from what its rows foretell.
fn slices(model: &Model, sums: &Sums) -> Option<(f64, String)> {
    let (mut looked, mut best) = (0.0, None::<(f64, f64, usize)>);
    for (at, (ours, theirs)) in sums.labels.slices.iter().zip(&model.reference.labels.slices).enumerate() {
        if Some(at / GROUPS) == model.label.map(usize::from) || ours.rows < 20.0 || theirs.rows < 20.0 {
            continue;
        }
        looked += 1.0;
        let z = ours.apart_under_models(theirs);
        let p = normal_two_sided(z);
        if best.is_none_or(|(least, _, _)| p < least) {
            best = Some((p, z, at));
        }
    }
    let (p, z, at) = best?;
    let column = at / GROUPS;
    let name = model.encoder.names.get(column).map_or("", String::as_str);
    let group = at % GROUPS;
    let which = match model.encoder.readings.get(column) {
        Some(Reading::Levels(levels)) => {
            levels.name(group as u8).filter(|_| group < 6).map_or_else(|| "a rare level".to_owned(), |level| format!("`{level}`"))
        }
        Some(Reading::Number(_)) if group < 7 => format!("in seventh {} of its values", group + 1),
        Some(Reading::Number(_)) | None => "missing".to_owned(),
    };
    let more = if z < 0.0 { "fewer" } else { "more" };
    Some(((p * looked).min(1.0), format!("{more} positive labels than foretold where `{name}` is {which} ({z:+.1})")))
}

/// Whether labels are turned around: they rank history's model clearly below chance.
pub(crate) fn inverted(model: &Model, sums: &Sums) -> Option<String> {
    let (area, error) = sums.labels.ranking()?;
    let (known, _) = model.reference.labels.ranking()?;
    (known > 0.6 && area + INVERTED * error < 0.5).then(|| {
        format!("labels rank with an area of {area:.2} under a model of history ({known:.2} there): they are turned around")
    })
}
