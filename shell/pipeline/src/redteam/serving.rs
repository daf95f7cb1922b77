//! Questions to the real prediction service, or to its model without any guard.

use std::collections::{BTreeMap, BTreeSet};

use artifact::{Answer, Granularity, Shown};
use attacks::{Ask, Asked, Broken, Feature, Judged, KeyWish, Row, Seen};
use frame::Column;
use gate::{Clause, Tray};
use identity::{CustomerScope, KeyLimits, Right};
use learn::{ColumnKind, Ensemble, Value};
use s08_api_guard::AnswerFacts;
use tabular::TypedTable;

use super::field::{Field, broken, judged};
use crate::desk::now;
use crate::run::{TrainedState, model_folder};
use crate::serving::{Call, Reply, Service};
use crate::{PipelineError, Project, data};

const DAY_SECONDS: i64 = 86_400;
const KEY_SECONDS: i64 = 30 * DAY_SECONDS;
/// Largest file of a model.
const MODEL_BYTES_MAX: u64 = 1 << 30;

/// The trained model's files, read as a thief with the disk would.
pub(super) fn ensemble(project: &Project, trained: &TrainedState) -> Result<Ensemble, PipelineError> {
    let folder = project.path(&model_folder(trained.candidate.model()));
    let mut files = BTreeMap::new();
    for name in trained.candidate.files.keys().filter(|name| !s10_predict::SURROUNDINGS.contains(&name.as_str())) {
        files.insert(name.clone(), store::disk::read_limited(&folder.join(name), MODEL_BYTES_MAX)?);
    }
    Ensemble::from_files(&files).map_err(PipelineError::internal)
}

/// Columns of the model with what customers have in them.
pub(super) fn features(ensemble: &Ensemble, table: &TypedTable) -> Vec<Feature> {
    let of = |name: &str| match table.frame.column(name) {
        Some(Column::Number(values)) => numbers(values),
        Some(Column::Category(_)) | None => (None, false),
    };
    let columns = ensemble.columns().iter();
    columns
        .map(|column| (column, of(&column.name)))
        .map(|(column, (range, whole))| Feature { name: column.name.clone(), range, whole })
        .collect()
}

fn numbers(values: &[f64]) -> (Option<(f64, f64, f64)>, bool) {
    let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    #[expect(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let count = known.len().max(1) as f64;
    let mean = known.iter().sum::<f64>() / count;
    let deviation = (known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    let (low, high) =
        known.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    ((!known.is_empty()).then_some((low, high, deviation)), known.iter().all(|value| value.fract() == 0.0))
}

impl Field {
    pub(super) fn customer_row(&self, customer: &str) -> Row {
        let row = self.latest.get(customer).map(|row| data::row_texts(&self.table.frame, *row)).unwrap_or_default();
        row.into_iter().filter(|(name, _)| self.features.iter().any(|feature| feature.name == *name)).collect()
    }

    pub(super) fn issue(&mut self, wish: KeyWish) -> Result<String, Broken> {
        self.applications += 1;
        let name = format!("attacker-{}", self.applications);
        if !self.is_on() {
            return Ok(name);
        }
        let service = self.service()?;
        let identity = &service.desk().identity;
        let scope = match wish.first_customers {
            None => CustomerScope::All,
            Some(count) => CustomerScope::Customers(self.latest.keys().take(count).cloned().collect()),
        };
        let mut rights = BTreeSet::from([Right::Ask]);
        if wish.what_if {
            rights.insert(Right::WhatIf);
        }
        let limits = KeyLimits { per_minute: wish.per_minute, distinct_customers_per_day: wish.distinct_per_day };
        let (made, seconds) = if wish.expired { (now() - 2 * DAY_SECONDS, DAY_SECONDS) } else { (now(), KEY_SECONDS) };
        let work = async {
            identity.create_app(&name, "admin", now()).await?;
            let key = identity.create_key_for(&name, &rights, limits, &scope, seconds, made).await?;
            if wish.revoked {
                identity.revoke_key(&key.id, now()).await?;
            }
            service.refresh_keys().await?;
            Ok::<String, PipelineError>(key.text.reveal().to_owned())
        };
        self.handle.block_on(work).map_err(broken)
    }

    pub(super) fn reopen(&mut self) -> Result<(), Broken> {
        if self.is_on() {
            // The log has one writer: the old one must let go first.
            self.service = None;
            self.service = Some(self.handle.block_on(Service::open(&self.project)).map_err(broken)?);
        }
        Ok(())
    }

    pub(super) fn question(&mut self, ask: &Ask) -> Result<Asked, Broken> {
        if !self.is_on() {
            return self.unguarded(ask);
        }
        let granularity = ask.finer.then_some(Granularity::Decile);
        let call =
            Call { key: ask.key.clone(), customers: ask.customers.clone(), rows: ask.rows.clone(), asking: None, granularity };
        Ok(match self.handle.block_on(self.service()?.ask(call)) {
            Reply::Told { rows, model, version, .. } => {
                let seen = rows.iter().map(|told| match told.shown {
                    Shown::Class(churns) => Seen::Class(churns),
                    Shown::Decile(band) => Seen::Band(band),
                });
                Asked { judged: Judged::through(), seen: seen.collect(), words: format!("{model} {version}") }
            }
            Reply::Refused { status, .. } => {
                Asked { judged: Judged::stopped(status.code().to_string()), seen: Vec::new(), words: String::new() }
            }
        })
    }

    /// The model without any guard: every probability, to anybody, of any row.
    fn unguarded(&self, ask: &Ask) -> Result<Asked, Broken> {
        let looked_up = ask.customers.iter().map(|customer| self.customer_row(customer));
        let mut seen = Vec::new();
        for row in looked_up.chain(ask.rows.iter().cloned()) {
            let values: Vec<Value<'_>> = self
                .ensemble
                .columns()
                .iter()
                .map(|column| match row.get(&column.name).and_then(Option::as_deref) {
                    None => Value::Missing,
                    Some(text) if matches!(column.kind, ColumnKind::Number { .. }) => {
                        text.trim().parse().map_or(Value::Missing, Value::Number)
                    }
                    Some(text) => Value::Text(text),
                })
                .collect();
            seen.push(Seen::Probability(self.ensemble.predict_row(&values).map_err(broken)?.vote));
        }
        Ok(Asked { judged: Judged::through(), seen, words: format!("{:?}", self.ensemble.weights()) })
    }

    pub(super) fn answer_with(&self, members: &BTreeMap<String, String>) -> Result<Judged, Broken> {
        if !self.is_on() {
            return Ok(Judged::through());
        }
        // As the service fills them.
        let facts =
            AnswerFacts { granularity_max: self.project.policy.api.granularity, extra_allowed: Vec::new(), extra_chars_max: 64 };
        let answer = Answer { request: "attack".into(), shown: vec![Shown::Class(true)], extra: members.clone() };
        Ok(judged(&self.houses.answer.clear(answer, &facts, &mut Tray::default())))
    }

    pub(super) fn judge_window(&self) -> Result<Vec<Clause>, Broken> {
        if !self.is_on() {
            return Ok(Vec::new());
        }
        let alarms = self.handle.block_on(self.service()?.alarms()).map_err(broken)?;
        let called = self.houses.monitoring.gates().iter().map(|gate| gate.card()).filter(|card| alarms.contains(&card.id));
        Ok(called.flat_map(|card| card.clauses).copied().collect())
    }
}
