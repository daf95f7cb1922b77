//! Counters in the OpenMetrics text format (T3: monitoring), for keys with the right to metrics; no label names a customer or a key.

use std::fmt;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use identity::{Action, Right};
use pipeline::serving::Counters;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::answer::{self, Answer, Refusal};
use crate::asks::Asks;
use crate::caller;
use crate::form::Fields;
use crate::serve::{App, Asked};

const OPEN_METRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
/// The statuses of [`Counters::refused`], in its order.
const REFUSED: [&str; 5] = ["401", "403", "422", "429", "503"];

/// What the server itself counts.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    /// By the first digit of the status.
    answers: [Counter; 5],
    pub(crate) faults: Counter,
    pub(crate) turned_away: Counter,
    pub(crate) handshakes_failed: Counter,
}

impl Tallies {
    pub(crate) fn count(&self, status: StatusCode) {
        if let Some(counter) = usize::from(status.as_u16() / 100).checked_sub(1).and_then(|class| self.answers.get(class)) {
            counter.inc();
        }
    }
}

/// `GET /metrics`.
pub(crate) async fn route<A: Asks, C>(app: &App<A, C>, asked: &Asked<'_>) -> Result<Answer, Refusal> {
    match (asked.workload, caller::component_token(asked.headers)) {
        // A key or token that is sent beside it counts by itself: a certificate adds nothing to it.
        (Some(workload), None) if caller::key(asked.headers).is_none() => {
            caller::check_workload(app, asked.peer, workload, Action::ReadMetrics).await?;
        }
        (_, Some(token)) => caller::check_component(app, asked.peer, token, Action::ReadMetrics).await?,
        (_, None) => caller::check_right(app, asked.headers, asked.peer, &[Right::Metrics])?,
    }
    Fields::parse(asked.query)?.only(&[])?;
    let text = text(&app.asks.counters(), &app.tallies).map_err(|_| Refusal::internal("metrics could not be written"))?;
    Ok(answer::with_body(StatusCode::OK, OPEN_METRICS, text))
}

fn text(counters: &Counters, tallies: &Tallies) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("stayward");
    registry.register("answers", "Answers given by the prediction service", fixed(counters.answered));
    registry.register("rows", "Rows in the answers", fixed(counters.rows));
    registry.register("log_entries", "Entries in the evidence log", fixed(counters.log_entries));
    let refused = Family::<[(&str, &str); 1], Counter>::default();
    for (status, count) in REFUSED.iter().zip(counters.refused) {
        refused.get_or_create(&[("status", *status)]).inc_by(count);
    }
    registry.register("refusals", "Refusals by the prediction service", refused);
    let responses = Family::<[(&str, &str); 1], Counter>::default();
    for (class, counter) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&tallies.answers) {
        responses.get_or_create(&[("class", *class)]).inc_by(counter.get());
    }
    registry.register("http_responses", "Responses by class of status", responses);
    registry.register("faults", "Requests that broke off inside", tallies.faults.clone());
    registry.register("connections_turned_away", "Connections above the limit of one address", tallies.turned_away.clone());
    registry.register("tls_handshakes_failed", "TLS handshakes that failed or took too long", tallies.handshakes_failed.clone());
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn fixed(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_there_once() {
        let tallies = Tallies::default();
        tallies.count(StatusCode::NOT_FOUND);
        let counters = Counters { answered: 3, rows: 7, refused: [1, 2, 3, 4, 5], log_entries: 9 };
        let text = text(&counters, &tallies).unwrap();
        for line in [
            "stayward_answers_total 3",
            "stayward_rows_total 7",
            "stayward_log_entries_total 9",
            "stayward_refusals_total{status=\"429\"} 4",
            "stayward_http_responses_total{class=\"4xx\"} 1",
            "stayward_faults_total 0",
        ] {
            assert_eq!(text.lines().filter(|seen| *seen == line).count(), 1, "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
