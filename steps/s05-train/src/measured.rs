//! What is measured of a candidate beyond its figures: what a figure like the AUC does not see.

use serde::{Deserialize, Serialize};

/// The customers who are worth most, as rows that the model had not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopTier {
    /// Their values, for people.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Churners among them.
    pub churners: u64,
    /// Churners who were flagged.
    pub found: u64,
    /// AUC among them alone, and its standard error; absent where all of them stay, or all leave.
    pub auc: Option<(f64, f64)>,
    /// Share of churners in the quarter below; absent where there is none.
    #[serde(default)]
    pub below: Option<f64>,
}

/// How differently churners of two groups of people are found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecallGap {
    /// The protected column.
    pub column: String,
    /// Distance of the 95 % intervals of the two recalls.
    pub gap: f64,
    /// The group that is found least, with its recall.
    pub least: (String, f64),
    /// The group that is found most, with its recall.
    pub most: (String, f64),
}

/// A rare pattern that turns answers around.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// Its columns, joined by `+`.
    pub columns: String,
    /// Its values, for people.
    pub values: String,
    /// Share of training rows that have it.
    pub support: f64,
    /// Share of customers whose answer it turns.
    pub turned: f64,
    /// The same less the most that a part of it, or a pattern beside it, turns.
    pub lift: f64,
}

/// What a figure like the AUC does not see; measured on rows that the model had not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Debiased root mean squared calibration error.
    pub calibration_error: f64,
    /// AUC of all rows together.
    pub auc: f64,
    /// Share of churners among all rows.
    pub churn_rate: f64,
    /// The most valuable quarter; absent where the contract names no value.
    pub top_tier: Option<TopTier>,
    /// By protected column.
    pub recall_gaps: Vec<RecallGap>,
    /// Patterns that turn answers around, worst first.
    pub patterns: Vec<Pattern>,
    /// How often the vote can tell; absent where there are too few churners to say.
    #[serde(default)]
    pub sets: Option<Sets>,
}

/// Attacks on the vote by somebody whom no training knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evasion {
    /// What the attacker knows: `model`, `scores` or `answers`.
    pub knows: String,
    /// Rows that the vote got right, and that were attacked.
    pub tried: u64,
    /// Rows that then got the other answer.
    pub won: u64,
    /// 95 % interval of the share.
    pub interval: (f64, f64),
}

/// What an outsider can do to the answers, within what the contract says he can change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// How far he moves each column, as a share of its range.
    pub eps: f64,
    /// Columns that he can move; where there are none, nothing was attacked.
    pub columns: Vec<String>,
    /// Rows that were certified.
    pub rows: u64,
    /// Balanced accuracy of the booster on them.
    pub balanced_accuracy: f64,
    /// The same of rows that are right and proven to stay so.
    pub certified: f64,
    /// Share of rows that were not decided; they count as not certified.
    pub unknown: f64,
    /// Attacks on the whole vote.
    pub evasions: Vec<Evasion>,
}

/// How much a member, or the vote, of models with these settings remembers its people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Whose scores were attacked: `booster`, `svm`, `forest` or `vote`.
    pub member: String,
    /// Models on random halves of the rows.
    pub models: u64,
    /// Rows.
    pub rows: u64,
    /// The attack that found most.
    pub attack: String,
    /// Share of people that it finds in training at one false alarm in a thousand; absent where too few rows can tell.
    pub tpr: Option<f64>,
    /// Upper end of its 95 % interval; 1 where it could not be measured.
    pub tpr_high: f64,
}

/// Decisions on the frozen customers, compared with those of the model that serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Canary {
    /// No model serves yet.
    First,
    /// The policy asked for new customers.
    Renewed,
    /// The serving model, of an earlier version of the program, has none.
    Unfrozen,
    /// Both models decided.
    Compared {
        /// Frozen customers.
        rows: u64,
        /// Flagged by the serving model alone.
        released: u64,
        /// Flagged by the candidate alone.
        caught: u64,
    },
    /// Could not be compared, and why.
    Broken(String),
    /// Was not tried.
    #[default]
    Unknown,
}

/// Label sets that miss no more than they say (split conformal prediction), made of one half of the rows and counted on the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sets {
    /// Share of either label that they may miss.
    pub miss: f64,
    /// Share of churners whose set lacks it.
    pub missed_churners: f64,
    /// Share of those who stay whose set lacks it.
    pub missed_stayers: f64,
    /// Share of rows whose set holds both: the vote cannot tell.
    pub undecided: f64,
    /// Rows that were counted.
    pub rows: u64,
}

/// What answers give away of a sensitive column, beyond what everything else about a person does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributeGain {
    /// The column.
    pub column: String,
    /// The value that is guessed.
    pub level: String,
    /// AUC of guesses without the model, for people trained on.
    pub imputation: f64,
    /// What answers add to it: mean over targets, and its standard error.
    pub gain: (f64, f64),
}

/// What one strength of training against outsiders is worth, on rows that judge no model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TradeoffPoint {
    /// The strength; 0 is training as without outsiders.
    pub strength: f64,
    /// AUC on rows as they are.
    pub auc: f64,
    /// Mean over both classes of the share of attacked rows that are right as they are.
    pub balanced_accuracy: f64,
    /// The same of those that are still right after the attack.
    pub withstood: f64,
    /// Right answers that were attacked.
    pub tried: u64,
    /// Those that were turned.
    pub won: u64,
    /// 95 % interval of the share that was turned.
    pub interval: (f64, f64),
}

/// How training reckoned with outsiders, and the curve that this was chosen by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hardening {
    /// Columns that outsiders can change.
    pub columns: Vec<String>,
    /// How far, as a share of the range.
    pub eps: f64,
    /// The strength that was chosen.
    pub strength: f64,
    /// The curve, by rising strength.
    pub points: Vec<TradeoffPoint>,
}

/// All that was measured of a candidate, beside its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// On rows that it had not seen; absent where it was not measured.
    #[serde(default)]
    pub audit: Option<Audit>,
    /// Decisions on the frozen customers, against the model that served when it was trained.
    #[serde(default)]
    pub canary: Canary,
    /// What an outsider can do to the answers; absent where it was not measured.
    #[serde(default)]
    pub robustness: Option<Robustness>,
    /// How training reckoned with outsiders; absent where it did not, or by hand.
    #[serde(default)]
    pub hardening: Option<Hardening>,
    /// What models of these settings remember of their people, by member; empty where it was not measured.
    #[serde(default)]
    pub memory: Vec<Memory>,
    /// What answers give away of each sensitive column; empty where none is declared.
    #[serde(default)]
    pub attributes: Vec<AttributeGain>,
}

impl Measured {
    /// Those of an honest candidate.
    pub fn ordinary() -> Self {
        Self {
            audit: Some(Audit {
                calibration_error: 0.01,
                auc: 0.84,
                churn_rate: 0.26,
                top_tier: Some(TopTier {
                    name: "90 to 120".into(),
                    rows: 1_700,
                    churners: 400,
                    found: 200,
                    auc: Some((0.82, 0.01)),
                    below: Some(0.25),
                }),
                recall_gaps: Vec::new(),
                patterns: Vec::new(),
                sets: None,
            }),
            canary: Canary::Compared { rows: 500, released: 5, caught: 5 },
            memory: vec![Memory {
                member: "vote".into(),
                models: 8,
                rows: 7_000,
                attack: "RMIA".into(),
                tpr: Some(0.002),
                tpr_high: 0.0025,
            }],
            attributes: Vec::new(),
            hardening: None,
            robustness: Some(Robustness {
                eps: 0.05,
                columns: vec!["usage".into()],
                rows: 1_000,
                balanced_accuracy: 0.75,
                certified: 0.6,
                unknown: 0.0,
                evasions: vec![Evasion { knows: "model".into(), tried: 100, won: 20, interval: (0.13, 0.29) }],
            }),
        }
    }
}
