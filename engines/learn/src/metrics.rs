//! Measures scores against labels by scikit-learn's definitions, so that anybody can check our figures with it.
//!
//! All functions take one score and one label per row; the shorter of the two decides, and what cannot be computed is `NaN`.

/// Least and most probability inside a logarithm (scikit-learn clips to the epsilon of 64 bits).
const CLIP: f64 = f64::EPSILON;

/// Rows by falling score, with the number of positives and of rows at each distinct score.
fn steps(scores: &[f64], labels: &[bool]) -> Vec<(f64, u64, u64)> {
    let mut order: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    order.sort_by(|left, right| right.0.total_cmp(&left.0));
    let mut out: Vec<(f64, u64, u64)> = Vec::new();
    for (score, label) in order {
        match out.last_mut() {
            Some(step) if step.0 == score => {
                step.1 += u64::from(label);
                step.2 += 1;
            }
            _ => out.push((score, u64::from(label), 1)),
        }
    }
    out
}

/// Cumulative points of the ranking: score, true positives and false positives down to and with that score.
pub fn ranking(scores: &[f64], labels: &[bool]) -> Vec<(f64, u64, u64)> {
    let (mut hits, mut alarms) = (0, 0);
    let mut out = steps(scores, labels);
    for step in &mut out {
        hits += step.1;
        alarms += step.2 - step.1;
        *step = (step.0, hits, alarms);
    }
    out
}

/// Area under the ROC curve; ties count half (`roc_auc_score`). `NaN` where one class is absent.
pub fn roc_auc(scores: &[f64], labels: &[bool]) -> f64 {
    let (mut area, mut hits, mut alarms) = (0.0, 0.0, 0.0);
    for (_, positive, rows) in steps(scores, labels) {
        let negative = (rows - positive) as f64;
        area += negative * (hits + positive as f64 / 2.0);
        hits += positive as f64;
        alarms += negative;
    }
    area / (hits * alarms)
}

/// Sum over distinct scores of precision times the step of recall (`average_precision_score`). `NaN` without positives.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> f64 {
    let (mut sum, mut hits, mut seen) = (0.0, 0.0, 0.0);
    for (_, positive, rows) in steps(scores, labels) {
        hits += positive as f64;
        seen += rows as f64;
        sum += positive as f64 * hits / seen;
    }
    sum / hits
}

/// Mean of minus the logarithm of the probability of what happened (`log_loss`).
pub fn log_loss(scores: &[f64], labels: &[bool]) -> f64 {
    mean(scores, labels, |score, label| {
        let clipped = score.clamp(CLIP, 1.0 - CLIP);
        -libm::log(if label { clipped } else { 1.0 - clipped })
    })
}

/// Mean squared difference of score and outcome (`brier_score_loss`).
pub fn brier(scores: &[f64], labels: &[bool]) -> f64 {
    mean(scores, labels, |score, label| {
        let miss = score - f64::from(u8::from(label));
        miss * miss
    })
}

/// Share of rows on the right side of a threshold; a score equal to it is called positive.
pub fn accuracy(scores: &[f64], labels: &[bool], threshold: f64) -> f64 {
    mean(scores, labels, |score, label| f64::from(u8::from((score >= threshold) == label)))
}

fn mean(scores: &[f64], labels: &[bool], value: impl Fn(f64, bool) -> f64) -> f64 {
    let rows = scores.len().min(labels.len());
    scores.iter().zip(labels).map(|(&score, &label)| value(score, label)).sum::<f64>() / rows as f64
}

/// Agreement of two partitions, 1 for equal ones and about 0 for independent ones (Hubert and Arabie 1985).
pub fn adjusted_rand(left: &[u32], right: &[u32]) -> f64 {
    let pairs = |count: u64| (count as f64) * (count.saturating_sub(1) as f64) / 2.0;
    let mut cells = std::collections::BTreeMap::<(u32, u32), u64>::new();
    let mut rows = std::collections::BTreeMap::<u32, u64>::new();
    let mut columns = std::collections::BTreeMap::<u32, u64>::new();
    for (&one, &other) in left.iter().zip(right) {
        *cells.entry((one, other)).or_default() += 1;
        *rows.entry(one).or_default() += 1;
        *columns.entry(other).or_default() += 1;
    }
    let both: f64 = cells.values().map(|&count| pairs(count)).sum();
    let first: f64 = rows.values().map(|&count| pairs(count)).sum();
    let second: f64 = columns.values().map(|&count| pairs(count)).sum();
    let all = pairs(left.len().min(right.len()) as u64);
    if all == 0.0 {
        return 1.0;
    }
    let expected = first * second / all;
    let most = f64::midpoint(first, second);
    if most == expected { 1.0 } else { (both - expected) / (most - expected) }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values printed by scikit-learn 1.9.1 for these arrays; checks/peers/learn_peer.py compares again on larger ones.
    const SCORES: [f64; 8] = [0.1, 0.4, 0.35, 0.8, 0.4, 0.9, 0.35, 0.05];
    const LABELS: [bool; 8] = [false, false, true, true, true, true, false, false];

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn areas_count_ties_as_scikit_learn_does() {
        near(roc_auc(&SCORES, &LABELS), 0.875);
        near(average_precision(&SCORES, &LABELS), (2.0 + 0.75 + 4.0 / 6.0) / 4.0);
    }

    #[test]
    fn losses_are_means() {
        near(brier(&[0.2, 0.7], &[false, true]), (0.04 + 0.09) / 2.0);
        near(log_loss(&[0.5, 0.5], &[false, true]), std::f64::consts::LN_2);
        near(accuracy(&[0.5, 0.4], &[true, true], 0.5), 0.5);
        assert!(log_loss(&[0.0, 1.0], &[true, false]) < 40.0);
    }

    #[test]
    fn one_class_has_no_area() {
        assert!(roc_auc(&[0.1, 0.2], &[true, true]).is_nan());
        assert!(average_precision(&[0.1], &[false]).is_nan());
        assert!(brier(&[], &[]).is_nan());
    }

    #[test]
    fn equal_partitions_agree_whatever_their_numbers() {
        near(adjusted_rand(&[0, 0, 1, 1], &[5, 5, 2, 2]), 1.0);
        near(adjusted_rand(&[0, 0, 1, 2], &[0, 0, 1, 1]), 0.571_428_571_428_571_4);
    }
}
