//! Adversarial augmentation: rows at their worst places are added to the training rows, and the booster is trained again, as long as
//! held-out rows withstand the same outsider better (T5; Kantchelian, Tygar and Joseph 2016 harden tree ensembles so).

use super::bins::Table;
use super::grow::Node;
use super::outsider::Moved;
use super::{Rows, Terms, trained};
use crate::error::LearnError;
use crate::rng::{Rng, derive};

/// The use of the run's seed.
const SEED_HELD: u64 = 0xB2;
/// Rounds without a gain after which it ends: an outsider who was driven from one place may first find another.
const PATIENCE: u32 = 2;
/// One of so many rows is held out.
const HELD: usize = 5;

/// Trees after the best number of rounds, at most as many as asked for.
pub(super) fn best(rows: &Rows, terms: Terms<'_>) -> Result<(Vec<Vec<Node>>, Table), LearnError> {
    let rounds = if terms.robust.augment == 0 { 0 } else { best_rounds(rows, terms)? };
    let mut all = rows.clone();
    for _ in 0..rounds {
        let (trees, table) = trained(&all, terms)?;
        all = all.and(&worst(rows, &trees, &table, terms)?.0)?;
    }
    trained(&all, terms)
}

/// How many rounds served the held-out rows best.
fn best_rounds(rows: &Rows, terms: Terms<'_>) -> Result<u32, LearnError> {
    let held = held_out(&rows.labels, derive(terms.seed, SEED_HELD, 0));
    let part = |wanted: bool| -> Rows {
        let chosen: Vec<usize> = (0..held.len()).filter(|&row| held[row] == wanted).collect();
        rows.take(&chosen)
    };
    let (known, unseen) = (part(false), part(true));
    let (mut all, mut best) = (known.clone(), (f64::NEG_INFINITY, 0));
    for round in 0..=terms.robust.augment {
        let (trees, table) = trained(&all, terms)?;
        let withstood = worst(&unseen, &trees, &table, terms)?.1;
        if withstood > best.0 {
            best = (withstood, round);
        } else if round >= best.1 + PATIENCE {
            break;
        }
        all = all.and(&worst(&known, &trees, &table, terms)?.0)?;
    }
    Ok(best.1)
}

/// Rows at their worst places, out of anybody's reach there, and the mean over both classes of the weighted share that is still
/// answered right.
fn worst(rows: &Rows, trees: &[Vec<Node>], table: &Table, terms: Terms<'_>) -> Result<(Rows, f64), LearnError> {
    let table = table.of(&rows.values, terms.reach);
    let found = Moved::new(&table, &rows.labels, trees);
    let (mut right, mut all) = ([0.0; 2], [0.0; 2]);
    for ((&margin, &label), weight) in found.margins.iter().zip(&rows.labels).zip(&rows.weights) {
        all[usize::from(label)] += weight;
        right[usize::from(label)] += if (margin >= 0.0) == label { *weight } else { 0.0 };
    }
    let withstood = (0..2).map(|class| right[class] / f64::max(all[class], f64::MIN_POSITIVE)).sum::<f64>() / 2.0;
    let moved = Rows { values: found.rows(&table, &rows.values, terms.reach)?, ..rows.still(1.0) };
    Ok((moved, withstood))
}

/// Which rows are held out: a draw from each class.
pub(super) fn held_out(labels: &[bool], seed: u64) -> Vec<bool> {
    let mut held = vec![false; labels.len()];
    let mut rng = Rng::new(seed);
    for class in [false, true] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        rng.shuffle(&mut rows);
        rows.iter().take(rows.len() / HELD).for_each(|&row| held[row] = true);
    }
    held
}
