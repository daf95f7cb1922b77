//! TLS or nothing (T1, T2), and limits for what a connection can take (T2: throttling).

use std::time::{Duration, Instant, SystemTime};

use crate::common::{KEY_ASK, Started, VERSIONS, connector, connector_by, request, start, start_as};
use hyper::body::Bytes;
use rustls_pki_types::ServerName;
use server::workload::{IssuedWorkload, WorkloadAuthority, WorkloadName};
use server::{Clients, Config, Drained, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn both_protocols_and_both_versions_are_spoken() {
    let server = start(Limits::default()).await;
    let path = format!("https://localhost:{}/v2/health/live", server.running.address().port());
    assert_eq!(server.send_h2(request("GET", &path, &[], Bytes::new())).await.status, 200);
    assert_eq!(server.get("/v2/health/live", &[]).await.status, 200);
    for version in VERSIONS {
        for name in ["localhost", "127.0.0.1"] {
            let tcp = TcpStream::connect(server.running.address()).await.unwrap();
            let name = ServerName::try_from(name).unwrap();
            let stream = connector(server.folder.path(), &[version], "h2").connect(name, tcp).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        }
    }
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let (server, other) = (start(Limits::default()).await, start(Limits::default()).await);
    let tcp = TcpStream::connect(server.running.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    assert!(connector(other.folder.path(), VERSIONS, "h2").connect(name, tcp).await.is_err());
}

#[tokio::test]
async fn without_tls_there_is_no_answer() {
    let server = start(Limits::default()).await;
    let mut tcp = TcpStream::connect(server.running.address()).await.unwrap();
    tcp.write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _end = tokio::time::timeout(Duration::from_secs(5), tcp.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.windows(4).any(|window| window == b"HTTP"), "{answer:?}");
}

/// Whether the server closes a stream before the time is over.
async fn closed_within(stream: &mut (impl AsyncReadExt + Unpin), seconds: u64) -> bool {
    let mut sink = Vec::new();
    tokio::time::timeout(Duration::from_secs(seconds), stream.read_to_end(&mut sink)).await.is_ok()
}

#[tokio::test]
async fn who_does_not_finish_is_cut() {
    let limits = Limits { handshake_seconds: 1, header_seconds: 1, idle_seconds: 2, body_seconds: 1, ..Limits::default() };
    let server = start(limits).await;
    // No handshake.
    let mut tcp = TcpStream::connect(server.running.address()).await.unwrap();
    // A handshake, then nothing, in both protocols; then half of a header.
    let (mut silent, mut silent_h2) = (server.stream("http/1.1").await, server.stream("h2").await);
    let mut half = server.stream("http/1.1").await;
    half.write_all(b"GET /v2/health/live HTTP/1.1\r\nhost: lo").await.unwrap();
    let (a, b, c, d) = tokio::join!(
        closed_within(&mut tcp, 4),
        closed_within(&mut silent, 7),
        closed_within(&mut silent_h2, 7),
        closed_within(&mut half, 7)
    );
    assert_eq!((a, b, c, d), (true, true, true, true));
    // A body that does not come.
    let asked = format!(
        "POST /v1/predictions HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEY_ASK}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
    );
    let mut stream = server.stream("http/1.1").await;
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut buffer = [0_u8; 16];
    let count = stream.read(&mut buffer).await.unwrap();
    assert_eq!(&buffer[..count.min(12)], b"HTTP/1.1 408");
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let server = start(Limits { connections_per_address_max: 2, ..Limits::default() }).await;
    let (_one, _two) = (server.stream("h2").await, server.stream("h2").await);
    let mut tcp = TcpStream::connect(server.running.address()).await.unwrap();
    assert!(closed_within(&mut tcp, 5).await);
}

#[tokio::test]
async fn a_stopped_server_ends_what_it_began() {
    let server = start(Limits { drain_seconds: 20, ..Limits::default() }).await;
    let slow = request("GET", "/v1/customers/slow/churn", &[("x-api-key", KEY_ASK)], Bytes::new());
    let _idle = server.stream("http/1.1").await;
    let stream = server.stream("http/1.1").await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = tokio::spawn(async move { sender.send_request(slow).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let address = server.running.address();
    let drained = server.running.shutdown().await;
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    assert_eq!(drained, Drained { finished: 2, cut: 0 });
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn at_the_deadline_the_rest_is_cut() {
    let server = start(Limits { drain_seconds: 1, ..Limits::default() }).await;
    let mut stream = server.stream("http/1.1").await;
    let asked = format!("GET /v1/customers/slow/churn HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEY_ASK}\r\n\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    assert_eq!(server.running.shutdown().await, Drained { finished: 0, cut: 1 });
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_taken_address_is_an_error_with_help() {
    let server = start(Limits::default()).await;
    let again = Config::own(server.running.address(), server.folder.path(), None);
    let error = server::Server::start(again, server.fake.clone(), server.fake.clone()).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot listen on `127.0.0.1:") && !error.help().is_empty());
}

/// Asks for metrics with this certificate; the status, or none where the connection is refused.
async fn metrics_by(server: &Started, issued: Option<&IssuedWorkload>) -> Option<u16> {
    let tcp = TcpStream::connect(server.running.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = connector_by(server.folder.path(), issued).connect(name, tcp).await.ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn a_machine_proves_itself_by_its_certificate() {
    const HOUR: Duration = Duration::from_secs(3600);
    let now = SystemTime::now();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let authority = WorkloadAuthority::open(ours.path(), now).unwrap();
    let clients = Clients::Asked { authority: authority.certificate().to_owned(), trust_domain: "localhost".to_owned() };
    let server = start_as(|config| Config { clients, ..config }).await;
    let component = |name: &str| WorkloadName::Component(identity::Component::parse(name).unwrap());
    let issue = |name: &str, domain: &str, at: SystemTime| authority.issue(&component(name), domain, HOUR, at).unwrap();

    assert_eq!(metrics_by(&server, Some(&issue("monitor", "localhost", now))).await, Some(200));
    assert_eq!(metrics_by(&server, Some(&issue("trainer", "localhost", now))).await, Some(401));
    assert_eq!(metrics_by(&server, None).await, Some(401));
    assert_eq!(metrics_by(&server, Some(&issue("monitor", "elsewhere", now))).await, None, "another trust domain");
    assert_eq!(metrics_by(&server, Some(&issue("monitor", "localhost", now - HOUR * 2))).await, None, "its time is over");
    assert_eq!(metrics_by(&server, Some(&issue("monitor", "localhost", now + HOUR * 2))).await, None, "not yet");
    let stranger = WorkloadAuthority::open(theirs.path(), now).unwrap();
    let forged = stranger.issue(&component("monitor"), "localhost", HOUR, now).unwrap();
    assert_eq!(metrics_by(&server, Some(&forged)).await, None, "another authority");
    // Where nobody is asked for a certificate, none counts.
    let closed = start(Limits::default()).await;
    assert_eq!(metrics_by(&closed, Some(&issue("monitor", "localhost", now))).await, Some(401));
}
