//! What certificates say of a model as a whole (T5), so that a release can be held to a figure.

use serde::Serialize;

use crate::certify::{Certificate, Verdict};
use crate::trees::EvadeError;

/// Counts and shares over rows with labels. A row counts as certified if it is right and proven to stay so.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Certified {
    /// Rows.
    pub rows: usize,
    /// Share of rows that are right, 0 to 1; 0 where there are no rows.
    pub accuracy: f64,
    /// Mean of the shares of both classes that are right; of the one class where the other has no rows.
    pub balanced_accuracy: f64,
    /// Share of rows that are right and proven to stay so.
    pub certified_accuracy: f64,
    /// Mean of both classes' shares of those. A model that answers everything alike gets at most a half.
    pub balanced_certified_accuracy: f64,
    /// Share of rows that were not decided within the budget; they count as not certified.
    pub unknown: f64,
}

/// Sums certificates up.
///
/// # Errors
/// Labels that are not as many as certificates.
pub fn certified(certificates: &[Certificate], labels: &[bool]) -> Result<Certified, EvadeError> {
    if certificates.len() != labels.len() {
        return Err(EvadeError::Count { what: "labels", expected: certificates.len(), seen: labels.len() });
    }
    let share = |of: &dyn Fn(&Certificate) -> bool, class: Option<bool>| {
        let rows = || certificates.iter().zip(labels).filter(|(_, label)| class.is_none_or(|class| class == **label));
        let all = rows().count();
        (all > 0).then(|| {
            rows().filter(|(certificate, label)| certificate.positive == **label && of(certificate)).count() as f64 / all as f64
        })
    };
    let balanced = |of: &dyn Fn(&Certificate) -> bool| match (share(of, Some(false)), share(of, Some(true))) {
        (Some(one), Some(two)) => f64::midpoint(one, two),
        (one, two) => one.or(two).unwrap_or(0.0),
    };
    let robust = |certificate: &Certificate| matches!(certificate.verdict, Verdict::Robust { .. });
    let unknown = certificates.iter().filter(|certificate| matches!(certificate.verdict, Verdict::Unknown { .. })).count();
    Ok(Certified {
        rows: labels.len(),
        accuracy: share(&|_| true, None).unwrap_or(0.0),
        balanced_accuracy: balanced(&|_| true),
        certified_accuracy: share(&robust, None).unwrap_or(0.0),
        balanced_certified_accuracy: balanced(&robust),
        unknown: unknown as f64 / labels.len().max(1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(positive: bool, verdict: Verdict) -> Certificate {
        Certificate { positive, score: 0.0, verdict, steps: 1 }
    }

    #[test]
    fn shares_are_counted_by_class() {
        let robust = || Verdict::Robust { bound: 0.0 };
        let broken = || Verdict::Broken { row: Vec::new(), score: 0.0 };
        let unknown = || Verdict::Unknown { bound: 0.0, found: 0.0 };
        let all = [(true, robust()), (false, robust()), (false, robust()), (false, broken()), (false, unknown())];
        let all: Vec<Certificate> = all.into_iter().map(|(positive, verdict)| certificate(positive, verdict)).collect();
        // The last row is a missed positive.
        let seen = certified(&all, &[true, false, false, false, true]).unwrap();
        assert_eq!((seen.rows, seen.accuracy, seen.certified_accuracy, seen.unknown), (5, 0.8, 0.6, 0.2));
        assert_eq!(seen.balanced_accuracy, 0.75);
        assert!((seen.balanced_certified_accuracy - (0.5 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!(certified(&all, &[true]).is_err());
        assert_eq!(certified(&[], &[]).unwrap().accuracy, 0.0);
        let one = certified(&all[..1], &[true]).unwrap();
        assert_eq!(one.balanced_certified_accuracy, 1.0);
    }
}
