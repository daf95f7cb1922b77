//! What an attacker sees: the history he knows, the delivery in his hands, and what the columns are for.

use std::collections::BTreeSet;

use frame::{Column, Frame};

use crate::draw::Draws;
use crate::sheet::{Law, Sheet, categories, number};
use crate::{Class, Delivery, PoisonError, Roles, Truth};

/// Words for the label's `yes`.
const YES: [&str; 4] = ["1", "yes", "true", "y"];

/// Tables, roles, attack.
pub(crate) struct Scene<'a> {
    pub(crate) batch: &'a Frame,
    /// Columns of the history in the order of the batch's.
    pub(crate) past: Vec<&'a Column>,
    pub(crate) past_rows: usize,
    pub(crate) class: Class,
    pub(crate) share: f64,
    pub(crate) seed: u64,
    pub(crate) time: Option<usize>,
    pub(crate) label: Option<usize>,
    pub(crate) value: Option<usize>,
    /// The value first.
    pub(crate) money: Vec<usize>,
    /// Columns without a role, and the money.
    pub(crate) features: Vec<usize>,
    positive: Option<String>,
}

/// The rows of an attack and what it wanted to touch.
pub(crate) struct Hit {
    pub(crate) sheet: Sheet,
    pub(crate) rows: BTreeSet<usize>,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        history: &'a Frame,
        batch: &'a Frame,
        roles: &Roles,
        class: Class,
        share: f64,
        seed: u64,
    ) -> Result<Self, PoisonError> {
        let mut past = Vec::with_capacity(batch.columns().len());
        for (name, column) in batch.iter() {
            let known =
                history.column(name).filter(|known| matches!(known, Column::Number(_)) == matches!(column, Column::Number(_)));
            past.push(known.ok_or_else(|| PoisonError::Columns(name.to_owned()))?);
        }
        let place = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => match batch.names().iter().position(|known| known == name) {
                Some(at) => Ok(Some(at)),
                None => Err(PoisonError::Role(name.clone())),
            },
        };
        let (id, time, label, value) = (place(&roles.id)?, place(&roles.time)?, place(&roles.label)?, place(&roles.value)?);
        let mut money: Vec<usize> = value.into_iter().collect();
        for name in &roles.money {
            let at = place(&Some(name.clone()))?;
            money.extend(at.filter(|at| !money.contains(at)));
        }
        let apart = [id, time, label];
        let features = (0..past.len()).filter(|at| !apart.contains(&Some(*at))).collect();
        let mut out = Self {
            batch,
            past,
            past_rows: history.rows(),
            class,
            share,
            seed,
            time,
            label,
            value,
            money,
            features,
            positive: None,
        };
        out.positive = roles.positive.clone().or_else(|| out.likely_positive());
        Ok(out)
    }

    /// A stream of draws of its own for each use. By the class's name (FNV-1a), so that a further class changes no other's draws.
    pub(crate) fn draws(&self, use_: u64) -> Draws {
        let name = self.class.name().bytes();
        let class = name.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        Draws::new(self.seed, class.wrapping_add(use_))
    }

    pub(crate) fn needs(&self, what: &'static str) -> PoisonError {
        PoisonError::Needs { class: self.class.name(), what }
    }

    /// Rows to touch.
    pub(crate) fn wanted(&self) -> usize {
        (self.share * self.batch.rows() as f64).round() as usize
    }

    /// So many seeded rows of those that qualify.
    pub(crate) fn chosen(&self, candidates: &[usize]) -> Vec<usize> {
        self.draws(0).some(candidates, self.wanted())
    }

    /// So many seeded rows of all.
    pub(crate) fn any_rows(&self) -> Vec<usize> {
        self.chosen(&(0..self.batch.rows()).collect::<Vec<_>>())
    }

    pub(crate) fn sheet(&self) -> Sheet {
        Sheet::new(self.batch)
    }

    /// A column of the batch.
    pub(crate) fn column(&self, at: usize) -> &'a Column {
        &self.batch.columns()[at]
    }

    /// The law of a column of the history.
    pub(crate) fn law(&self, at: usize) -> Option<Law> {
        self.past.get(at).and_then(|column| Law::of(column))
    }

    /// Feature columns of numbers that are not all missing, with their laws.
    pub(crate) fn numbers(&self) -> Vec<(usize, Law)> {
        self.features.iter().filter_map(|&at| Some((at, self.law(at)?))).collect()
    }

    /// Value of each row of the batch; an error where the table has no value.
    pub(crate) fn values(&self) -> Result<(usize, Law, Vec<f64>), PoisonError> {
        let at = self.value.ok_or_else(|| self.needs("a column of value"))?;
        let law = self.law(at).ok_or_else(|| self.needs("a value that is a number"))?;
        Ok((at, law, (0..self.batch.rows()).map(|row| number(self.column(at), row)).collect()))
    }

    /// Labels of the batch; `None` for missing.
    pub(crate) fn labels(&self) -> Result<Vec<Option<bool>>, PoisonError> {
        let at = self.label.ok_or_else(|| self.needs("a label"))?;
        Ok((0..self.batch.rows()).map(|row| self.is_positive(self.column(at), row)).collect())
    }

    /// Labels of the history; none at all where the table has no label.
    pub(crate) fn past_labels(&self) -> Vec<Option<bool>> {
        let Some(at) = self.label else { return Vec::new() };
        (0..self.past_rows).map(|row| self.is_positive(self.past[at], row)).collect()
    }

    fn is_positive(&self, column: &Column, row: usize) -> Option<bool> {
        let positive = self.positive.as_deref()?;
        match column {
            Column::Number(values) => {
                let value = values.get(row).copied().filter(|value| value.is_finite())?;
                Some(positive.parse::<f64>().is_ok_and(|positive| positive == value))
            }
            Column::Category(categories) => categories.text(row).map(|text| text == positive),
        }
    }

    /// The text of `yes`: a word for it, or else the rarest of the history.
    fn likely_positive(&self) -> Option<String> {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        let column = self.past.get(self.label?)?;
        for row in 0..self.past_rows {
            let text = match column {
                Column::Number(values) => values.get(row).filter(|value| value.is_finite()).map(f64::to_string),
                Column::Category(categories) => categories.text(row).map(str::to_owned),
            };
            text.into_iter().for_each(|text| *counts.entry(text).or_default() += 1);
        }
        let word = counts.keys().find(|text| YES.contains(&text.to_lowercase().as_str())).cloned();
        word.or_else(|| counts.into_iter().min_by_key(|(_, count)| *count).map(|(text, _)| text))
    }

    /// Writes a label as the history does: `no` is its most frequent other value.
    pub(crate) fn set_label(&self, sheet: &mut Sheet, row: usize, label: bool) {
        let Some((at, words)) = self.label.zip(self.label_words()) else { return };
        let word = if label { &words.0 } else { &words.1 };
        match self.past[at] {
            Column::Number(_) => sheet.set_number(at, row, word.parse().unwrap_or(f64::NAN)),
            Column::Category(_) => sheet.set_text(at, row, Some(word)),
        }
    }

    /// The words for `yes` and `no`; `None` where the history has no `no`.
    pub(crate) fn label_words(&self) -> Option<(String, String)> {
        let at = self.label?;
        let yes = self.positive.clone()?;
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for row in 0..self.past_rows {
            if self.is_positive(self.past[at], row) == Some(false) {
                let text = match self.past[at] {
                    Column::Number(values) => values[row].to_string(),
                    Column::Category(categories) => categories.text(row).unwrap_or_default().to_owned(),
                };
                *counts.entry(text).or_default() += 1;
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(no, _)| (yes, no))
    }

    /// The delivery of an attack on rows: the truth lists those that really differ.
    pub(crate) fn delivered(&self, hit: Hit) -> Delivery {
        let frame = hit.sheet.into_frame();
        let rows = hit.rows.into_iter().filter(|&row| differs(self.batch, &frame, row)).collect();
        Delivery { frame, truth: Truth::Rows(rows), damaged: None }
    }
}

/// Whether a row of two tables with the same columns differs.
pub(crate) fn differs(one: &Frame, other: &Frame, row: usize) -> bool {
    one.columns().iter().zip(other.columns()).any(|(one, other)| match (categories(one), categories(other)) {
        (Some(one), Some(other)) => one.text(row) != other.text(row),
        (None, None) => {
            let (one, other) = (number(one, row), number(other, row));
            one != other && !(one.is_nan() && other.is_nan())
        }
        (Some(_), None) | (None, Some(_)) => true,
    })
}
