//! Measures how much a model remembers its people: who was in the training data, and what their hidden attributes are, can be asked
//! of its answers (T2). The figures are what a leakage gate judges.
//!
//! Attacks are pure functions over scores of many models ([`Panel`]); [`audit`](audit()) trains the models. The published attacks
//! that need the fewest assumptions are all run, and the highest figure counts: one weak attack says "safe" of everything. What
//! matters is the share of members found while almost nobody is accused wrongly (Carlini et al. 2022), so a figure at a rate of
//! false alarms comes with its exact interval, or with the number of non-members that it would need.

mod attacks;
mod attribute;
mod audit;
mod error;
mod figures;
mod lira;
mod panel;
mod people;
mod rmia;

pub use attacks::{Attack, Leak, Settings, judge, signals};
pub use attribute::{AttributeLeak, AttributeSpec, Gain, Sensitive, attribute};
pub use audit::{Audit, AuditSpec, MODELS_MAX, MODELS_MIN, Progress, audit, panels};
pub use error::LeakError;
pub use figures::{FALSE_ALARMS, Figures, Rate, figures, needed};
pub use panel::Panel;
