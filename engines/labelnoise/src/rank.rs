//! Puts labels in the order in which people should look at them, most suspicious first, and says why (T6).
//!
//! Three rankings are known: the margin of the given label out of fold (the area under the margin of Pleiss and others 2020, here over
//! boosting rounds), its probability against the mean of its class (confident learning, Northcutt, Jiang and Chuang 2021), and what a
//! model of a golden set says. The first finds labels that are wrong at random and misses hidden churners, the second the reverse, and
//! the best of both ranks is worse than either where it is good. So rows are ordered by the probability that the label is wrong, through
//! a channel that is fitted to all three ([`crate::misclass`]), and the three say why a row stands where it does.

use serde::{Deserialize, Serialize};

use crate::error::same;
use crate::fold::{Belief, mean};
use crate::law::length;
use crate::misclass::{Channel, Row, Turned};
use crate::{LabelError, error};

/// Share of all rows that a ranking calls suspicious.
const REASON_SHARE: f64 = 0.05;

/// A ranking that has the row among its first 5 of 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Models that did not see the label contradict it early and firmly.
    Margin,
    /// They give it far less than labels of its class usually get.
    Threshold,
    /// The model of the golden set contradicts it.
    Golden,
}

/// One label and how suspicious it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// The row, a place in the caller's frame.
    pub row: usize,
    /// Its place in the order, 0 the most suspicious.
    pub rank: usize,
    /// What the label says.
    pub label: bool,
    /// The probability that it is wrong, 0 to 1; an estimate.
    pub wrong: f64,
    /// The probability that the customer churned, without a look at the label.
    pub chance: f64,
    /// The likelier label, all things together.
    pub believed: bool,
    /// The rankings that contradict the label.
    pub reasons: Vec<Reason>,
}

/// All labels in their order, and how many seem to be turned around.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// Most suspicious first, every row once.
    pub suspects: Vec<Suspect>,
    /// Shares of labels that seem to be turned around; an estimate that rests on the form of a logistic curve.
    pub turned: Turned,
}

/// Orders labels by beliefs of models that did not see them, and, where there is one, of a model of a golden set.
///
/// # Errors
/// Lists of different lengths, beliefs that are no numbers.
pub fn rank(labels: &[bool], beliefs: &[Belief], golden: Option<&[Belief]>) -> Result<Ranking, LabelError> {
    same("beliefs", labels.len(), beliefs.len())?;
    for list in [Some(beliefs), golden].into_iter().flatten() {
        same("beliefs", labels.len(), list.len())?;
        error::chances(&list.iter().map(|belief| belief.chance).collect::<Vec<f64>>())?;
        if let Some(row) = list.iter().position(|belief| !belief.margin.is_finite()) {
            return Err(LabelError::Chance(row));
        }
    }
    let rows: Vec<Row> = (0..labels.len())
        .map(|row| [1.0, beliefs[row].margin, log_odds(beliefs[row].chance), golden.map_or(0.0, |golden| golden[row].margin)])
        .collect();
    let channel = Channel::fit(&rows, labels);
    let scores = |reason| scores(reason, labels, beliefs, golden);
    let reasons = [Reason::Margin, Reason::Threshold, Reason::Golden].map(|reason| (reason, firsts(&scores(reason))));
    let mut suspects: Vec<Suspect> = (0..labels.len())
        .map(|row| {
            let (label, wrong) = (labels[row], channel.wrong(&rows[row], labels[row]));
            let reasons = reasons.iter().filter(|(_, firsts)| firsts.get(row) == Some(&true)).map(|(reason, _)| *reason);
            let chance = channel.chance(&rows[row]);
            Suspect { row, rank: 0, label, wrong, chance, believed: label ^ (wrong > 0.5), reasons: reasons.collect() }
        })
        .collect();
    let support = scores(Reason::Margin);
    suspects.sort_by(|left, right| {
        let by_margin = || support[left.row].total_cmp(&support[right.row]);
        right.wrong.total_cmp(&left.wrong).then_with(by_margin).then(left.row.cmp(&right.row))
    });
    suspects.iter_mut().zip(0..).for_each(|(suspect, rank)| suspect.rank = rank);
    Ok(Ranking { suspects, turned: channel.turned })
}

/// How much one ranking supports each label: the lowest are its most suspicious. Empty where there is no golden model.
pub fn scores(reason: Reason, labels: &[bool], beliefs: &[Belief], golden: Option<&[Belief]>) -> Vec<f64> {
    let signed = |label: &bool, value: f64| if *label { value } else { -value };
    let own = |label: &bool, belief: &Belief| if *label { belief.chance } else { 1.0 - belief.chance };
    match reason {
        Reason::Margin => labels.iter().zip(beliefs).map(|(label, belief)| signed(label, belief.margin)).collect(),
        Reason::Golden => {
            let golden = golden.unwrap_or_default();
            labels.iter().zip(golden).map(|(label, belief)| signed(label, belief.margin)).collect()
        }
        Reason::Threshold => {
            let usual = [false, true].map(|class| {
                let of_class: Vec<f64> = labels
                    .iter()
                    .zip(beliefs)
                    .filter(|(label, _)| **label == class)
                    .map(|(label, belief)| own(label, belief))
                    .collect();
                mean(of_class.into_iter())
            });
            labels.iter().zip(beliefs).map(|(label, belief)| own(label, belief) - usual[usize::from(*label)]).collect()
        }
    }
}

/// Which rows are among the first of a ranking.
fn firsts(scores: &[f64]) -> Vec<bool> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the rows")]
    let wanted = (REASON_SHARE * length(scores.len())).ceil() as usize;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|left, right| scores[*left].total_cmp(&scores[*right]).then(left.cmp(right)));
    let mut out = vec![false; scores.len()];
    order.into_iter().take(wanted).for_each(|row| out[row] = true);
    out
}

fn log_odds(chance: f64) -> f64 {
    let chance = chance.clamp(1e-6, 1.0 - 1e-6);
    libm::log(chance / (1.0 - chance))
}
