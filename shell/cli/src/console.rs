//! Fills the console's pages from the project.

use console::view::controls::ControlsView;
use console::view::entry::RefusedView;
use console::view::evidence::EvidenceView;
use console::view::model::ModelView;
use console::view::pipeline::{PipelineView, RunView};
use pipeline::serving::Service;
use server::{ConsoleSource, Entry, Seen, Signed};

pub(crate) struct Console {
    _service: Service,
}

impl Console {
    pub(crate) fn new(service: Service) -> Self {
        Self { _service: service }
    }
}

fn refused<T>() -> Seen<T> {
    Err(Box::new(RefusedView::default()))
}

impl ConsoleSource for Console {
    async fn login(&self, _: &str, _: &str, _: &str) -> Entry {
        Entry::Refused
    }
    async fn link_person(&self, _: &str) -> Option<String> {
        None
    }
    async fn use_link(&self, _: &str, _: &str) -> Entry {
        Entry::Refused
    }
    async fn session(&self, _: &str) -> Option<Signed> {
        None
    }
    async fn logout(&self, _: &str) {}
    async fn pipeline(&self, _: &Signed) -> Seen<PipelineView> {
        refused()
    }
    async fn run(&self, _: &Signed, _: Option<&str>) -> Seen<RunView> {
        refused()
    }
    async fn model(&self, _: &Signed, _: Option<&str>) -> Seen<ModelView> {
        refused()
    }
    async fn evidence(&self, _: &Signed, _: Option<&str>) -> Seen<EvidenceView> {
        refused()
    }
    async fn controls(&self, _: &Signed) -> Seen<ControlsView> {
        refused()
    }
}
