//! Suppliers hand in files over real TLS (T1): by their own certificate or a component's token, whole, as said, within limits; every
//! refusal has its rule and is written down.

use std::sync::PoisonError;
use std::time::Duration;

use crate::common::{FEED_BYTES_MAX, Got, INTAKE_TOKEN, KEY_ALL, Started, issue, request, start, start_asking};
use data_encoding::BASE64;
use hyper::body::Bytes;
use server::Limits;
use server::workload::IssuedWorkload;

const PATH: &str = "/v1/feeds/market/week-7.csv";

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    format!("sha-256=:{}:", BASE64.encode(digest.as_ref()))
}

async fn put(server: &Started, by: Option<&IssuedWorkload>, path: &str, headers: &[(&str, &str)], bytes: &[u8]) -> Got {
    server.send_by(by, request("PUT", path, headers, Bytes::copy_from_slice(bytes))).await
}

/// Rule and name of those that were written down.
fn turned_away(server: &Started) -> Vec<(&'static str, Option<String>)> {
    let all = server.fake.turned_away.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().map(|refused| (refused.rule, refused.by.clone())).collect()
}

fn files(server: &Started) -> Vec<String> {
    let folder = std::fs::read_dir(server.fake.inbox());
    let names = folder.into_iter().flatten().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != ".inbox.lock").collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_supplier_hands_in_by_its_certificate() {
    let (server, authority, _folder) = start_asking(Limits::default()).await;
    let acme = issue(&authority, "supplier/acme");
    let bytes = b"region,week,price\n";
    let digest = sha256(bytes);
    let headers = [("content-digest", digest.as_str())];
    let first = put(&server, Some(&acme), PATH, &headers, bytes).await;
    assert_eq!((first.status.as_u16(), first.json()["bytes"].as_u64()), (201, Some(18)), "{}", first.text());
    assert_eq!(std::fs::read(server.fake.inbox().join("week-7.csv")).unwrap(), bytes);
    // The same again is no harm; other bytes under the name are.
    assert_eq!(put(&server, Some(&acme), PATH, &headers, bytes).await.status, 200);
    let other = sha256(b"other");
    let again = put(&server, Some(&acme), PATH, &[("content-digest", &other)], b"other").await;
    assert_eq!((again.status.as_u16(), again.json()["rule"].as_str()), (409, Some("arrival-conflict")));
    assert_eq!(turned_away(&server), [("arrival-conflict", Some("supplier/acme".to_owned()))]);
    assert_eq!(files(&server), ["week-7.csv"]);
}

#[tokio::test]
async fn a_component_hands_in_by_its_token() {
    let server = start(Limits::default()).await;
    let token = format!("Bearer {INTAKE_TOKEN}");
    let digest = sha256(b"{}");
    let headers = [("content-digest", digest.as_str()), ("authorization", &token)];
    assert_eq!(put(&server, None, "/v1/feeds/market/a.csv.sigstore.json", &headers, b"{}").await.status, 201);
    // With a key beside it, it is not for us to guess who asks.
    let both = [headers[0], headers[1], ("x-api-key", KEY_ALL)];
    assert_eq!(put(&server, None, "/v1/feeds/market/b.csv", &both, b"{}").await.status, 401);
}

#[tokio::test]
async fn who_is_not_known_reads_nothing_and_is_written_down() {
    let (server, authority, _folder) = start_asking(Limits::default()).await;
    let (acme, mallory) = (issue(&authority, "supplier/acme"), issue(&authority, "supplier/mallory"));
    let trainer = issue(&authority, "component/trainer");
    let digest = sha256(b"1");
    let headers = [("content-digest", digest.as_str())];
    for (by, path) in [
        (None, PATH),
        (Some(&mallory), PATH),
        (Some(&trainer), PATH),
        // Whether there is such a feed is not told either.
        (Some(&acme), "/v1/feeds/weather/week-7.csv"),
    ] {
        let got = put(&server, by, path, &headers, b"1").await;
        assert_eq!(got.status, 401, "{path}");
        assert_eq!(got.text(), "{\"error\":\"refused, ref 8c21aa00\"}\n");
    }
    assert_eq!(turned_away(&server), vec![("arrival-identity", None); 4]);
    assert_eq!(files(&server), Vec::<String>::new());
}

#[tokio::test]
async fn each_fault_has_its_rule_and_leaves_nothing_behind() {
    let (server, authority, _folder) = start_asking(Limits::default()).await;
    let acme = issue(&authority, "supplier/acme");
    let large = vec![b'1'; usize::try_from(FEED_BYTES_MAX).unwrap() + 1];
    let (one, of_large) = (sha256(b"1"), sha256(&large));
    let good = ("content-digest", one.as_str());
    type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c [u8], u16, &'c str);
    let cases: [Case<'_>; 13] = [
        ("a.csv", &[], b"1", 400, "arrival-digest"),
        ("a.csv", &[("content-digest", "md5=:AAAA:")], b"1", 400, "arrival-digest"),
        ("a.csv", &[("content-digest", "nonsense")], b"1", 400, "arrival-digest"),
        ("a.csv", &[good], b"2", 400, "arrival-digest"),
        ("a.csv", &[good, good], b"1", 400, "arrival-digest"),
        ("a.csv", &[good], b"", 400, "arrival-size"),
        ("a.csv", &[("content-digest", &of_large)], &large, 413, "arrival-size"),
        ("a.csv", &[good, ("content-encoding", "gzip")], b"1", 415, "arrival-form"),
        ("a.csv", &[good, ("content-range", "bytes 0-0/2")], b"1", 400, "arrival-form"),
        ("a.csv?x=1", &[good], b"1", 400, "arrival-form"),
        (".a.csv", &[good], b"1", 400, "arrival-name"),
        ("..%2fa.csv", &[good], b"1", 400, "arrival-name"),
        ("SHA256SUMS", &[good], b"1", 400, "arrival-name"),
    ];
    for (name, headers, bytes, status, rule) in cases {
        let got = put(&server, Some(&acme), &format!("/v1/feeds/market/{name}"), headers, bytes).await;
        assert_eq!((got.status.as_u16(), got.json()["rule"].as_str()), (status, Some(rule)), "{name} {headers:?}");
        let wanted = got.header("want-content-digest").contains("sha-256");
        assert_eq!(wanted, rule == "arrival-digest");
    }
    assert_eq!(turned_away(&server).len(), cases.len());
    assert_eq!(files(&server), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_is_not_announced_ends_at_the_limit_and_one_that_stops_in_time() {
    let limits = Limits { body_seconds: 1, ..Limits::default() };
    let server = start(limits).await;
    let head = |more: &str| {
        let digest = sha256(b"1");
        format!(
            "PUT {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {INTAKE_TOKEN}\r\ncontent-digest: {digest}\r\n{more}\r\n"
        )
    };
    let piece = format!("{:x}\r\n{}\r\n", FEED_BYTES_MAX, "1".repeat(usize::try_from(FEED_BYTES_MAX).unwrap()));
    let endless = format!("{}{piece}{piece}", head("transfer-encoding: chunked\r\n"));
    let answer = server.raw("http/1.1", endless.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    // Cut short: the sender goes away, or falls silent.
    let cut = server.raw("http/1.1", format!("{}1", head("content-length: 9\r\n")).as_bytes()).await;
    assert_eq!(cut, b"");
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let rules: Vec<_> = turned_away(&server).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, ["arrival-size", "arrival-whole"]);
    assert_eq!(files(&server), Vec::<String>::new());
}
