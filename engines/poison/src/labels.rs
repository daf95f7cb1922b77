//! Turned labels: the insider's attack (T6), and the supplier's where he delivers labels (T1).

use std::collections::BTreeSet;

use frame::Column;

use crate::design::{Design, logistic};
use crate::scene::{Hit, Scene};
use crate::sheet::{Law, categories, number};
use crate::{Class, PoisonError};

/// A segment has at least this share of the rows.
const SEGMENT_SHARE_MIN: f64 = 0.05;
/// Most levels of a category that is taken for a segmentation; more are an identifier.
const SEGMENT_LEVELS_MAX: usize = 60;
/// The rows nearest to the boundary are drawn from so many times the wanted rows, so that seeds differ.
const BOUNDARY_POOL: usize = 2;

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Hit, PoisonError> {
    let labels = scene.labels()?;
    if scene.label_words().is_none() {
        return Err(scene.needs("a label with two values"));
    }
    let labelled: Vec<usize> = (0..labels.len()).filter(|&row| labels[row].is_some()).collect();
    let churners = || labelled.iter().copied().filter(|&row| labels[row] == Some(true));
    let candidates = if scene.class == Class::FlipDirected {
        churners().collect()
    } else if scene.class == Class::FlipBoundary {
        boundary(scene, &labelled)
    } else if scene.class == Class::FlipSegment {
        segment(scene, &labelled)
    } else if scene.class == Class::HideTopChurners {
        let (_, law, values) = scene.values()?;
        let high = law.quantile(2.0 / 3.0);
        churners().filter(|&row| values[row] >= high).collect()
    } else {
        labelled.clone()
    };
    let rows = scene.chosen(&candidates);
    let mut sheet = scene.sheet();
    for &row in &rows {
        if let Some(label) = labels[row] {
            scene.set_label(&mut sheet, row, !label);
        }
    }
    Ok(Hit { sheet, rows: BTreeSet::from_iter(rows) })
}

/// The rows whose label a model of the history is least sure of.
fn boundary(scene: &Scene<'_>, labelled: &[usize]) -> Vec<usize> {
    let design = Design::fit(&scene.past, scene.past_rows, &scene.features);
    let model = logistic(&design, &scene.past, &scene.past_labels(), &mut scene.draws(1));
    let columns: Vec<&Column> = scene.batch.columns().iter().collect();
    let mut ranked: Vec<(f64, usize)> =
        labelled.iter().map(|&row| (model.score(&design.row(&columns, row)).abs(), row)).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    ranked.into_iter().map(|(_, row)| row).take(scene.wanted().saturating_mul(BOUNDARY_POOL)).collect()
}

/// The rows of one seeded segment: large enough for the rows wanted, if one is.
fn segment(scene: &Scene<'_>, labelled: &[usize]) -> Vec<usize> {
    let mut segments: Vec<Vec<usize>> = Vec::new();
    for &at in &scene.features {
        let column = scene.column(at);
        if let Some(categories) = categories(column) {
            if categories.levels.len() <= SEGMENT_LEVELS_MAX {
                let level = |code: usize| labelled.iter().copied().filter(move |&row| categories.codes[row] as usize == code);
                segments.extend((0..categories.levels.len()).map(|code| level(code).collect()));
            }
        } else if let Some(law) = Law::of(column) {
            let third = |low: f64, high: f64| {
                let within = |row: &usize| (low..high).contains(&number(column, *row));
                labelled.iter().copied().filter(within).collect::<Vec<_>>()
            };
            let (low, high) = (law.quantile(1.0 / 3.0), law.quantile(2.0 / 3.0));
            segments.extend([third(f64::NEG_INFINITY, low), third(low, high), third(high, f64::INFINITY)]);
        }
    }
    let least = (labelled.len() as f64 * SEGMENT_SHARE_MIN).max(scene.wanted() as f64) as usize;
    let largest = segments.iter().map(Vec::len).max().unwrap_or(0);
    // A "segment" of nearly all rows is none.
    let most = labelled.len() / 2;
    let fit: Vec<usize> = (0..segments.len()).filter(|&at| (least..=most.max(least)).contains(&segments[at].len())).collect();
    match scene.draws(1).pick(&fit) {
        Some(at) => segments.swap_remove(at),
        None => segments.into_iter().find(|segment| segment.len() == largest).unwrap_or_else(|| labelled.to_vec()),
    }
}
