//! Parts one honest table into a trusted history and honest deliveries, at random or by time.

use frame::Frame;

use crate::draw::Draws;
use crate::times::moment;

/// Rows of both parts, by their place in the table, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Trusted.
    pub history: Vec<usize>,
    /// What deliveries are drawn from.
    pub pool: Vec<usize>,
}

impl Split {
    /// An honest delivery: so many seeded rows of the pool (at most all), in the table's order.
    pub fn delivery(&self, rows: usize, seed: u64) -> Vec<usize> {
        let mut out = Draws::new(seed, 900_001).some(&self.pool, rows);
        out.sort_unstable();
        out
    }
}

/// Random halves.
pub fn halves(frame: &Frame, seed: u64) -> Split {
    let all: Vec<usize> = (0..frame.rows()).collect();
    let mut order = Draws::new(seed, 900_000).some(&all, all.len());
    let mut pool = order.split_off(order.len() / 2);
    order.sort_unstable();
    pool.sort_unstable();
    Split { history: order, pool }
}

/// The earlier half and the later one: by the column of time, or by the table's order without one. Rows without a time count as
/// the earliest.
pub fn later(frame: &Frame, time: Option<&str>) -> Split {
    let column = time.and_then(|name| frame.column(name));
    let key = |row: usize| column.and_then(|column| moment(column, row)).unwrap_or(f64::NEG_INFINITY);
    let mut order: Vec<usize> = (0..frame.rows()).collect();
    order.sort_by(|&a, &b| key(a).total_cmp(&key(b)).then(a.cmp(&b)));
    let mut pool = order.split_off(order.len() / 2);
    order.sort_unstable();
    pool.sort_unstable();
    Split { history: order, pool }
}
