//! Serves a service that is none, to be tried by foreign clients: `cargo run -p server --example fake -- PORT DIR`.
//! Clients trust `DIR/tls/ca.pem` and send the key `swk_all`; the person is `ada`, see `service.rs`.

mod service;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::PoisonError;
use std::time::Duration;

use server::{Config, Limits, Server};
use service::Fake;

const NOTES_EVERY: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().ok_or("PORT is missing")?.parse()?;
    let folder = arguments.next().ok_or("DIR is missing")?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // A foreign tester sends wrong keys by the hundred, which is what the limit is against.
    let limits = Limits { strangers_per_minute_max: u32::MAX, ..Limits::default() };
    let config = Config { limits, ..Config::own(listen, folder, None) };
    let fake = Fake::default();
    let running = Server::start(config, fake.clone(), fake.clone()).await?;
    let mut every = tokio::time::interval(NOTES_EVERY);
    loop {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => break ended?,
            _ = every.tick() => tell(&fake)?,
        }
    }
    running.shutdown().await;
    Ok(())
}

/// The operator's face of refusals, on the standard error.
fn tell(fake: &Fake) -> std::io::Result<()> {
    let notes = std::mem::take(&mut *fake.notes.lock().unwrap_or_else(PoisonError::into_inner));
    fake.calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let mut out = std::io::stderr().lock();
    notes.iter().try_for_each(|note| writeln!(out, "{} {} {}", note.reference, note.status, note.why))
}
