//! The proof that a subject came through its gatehouse.

use std::marker::PhantomData;

use crate::{Finding, Receipt, Step};

/// A subject that came through step `S`. Only a gatehouse makes one; there is no other constructor and no `Deserialize`.
#[derive(Debug)]
pub struct Cleared<S: Step> {
    subject: S::Subject,
    receipt: Receipt,
    step: PhantomData<S>,
}

impl<S: Step> Cleared<S> {
    pub(crate) fn new(subject: S::Subject, receipt: Receipt) -> Self {
        Self { subject, receipt, step: PhantomData }
    }

    /// What came through.
    pub fn subject(&self) -> &S::Subject {
        &self.subject
    }

    /// The ledger entry of the decision.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Gives the subject up; it is no longer proved to have come through.
    pub fn into_subject(self) -> S::Subject {
        self.subject
    }
}

/// A subject that waits for people. It cannot be turned into a [`Cleared`]; it is judged again with the people's decision as a fact.
#[derive(Debug)]
pub struct Held<S: Step> {
    /// What waits.
    pub subject: S::Subject,
    /// Why, by gate id.
    pub findings: Vec<(&'static str, Finding)>,
    /// The ledger entry of the decision to wait.
    pub receipt: Receipt,
}
