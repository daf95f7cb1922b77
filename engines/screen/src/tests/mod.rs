//! Generated and real customers, honest and poisoned: what is found, what is not blamed, and what is refused to be learnt.

mod found;
mod hostile;
mod made;
mod measured;
