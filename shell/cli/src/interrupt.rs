//! Ctrl-C while the pipeline runs: the process ends at once, which every write survives, but not without a word (T4: nobody guesses
//! what is deployed).

use std::sync::Mutex;

use tokio::task::JoinHandle;

use crate::output::Output;

/// As shells report a process that Ctrl-C ended: 128 + SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// The step that runs.
static STEP: Mutex<String> = Mutex::new(String::new());

/// Takes down which step runs.
pub(crate) fn at(step: &str) {
    if let Ok(mut now) = STEP.lock() {
        step.clone_into(&mut now);
    }
}

/// Waits for Ctrl-C beside the run, which computes and cannot look; abort it when the run has ended.
pub(crate) fn watch(out: Output) -> JoinHandle<()> {
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            let step = STEP.lock().map(|step| step.clone()).unwrap_or_default();
            let (why, help) = words(&step);
            out.error(&why, &help);
            end();
        }
    })
}

#[expect(clippy::exit, reason = "a step that computes cannot be asked to stop; what it half-wrote is mended by the next run")]
fn end() {
    std::process::exit(i32::from(INTERRUPTED));
}

/// What happened, and the way on.
fn words(step: &str) -> (String, String) {
    match stage(step) {
        "deployment" => {
            ("interrupted while a model was deployed".to_owned(), "see with `stayward status` which one answers".to_owned())
        }
        stage => ("interrupted; nothing was deployed".to_owned(), format!("go on with `stayward run --from {stage}`")),
    }
}

/// The stage of [`pipeline::run::STAGES`] that a step belongs to.
fn stage(step: &str) -> &'static str {
    match step.split('-').next().unwrap_or_default() {
        "s02" => "data-source",
        "s03" => "label-qa",
        "s04" => "segmentation",
        "s05" => "training",
        "s06" | "s07" => "staging",
        "deployment" => "deployment",
        _ => "data-validation",
    }
}

#[cfg(test)]
mod tests {
    use pipeline::run::STAGES;

    use super::*;

    #[test]
    fn every_step_goes_on_at_a_stage() {
        for step in artifact::STEPS.map(|step| step.id).into_iter().chain(["deployment", ""]) {
            assert!(STAGES.contains(&stage(step)), "{step}");
        }
        let check = |step: &str, expected: &str| assert_eq!(words(step).1, expected);
        check("s05-training", "go on with `stayward run --from training`");
        check("s07-release", "go on with `stayward run --from staging`");
        check("deployment", "see with `stayward status` which one answers");
    }
}
