//! The model card: one page for people, one CycloneDX 1.6 bill of materials (ECMA-424) for programs (T4, T5, T7).

use console::plot::{Placement, xy};
use console::view::Fact;
use console::view::model::{ModelDetail, TrainedOn};
use learn::Member;
use learn::evaluate::Spread;
use serde_json::{Value, json};

use super::model::{detail, known, report, standing};
use super::origin::walk;
use crate::run::Report;
use crate::{Desk, PipelineError};

/// What is said of every model of this program.
const CONSIDERATIONS: [(&str, &str); 5] = [
    ("intended use", "to rank customers by their chance to leave, so that people can offer them a reason to stay"),
    (
        "users",
        "applications of the company with a key of their own; they are told a class, or a decile where the policy says so, never a score",
    ),
    ("not for", "decisions that harm a customer (price, credit, denial of service), or people who are no customers"),
    (
        "limits",
        "figures hold for customers like those trained on; drift is watched, and a what-if that no honest row resembles is refused",
    ),
    (
        "personal data",
        "the frozen customers, and the support vector machine where it is no plane, are rows of training customers: treat the model's files so",
    ),
];

/// A model card in both forms.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// The model's id.
    pub model: String,
    /// One self-contained HTML page.
    pub html: String,
    /// The CycloneDX document.
    pub bom: Value,
}

/// The card of the model whose id begins so, or of the one that is deployed (or else the newest); nothing if there is no such model.
///
/// # Errors
/// The control database cannot be read; the model's report is not the one that was logged.
pub async fn card(desk: &Desk, id: Option<&str>) -> Result<Option<Card>, PipelineError> {
    let all = known(desk).await?;
    let found = match id {
        Some(id) => all.iter().find(|model| id.len() >= 4 && model.starts_with(id)),
        None => all.first(),
    };
    let Some(model) = found else { return Ok(None) };
    let origin = standing(desk, model).await?.entry.map(|entry| walk(desk, &entry)).unwrap_or_default();
    let report = report(desk, model, &origin).map_err(PipelineError::broken)?;
    let detail = detail(desk, model).await?;
    let considerations: Vec<Fact> = CONSIDERATIONS.iter().map(|(name, words)| Fact::new(*name, *words)).collect();
    let html = console::card(&detail, &considerations);
    let files = origin.files(&format!("{}/{model}/", crate::run::MODELS));
    Ok(Some(Card { model: model.clone(), html, bom: bom(&detail, &report, &files) }))
}

/// A universally unique id of form 8 (RFC 9562 section 5.8) made of a digest's digits: the same model has the same document.
fn serial(digest: &str) -> String {
    let digits: Vec<char> = digest.trim_start_matches("sha256:").chars().collect();
    let part = |from: usize, to: usize| digits.get(from..to).map(|all| all.iter().collect::<String>()).unwrap_or_default();
    format!("urn:uuid:{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn bom(model: &ModelDetail, report: &Report, files: &[(String, String)]) -> Value {
    let inputs: Vec<Value> = model.trained_on.iter().enumerate().map(data).collect();
    let refs: Vec<String> = (0..inputs.len()).map(|at| format!("data-{at}")).collect();
    let parts: Vec<Value> = files
        .iter()
        .map(|(name, digest)| json!({ "type": "file", "bom-ref": format!("file-{name}"), "name": name, "hashes": hash(digest) }))
        .collect();
    let file_refs: Vec<String> = files.iter().map(|(name, _)| format!("file-{name}")).collect();
    let tool = json!({ "type": "application", "name": "stayward", "version": env!("CARGO_PKG_VERSION") });
    let mut properties: Vec<Value> = model.spec.iter().chain(&model.audit).map(property).collect();
    properties.extend(
        model.evidence.iter().map(|entry| json!({ "name": format!("stayward:evidence:{}", entry.proves), "value": entry.id })),
    );
    let component = json!({
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": "churn",
        "version": model.id,
        "hashes": hash(&model.digest),
        "modelCard": {
            "bom-ref": "model-card",
            "modelParameters": parameters(report, &refs),
            "quantitativeAnalysis": { "performanceMetrics": metrics(report), "graphics": graphics(model) },
            "considerations": considerations(report),
            "properties": properties,
        },
    });
    let mut metadata = json!({ "tools": { "components": [tool] }, "component": component });
    if let (Some(metadata), false) = (metadata.as_object_mut(), model.trained_at.is_empty()) {
        metadata.insert("timestamp".into(), json!(model.trained_at));
    }
    let components: Vec<Value> = parts.into_iter().chain(inputs).collect();
    let rests_on: Vec<String> = file_refs.into_iter().chain(refs).collect();
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial(&model.digest),
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": [{ "ref": "model", "dependsOn": rests_on }],
    })
}

fn hash(digest: &str) -> Value {
    json!([{ "alg": "SHA-256", "content": digest.trim_start_matches("sha256:") }])
}

fn property(fact: &Fact) -> Value {
    json!({ "name": format!("stayward:{}", fact.name), "value": fact.value })
}

fn data((at, input): (usize, &TrainedOn)) -> Value {
    json!({
        "type": "data",
        "bom-ref": format!("data-{at}"),
        "name": input.what,
        "hashes": hash(&input.digest),
        "data": [{ "type": "dataset", "name": input.what, "description": format!("{} rows", input.rows), "classification": "confidential" }],
    })
}

fn parameters(report: &Report, data: &[String]) -> Value {
    let inputs: Vec<Value> = report.columns.iter().map(|name| json!({ "format": name })).collect();
    json!({
        "approach": { "type": "supervised" },
        "task": "binary classification (customer churn)",
        "architectureFamily": "soft vote",
        "modelArchitecture": "gradient boosted trees, support vector machine, random forest",
        "datasets": data.iter().map(|data| json!({ "ref": data })).collect::<Vec<_>>(),
        "inputs": inputs,
        "outputs": [{ "format": "class" }],
    })
}

fn metrics(report: &Report) -> Vec<Value> {
    let mut out = Vec::new();
    for (member, figures) in &report.members {
        let slice = match member {
            Member::Booster => "gradient boosted trees",
            Member::Svm => "support vector machine",
            Member::Forest => "random forest",
            Member::Vote => "vote",
        };
        let all: [(&str, &Spread); 5] = [
            ("ROC AUC", &figures.auc),
            ("PR AUC", &figures.pr_auc),
            ("log loss", &figures.log_loss),
            ("Brier score", &figures.brier),
            ("accuracy", &figures.accuracy),
        ];
        for (name, spread) in all {
            let slice = format!("{slice}; {}", report.split);
            out.push(json!({ "type": name, "value": format!("{:.4}", spread.mean), "slice": slice }));
            if spread.deviation > 0.0 {
                let name = format!("{name}, standard deviation over tests");
                out.push(json!({ "type": name, "value": format!("{:.4}", spread.deviation), "slice": slice }));
            }
        }
    }
    out
}

fn graphics(model: &ModelDetail) -> Value {
    let plots = [
        ("ROC", console::roc_plot(&model.roc)),
        ("precision and recall", console::precision_recall_plot(&model.precision_recall)),
        ("lift", console::lift_plot(&model.lift)),
        ("calibration", console::calibration_plot(&model.calibration)),
    ];
    let image = |(name, plot): (&str, console::plot::Plot)| {
        let drawn = xy(&plot, Placement::Standalone).into_string();
        let content = data_encoding::BASE64.encode(drawn.as_bytes());
        json!({ "name": name, "image": { "contentType": "image/svg+xml", "encoding": "base64", "content": content } })
    };
    json!({ "description": "measured on rows that the model had not seen", "collection": plots.map(image) })
}

fn considerations(report: &Report) -> Value {
    let said = |wanted: &str| CONSIDERATIONS.iter().find(|(name, _)| *name == wanted).map_or("", |(_, words)| words);
    let fairness: Vec<Value> = report
        .measured
        .audit
        .iter()
        .flat_map(|audit| &audit.recall_gaps)
        .map(|gap| {
            json!({
                "groupAtRisk": format!("{} = {}", gap.column, gap.least.0),
                "harms": format!("their churners are found with recall {:.2}, those of {} with {:.2}", gap.least.1, gap.most.0, gap.most.1),
                "mitigationStrategy": "the gate `model-fairness` refuses a certain gap above the policy",
            })
        })
        .collect();
    json!({
        "users": [said("users")],
        "useCases": [said("intended use")],
        "technicalLimitations": [said("limits"), said("not for")],
        "ethicalConsiderations": [{ "name": said("personal data"), "mitigationStrategy": "files are readable by the owner alone" }],
        "fairnessAssessments": fairness,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_number_is_a_uuid_of_form_eight() {
        let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(serial(digest), "urn:uuid:01234567-89ab-8def-8123-456789abcdef");
    }
}
