//! High-value customers disguised as low-value ones, so that nobody fights for them (T1).

use std::collections::BTreeSet;

use crate::laws::Laws;
use crate::scene::{Hit, Scene};
use crate::sheet::Sheet;
use crate::{Class, PoisonError};

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Hit, PoisonError> {
    let (at, law, values) = scene.values()?;
    let (low, high) = (law.quantile(1.0 / 3.0), law.quantile(2.0 / 3.0));
    let rich: Vec<usize> = (0..values.len()).filter(|&row| values[row] > high).collect();
    if scene.class == Class::ValueExchange {
        return exchanged(scene, at, (low, high), &values);
    }
    if scene.class == Class::DisguisedValueLabel && scene.label.is_none() {
        return Err(scene.needs("a label"));
    }
    let worth = |row: &usize| crate::sheet::number(scene.past[at], *row);
    let donors: Vec<usize> = (0..scene.past_rows).filter(|row| worth(row) < low).collect();
    let laws = (scene.class == Class::DisguisedValueAdaptive).then(|| Laws::find(scene));
    let mut draws = scene.draws(1);
    let mut sheet = scene.sheet();
    let mut touched = BTreeSet::new();
    for row in scene.chosen(&rich) {
        let Some(donor) = draws.pick(&donors) else { continue };
        touched.insert(row);
        match &laws {
            Some(laws) => laws.adopt(scene, &mut sheet, row, at, donor, &mut draws),
            None => sheet.copy(at, row, scene.past[at], donor),
        }
        if let (Class::DisguisedValueLabel, Some(label)) = (scene.class, scene.label) {
            sheet.copy(label, row, scene.past[label], donor);
        }
    }
    Ok(Hit { sheet, rows: touched })
}

/// Both rows of a pair are touched, so half as many pairs as rows are wanted.
fn exchanged(scene: &Scene<'_>, at: usize, (low, high): (f64, f64), values: &[f64]) -> Result<Hit, PoisonError> {
    let labels = scene.labels()?;
    let of = |label: bool, fits: &dyn Fn(f64) -> bool| -> Vec<usize> {
        (0..values.len()).filter(|&row| labels[row] == Some(label) && fits(values[row])).collect()
    };
    let (rich, poor) = (of(true, &|value| value > high), of(false, &|value| value < low));
    let pairs = scene.wanted().div_ceil(2);
    let rich = scene.draws(0).some(&rich, pairs);
    let poor = scene.draws(1).some(&poor, pairs);
    let mut sheet: Sheet = scene.sheet();
    let mut touched = BTreeSet::new();
    for (rich, poor) in rich.into_iter().zip(poor) {
        sheet.set_number(at, rich, values[poor]);
        sheet.set_number(at, poor, values[rich]);
        touched.extend([rich, poor]);
    }
    Ok(Hit { sheet, rows: touched })
}
