//! Measures the detectors on generated and real customers: rows found by type of poison, batches found, false alarms.

mod hostile;
mod measured;
mod poison;
