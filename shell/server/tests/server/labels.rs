//! Labels by HTTPS (T6): a labeller's session hands them in, nobody else's token does, and nothing of a stranger's body is read.

use hyper::body::Bytes;
use server::Limits;

use crate::common::*;

const PATH: &str = "/v1/labels/proposals";
const LABELS: &[u8] = br#"{"labels":[{"customer":"c1","churned":true}]}"#;

async fn check(headers: &[(&str, &str)], body: &'static [u8], status: u16) -> Got {
    let server = start(Limits::default()).await;
    let got = server.send(request("POST", PATH, headers, Bytes::from_static(body))).await;
    assert_eq!(got.status, status, "{headers:?}: {}", got.text());
    assert!(status == 200 || got.is_refusal(), "{}", got.text());
    got
}

const CSV: (&str, &str) = ("content-type", "text/csv");
const LABELLER: (&str, &str) = ("authorization", "Bearer labeller");

#[tokio::test]
async fn a_labeller_hands_labels_in() {
    let got = check(&[LABELLER, JSON], LABELS, 200).await;
    assert_eq!((&got.json()["author"], &got.json()["approvals_needed"]), (&"lena".into(), &2.into()));
    check(&[LABELLER, CSV], b"customer_id,churned\nc1,yes\n", 200).await;
}

#[tokio::test]
async fn nobody_else_does() {
    check(&[JSON], LABELS, 401).await;
    check(&[("authorization", "Bearer swk_a"), JSON], LABELS, 401).await;
    check(&[("x-api-key", "labeller"), JSON], LABELS, 401).await;
    check(&[LABELLER, ("x-api-key", "labeller"), JSON], LABELS, 401).await;
    check(&[("cookie", "__Host-stayward=labeller"), JSON], LABELS, 401).await;
    check(&[("authorization", "Bearer trainer"), JSON], LABELS, 403).await;
}

#[tokio::test]
async fn bytes_are_of_a_kind_and_of_their_digest() {
    check(&[LABELLER, ("content-type", "text/plain")], LABELS, 415).await;
    check(&[LABELLER, CSV, ("content-encoding", "gzip")], LABELS, 415).await;
    check(&[LABELLER, JSON, ("content-digest", "sha-256=:AAAA:")], LABELS, 400).await;
}
