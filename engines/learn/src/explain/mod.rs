//! Says which columns moved an answer, to people inside who must judge a model or answer a customer (T4, T5). Never for callers of
//! the API: contributions help to steal a model and to tell members from strangers (T2; Shokri, Strobel and Zick 2021).

pub mod permutation;
pub mod treeshap;

use crate::preprocess::{ColumnKind, Preprocess};

/// Adds the parts of encoded columns up to those of the columns that people know: exact, since parts add up.
pub fn by_column(preprocess: &Preprocess, encoded: &[f64]) -> Vec<f64> {
    let mut rest = encoded.iter();
    let width = |kind: &ColumnKind| match kind {
        ColumnKind::Number { .. } => 1,
        ColumnKind::Category { levels } => levels.len(),
    };
    preprocess.columns().iter().map(|column| rest.by_ref().take(width(&column.kind)).sum()).collect()
}

/// Mean size of the parts in each of so many segments, segment by segment; rows and their segments in one order. A segment without
/// rows has `None`.
pub fn by_segment(parts: &[Vec<f64>], segments: &[usize], count: usize) -> Vec<Option<Vec<f64>>> {
    (0..count)
        .map(|segment| {
            let rows: Vec<&Vec<f64>> = parts.iter().zip(segments).filter(|(_, at)| **at == segment).map(|(row, _)| row).collect();
            let width = rows.first()?.len();
            let mean =
                |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|part| part.abs()).sum::<f64>() / rows.len() as f64;
            Some((0..width).map(mean).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_sizes() {
        let parts = vec![vec![1.0, -2.0], vec![-3.0, 0.0], vec![5.0, 5.0]];
        assert_eq!(by_segment(&parts, &[0, 0, 2], 3), [Some(vec![2.0, 1.0]), None, Some(vec![5.0, 5.0])]);
    }
}
