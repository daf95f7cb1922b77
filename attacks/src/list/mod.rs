//! One attack per file, in the order of the threat model (T1 to T7).

mod archive_rewrite;
mod bad_keys;
mod boundary_probing;
mod broken_inputs;
mod bypass_validation;
mod copy_within_budget;
mod crafted_inputs;
mod crawl_pattern;
mod customer_crawl;
mod debug_members;
mod directed_labeller;
mod disguised_secret;
mod falsified_rows;
mod fine_answers;
mod forged_delivery;
mod hammering;
mod internal_columns;
mod label_insider;
mod leaked_secret;
mod mass_relabelling;
mod old_key;
mod plain_transport;
mod plausible_name;
mod relabel_below_limit;
mod relabel_second_labels;
mod replayed_delivery;
mod right_too_many;
mod score_drift;
mod tampered_delivery;
mod tampered_training;
mod typosquat;
mod unauthorised_writer;
mod unchecked_release;
mod understated_prices;
mod understated_slowly;
mod unpinned_dependency;
mod unreviewed_package;
mod weak_session;

use crate::attack::Attack;

/// Every attack, threat by threat.
pub static ALL: &[&dyn Attack] = &[
    &understated_prices::UnderstatedPrices,
    &understated_slowly::UnderstatedSlowly,
    &falsified_rows::FalsifiedRows,
    &tampered_delivery::TamperedDelivery,
    &replayed_delivery::ReplayedDelivery,
    &forged_delivery::ForgedDelivery,
    &plain_transport::PlainTransport,
    &bypass_validation::BypassValidation,
    &unauthorised_writer::UnauthorisedWriter,
    &weak_session::WeakSession,
    &internal_columns::InternalColumns,
    &bad_keys::BadKeys,
    &hammering::Hammering,
    &fine_answers::FineAnswers,
    &customer_crawl::CustomerCrawl,
    &copy_within_budget::CopyWithinBudget,
    &debug_members::DebugMembers,
    &crawl_pattern::CrawlPattern,
    &boundary_probing::BoundaryProbing,
    &tampered_training::TamperedTraining,
    &unchecked_release::UncheckedRelease,
    &right_too_many::RightTooMany,
    &old_key::OldKey,
    &leaked_secret::LeakedSecret,
    &disguised_secret::DisguisedSecret,
    &broken_inputs::BrokenInputs,
    &crafted_inputs::CraftedInputs,
    &score_drift::ScoreDrift,
    &label_insider::LabelInsider,
    &archive_rewrite::ArchiveRewrite,
    &mass_relabelling::MassRelabelling,
    &relabel_below_limit::RelabelBelowLimit,
    &relabel_second_labels::RelabelSecondLabels,
    &directed_labeller::DirectedLabeller,
    &unpinned_dependency::UnpinnedDependency,
    &typosquat::Typosquat,
    &plausible_name::PlausibleName,
    &unreviewed_package::UnreviewedPackage,
];
