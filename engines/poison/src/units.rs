//! The same figures in another unit, for some rows or all: cents, shares instead of percent, another currency (T1).

use std::collections::BTreeSet;

use crate::scene::{Hit, Scene};
use crate::sheet::number;
use crate::{Class, PoisonError};

/// Rates of the other currency.
const RATES: (f64, f64) = (1.1, 1.3);

pub(crate) fn poison(scene: &Scene<'_>) -> Result<Hit, PoisonError> {
    let mut draws = scene.draws(1);
    let money = if scene.class == Class::Percent {
        let numbers: Vec<usize> =
            scene.numbers().into_iter().filter(|(_, law)| law.quantile(0.5) != 0.0).map(|(at, _)| at).collect();
        vec![draws.pick(&numbers).ok_or_else(|| scene.needs("a number that is not mostly zero"))?]
    } else if scene.money.is_empty() {
        return Err(scene.needs("a column of money"));
    } else {
        scene.money.clone()
    };
    let factor = if scene.class == Class::Cents {
        100.0
    } else if scene.class == Class::Percent {
        0.01
    } else {
        draws.between(RATES.0, RATES.1)
    };
    let rows = scene.any_rows();
    let mut sheet = scene.sheet();
    for &at in &money {
        let law = scene.law(at);
        for &row in &rows {
            let value = number(scene.column(at), row) * factor;
            // A share has more decimals than a percentage.
            let written = match &law {
                Some(law) if scene.class != Class::Percent => law.written(value),
                Some(_) | None => (value * 1e8).round() / 1e8,
            };
            sheet.set_number(at, row, written);
        }
    }
    Ok(Hit { sheet, rows: BTreeSet::from_iter(rows) })
}
