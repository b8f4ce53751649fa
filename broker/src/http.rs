//! Health and metrics over HTTP, on a thread of its own: a scrape never waits for the brain longer than it must, and the
//! brain never for a scrape.

use crate::clock::Clock;
use crate::door::Door;
use crate::mail::{DiskState, Facts, Mail, Mailbox};
use crate::telemetry::Telemetry;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use ottla_core::types::Mono;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{sleep, timeout};

#[derive(Clone)]
struct Site {
    mailbox: Mailbox,
    telemetry: Telemetry,
    directories: Vec<PathBuf>,
    counted: Arc<Mutex<Option<Counted>>>,
    clock: Clock,
}

/// The last count: it walks over everything the broker has, and whoever may scrape may scrape all day.
struct Counted {
    began: Mono,
    ended: Mono,
    facts: Option<Arc<Facts>>,
}

/// Serves until the process ends. The directories are those whose disks are watched, the one with the metadata first.
pub fn start(
    listener: TcpListener,
    mailbox: Mailbox,
    telemetry: Telemetry,
    directories: Vec<PathBuf>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let site = Site { mailbox, telemetry, directories, counted: Arc::default(), clock: Clock::start() };
    let router = Router::new()
        .route("/", get(index))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(site);
    thread::Builder::new().name("http".into()).spawn(move || {
        runtime.block_on(async {
            let served = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => axum::serve(Door::new(listener), router).await,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = served {
                tracing::error!("no more HTTP: {fault}");
            }
        });
    })?;
    Ok(())
}

impl Site {
    /// What the brain says of itself, if it says anything in time.
    async fn facts(&self, ask_for: fn(oneshot::Sender<Facts>) -> Mail) -> Option<Facts> {
        let (ask, told) = oneshot::channel();
        self.mailbox.put(ask_for(ask));
        timeout(PATIENCE, told).await.ok()?.ok()
    }

    /// The same, counted after this was asked. Whoever asks while others wait shares their count, and between two counts
    /// the brain has nine times the last one's time for itself.
    async fn counted(&self) -> Option<Arc<Facts>> {
        let asked = self.clock.now().mono;
        let mut last = self.counted.lock().await;
        if let Some(last) = last.as_ref() {
            if last.began >= asked {
                return last.facts.clone();
            }
            let rest = last.ended.since(last.began).saturating_mul(9).min(REST_MAX);
            sleep(rest.saturating_sub(self.clock.now().mono.since(last.ended))).await;
        }
        let began = self.clock.now().mono;
        let facts = self.facts(Mail::Count).await.map(Arc::new);
        *last = Some(Counted { began, ended: self.clock.now().mono, facts: facts.clone() });
        facts
    }
}

async fn index() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "Ottla\n/health\n/ready\n/metrics\n")
}

async fn health(State(site): State<Site>) -> impl IntoResponse {
    match site.facts(Mail::Ask).await {
        Some(_) => (StatusCode::OK, "ok\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the broker does not respond\n"),
    }
}

async fn ready(State(site): State<Site>) -> impl IntoResponse {
    let facts = site.facts(Mail::Ask).await;
    if site.directories[0].is_dir() {
        readiness(facts.as_ref())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the data directory is gone: put it back and start the broker again\n".into())
    }
}

/// A broker whose disk is full still serves what it has, so it stays ready and says so: consumers would lose more by its
/// being taken out than producers win. So does one that knows no controller.
fn readiness(facts: Option<&Facts>) -> (StatusCode, String) {
    let no = StatusCode::SERVICE_UNAVAILABLE;
    let Some(facts) = facts else { return (no, "the broker does not respond\n".into()) };
    let mut ails = Vec::new();
    if !facts.has_controller {
        ails.push("no controller is known: nothing is created or changed, and no leader replaced, until a majority of the voters is up".to_owned());
    }
    match (facts.disk, facts.is_ready) {
        (DiskState::Offline, _) => {
            return (
                no,
                "the data directory is offline: nothing is read or written, the broker's log says why\n".into(),
            );
        }
        (DiskState::Well | DiskState::Full, false) => return (no, said("starting", &ails)),
        (DiskState::Full, true) => ails.push("a disk is full: what is on it is served, and takes no records".into()),
        (DiskState::Well, true) if facts.offline > 0 => ails.push(format!("logs are offline: {}", facts.offline)),
        (DiskState::Well, true) => {}
    }
    (StatusCode::OK, said("ready", &ails))
}

/// `ready, but this; and that`.
fn said(what: &str, ails: &[String]) -> String {
    match ails {
        [] => format!("{what}\n"),
        ails => format!("{what}, but {}\n", ails.join("; and ")),
    }
}

async fn metrics(State(site): State<Site>) -> impl IntoResponse {
    let facts = site.counted().await;
    let text = site.telemetry.text(facts.as_deref(), &site.directories);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

/// A brain that takes longer to answer is not well.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest that a scrape waits for the one before it to be worn off.
const REST_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
#[path = "http_test.rs"]
mod http_test;
