//! A step of the diagram and a gate in it: the two traits that everything else is made of.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Card, Digest, Verdict};

/// What can pass through a step. It can be written down, because a decision must be repeatable from the archive.
pub trait Subject: Serialize + DeserializeOwned + std::fmt::Debug {
    /// The content address that receipts and statements name.
    fn digest(&self) -> Digest {
        Digest::of_json(self)
    }
}

impl Subject for String {}

/// A box of the threat model's diagram.
pub trait Step: Sized + 'static {
    /// The step's id, for instance `s01-door`.
    const ID: &'static str;
    /// The step's name in the words of the threat model.
    const TITLE: &'static str;
    /// What passes through.
    type Subject: Subject;
}

/// One control. It decides without IO: facts come in, a verdict goes out.
pub trait Gate<S: Step, F>: Sync {
    /// What the gate says of itself.
    fn card(&self) -> &'static Card;
    /// Judges the subject by the facts. It must be total, deterministic and quick.
    fn judge(&self, subject: S::Subject, facts: &F) -> Verdict<S::Subject>;
}
