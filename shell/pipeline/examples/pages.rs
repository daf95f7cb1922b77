//! Writes every page of the console of a real project into a folder, to be looked at without a server:
//! `cargo run -p pipeline --example pages -- PROJECT DIR [EVIDENCE]`. Reads the project; it must not be in use.

use std::path::{Path, PathBuf};

use pipeline::{Desk, Houses, PipelineError, view};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(project), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pages PROJECT DIR [EVIDENCE]".into());
    };
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let pages = runtime.block_on(pages(Path::new(&project), arguments.next()))?;
    for (name, page) in pages {
        let page = page
            .replace(&format!("\"{}\"", console::path::STYLE), "\"style.css\"")
            .replace(&format!("\"{}\"", console::path::SCRIPT), "\"live.js\"");
        std::fs::write(folder.join(format!("{name}.html")), page)?;
    }
    std::fs::write(folder.join("style.css"), console::STYLESHEET)?;
    std::fs::write(folder.join("live.js"), console::SCRIPT)?;
    Ok(())
}

async fn pages(root: &Path, evidence: Option<String>) -> Result<Vec<(String, String)>, PipelineError> {
    let (desk, houses) = (Desk::open(root).await?, Houses::open()?);
    let pipeline = view::pipeline_view(&desk, &houses).await?;
    let mut pages = vec![
        ("pipeline".to_owned(), console::pipeline(&pipeline)),
        ("controls".to_owned(), console::controls(&view::controls_view(&desk, &houses).await?)),
    ];
    for run in desk.control.list_runs(20).await.map_err(|error| PipelineError::Internal(error.to_string()))? {
        let view = view::run_view(&desk, &houses, Some(&run.id)).await?;
        pages.extend(view.map(|view| (format!("run-{}", run.id), console::run(&view))));
    }
    pages.extend(view::model_view(&desk, None).await?.map(|view| ("model".to_owned(), console::model(&view))));
    // Without an id, the newest receipt of the serving steps.
    let newest = pipeline.steps.iter().rev().find_map(|step| step.evidence.clone());
    let view = view::evidence_view(&desk.project, evidence.or(newest).as_deref())?;
    pages.push(("evidence".to_owned(), console::evidence(&view)));
    Ok(pages)
}
