//! Attacks on the table's columns: what a reader that trusts names and places would train on (T1).

use std::collections::BTreeMap;

use frame::{Categories, Column, MISSING};

use crate::scene::Scene;
use crate::sheet::{Sheet, assembled};
use crate::{Class, Delivery, PoisonError, Truth};

/// Most levels of a category that is worth renaming; more are free text.
const LEVELS_MAX: usize = 100;

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Delivery, PoisonError> {
    let mut draws = scene.draws(1);
    let mut columns: Vec<(String, Column)> = scene.batch.iter().map(|(name, column)| (name.to_owned(), column.clone())).collect();
    let a_feature = draws.pick(&scene.features).ok_or_else(|| scene.needs("a feature"));
    if scene.class == Class::ColumnDropped {
        columns.remove(a_feature?);
    } else if scene.class == Class::ColumnRenamed {
        let at = a_feature?;
        columns[at].0 = free_name(scene, &renamed(&columns[at].0));
    } else if scene.class == Class::ColumnsSwapped {
        let (one, other) = alike(scene)?;
        let moved = columns[one].1.clone();
        columns[one].1 = std::mem::replace(&mut columns[other].1, moved);
    } else if scene.class == Class::TypeChanged {
        let numbers: Vec<usize> = scene.numbers().into_iter().map(|(at, _)| at).collect();
        let at = draws.pick(&numbers).ok_or_else(|| scene.needs("a number"))?;
        columns[at].1 = with_unit(&columns[at].1);
    } else if scene.class == Class::LabelsInverted {
        columns = inverted(scene)?;
    } else if scene.class == Class::LevelsRenamed {
        let few =
            |at: &usize| matches!(scene.column(*at), Column::Category(known) if (2..=LEVELS_MAX).contains(&known.levels.len()));
        let of_levels: Vec<usize> = scene.features.iter().copied().filter(few).collect();
        let at = draws.pick(&of_levels).ok_or_else(|| scene.needs("a category with levels"))?;
        if let Column::Category(known) = &mut columns[at].1 {
            known.levels.iter_mut().for_each(|level| *level = renamed(level));
        }
    } else {
        let label = scene.label.ok_or_else(|| scene.needs("a label"))?;
        let copy = columns[label].1.clone();
        columns.push((free_name(scene, "segment_code"), copy));
    }
    Ok(Delivery { frame: assembled(scene.batch.rows(), columns), truth: Truth::Batch, damaged: None })
}

/// Another spelling: capitals turned, or a letter more where there are none.
fn renamed(name: &str) -> String {
    let turned: String = name
        .chars()
        .map(|letter| if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() })
        .collect();
    if turned == name { format!("{name}_x") } else { turned }
}

/// A name that no column has.
fn free_name(scene: &Scene<'_>, wanted: &str) -> String {
    let mut out = wanted.to_owned();
    while scene.batch.column(&out).is_some() {
        out.push('_');
    }
    out
}

/// The two numbers whose laws differ least though they differ; two categories where there are no two numbers.
fn alike(scene: &Scene<'_>) -> Result<(usize, usize), PoisonError> {
    let numbers = scene.numbers();
    let mut best: Option<(f64, (usize, usize))> = None;
    for (place, (one, first)) in numbers.iter().enumerate() {
        for (other, second) in &numbers[place + 1..] {
            let far = (first.quantile(0.5) - second.quantile(0.5)).abs() / (first.spread() + second.spread()).max(1e-12)
                + (libm::log(first.spread().max(1e-12)) - libm::log(second.spread().max(1e-12))).abs();
            if scene.column(*one) != scene.column(*other) && best.is_none_or(|(least, _)| far < least) {
                best = Some((far, (*one, *other)));
            }
        }
    }
    let of_levels: Vec<usize> =
        scene.features.iter().copied().filter(|&at| matches!(scene.column(at), Column::Category(_))).collect();
    let two = of_levels.get(..2).map(|two| (two[0], two[1]));
    best.map(|(_, pair)| pair).or(two).ok_or_else(|| scene.needs("two columns of one kind"))
}

/// Numbers as texts with a unit.
fn with_unit(column: &Column) -> Column {
    let Column::Number(values) = column else { return column.clone() };
    let texts: Vec<Option<String>> = values.iter().map(|value| (!value.is_nan()).then(|| format!("{value} EUR"))).collect();
    Column::Category(Categories::from_texts(texts.iter().map(Option::as_deref)))
}

fn inverted(scene: &Scene<'_>) -> Result<Vec<(String, Column)>, PoisonError> {
    let labels = scene.labels()?;
    if scene.label_words().is_none() {
        return Err(scene.needs("a label with two values"));
    }
    let mut sheet: Sheet = scene.sheet();
    for (row, label) in labels.into_iter().enumerate() {
        if let Some(label) = label {
            scene.set_label(&mut sheet, row, !label);
        }
    }
    let frame = sheet.into_frame();
    Ok(frame.iter().map(|(name, column)| (name.to_owned(), tidy(column.clone()))).collect())
}

/// Levels that no row has any more are left out.
fn tidy(column: Column) -> Column {
    let Column::Category(known) = column else { return column };
    let mut codes = BTreeMap::<u32, u32>::new();
    let mut levels = Vec::new();
    let moved = known.codes.iter().map(|code| {
        let Some(level) = usize::try_from(*code).ok().and_then(|at| known.levels.get(at)) else { return MISSING };
        *codes.entry(*code).or_insert_with(|| {
            levels.push(level.clone());
            u32::try_from(levels.len() - 1).unwrap_or(MISSING)
        })
    });
    let codes = moved.collect();
    Column::Category(Categories { levels, codes })
}
