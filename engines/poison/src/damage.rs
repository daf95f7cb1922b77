//! Bytes that a careless parser reads as other rows, or dies of (T1).

use std::collections::BTreeSet;

use crate::scene::Scene;
use crate::{Class, Delivery, Truth, csv};

pub(crate) fn poison(scene: &Scene<'_>) -> Delivery {
    let honest = csv(scene.batch);
    // INVARIANT: `csv` ends every record with a line end; one within a quoted cell would only move the damage to another place.
    let mut lines: Vec<Vec<u8>> = honest.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let header = lines.len().min(1);
    let whole = lines.len() == scene.batch.rows() + 1;
    let rows = scene.any_rows();
    let mut draws = scene.draws(1);
    if scene.class == Class::Truncated {
        // Within the last line that is kept, at least one line short of the end.
        let keep = ((1.0 - scene.share) * (lines.len() - header) as f64) as usize + header;
        let kept = keep.min(lines.len().saturating_sub(1));
        let cut = lines.get(kept).map_or(0, |line| line.len() / 2);
        let mut damaged: Vec<u8> = lines[..kept].concat();
        damaged.extend(lines.get(kept).into_iter().flat_map(|line| &line[..cut]));
        return Delivery { frame: scene.batch.clone(), truth: Truth::Batch, damaged: Some(damaged) };
    }
    let mut touched = BTreeSet::new();
    for &row in &rows {
        let Some(line) = lines.get_mut(row + header) else { continue };
        let at = draws.below(line.len());
        if scene.class == Class::ConflictMarks {
            let other = line.clone();
            *line = [b"<<<<<<< HEAD\n", line.as_slice(), b"=======\n", other.as_slice(), b">>>>>>> feed\n"].concat();
        } else if scene.class == Class::BrokenQuotes {
            line.insert(0, b'"');
        } else if scene.class == Class::NulBytes {
            line.insert(at, 0);
        } else if scene.class == Class::InvalidUtf8 {
            // A lead byte without what must follow, and one that is never valid.
            line.splice(at..at, [0xC3, 0x28, 0xFF]);
        } else {
            line.insert(at, b'\n');
        }
        touched.insert(row);
    }
    let truth = if whole { Truth::Rows(touched.into_iter().collect()) } else { Truth::Batch };
    Delivery { frame: scene.batch.clone(), truth, damaged: Some(lines.concat()) }
}
