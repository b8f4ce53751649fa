//! The door of metrics and health: few connections at a time, and none for long, so that whoever asks slowly, or never
//! asks, takes neither memory nor file descriptors from those who bring records, nor the places of those who only want to know
//! how things are: while all are taken, whoever comes gets that of who came first.

use axum::serve::Listener;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep};

/// Accepts, and sends away.
pub struct Door {
    listener: TcpListener,
    /// Those who are here, in the order in which they came: whose other half is dropped is sent away.
    here: VecDeque<oneshot::Sender<()>>,
    places: usize,
    stay_max: Duration,
}

/// One connection. Past its time, or when it is sent away, it fails, whatever it was at.
pub struct Visit {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    stays: oneshot::Receiver<()>,
}

impl Door {
    /// A door before this listener.
    pub fn new(listener: TcpListener) -> Self {
        Self::with(listener, PLACES, STAY_MAX)
    }

    fn with(listener: TcpListener, places: usize, stay_max: Duration) -> Self {
        Self { listener, here: VecDeque::new(), places, stay_max }
    }

    /// Takes in one more.
    fn admit(&mut self, stream: TcpStream) -> Visit {
        self.here.retain(|visit| !visit.is_closed());
        if self.here.len() == self.places {
            self.here.pop_front();
        }
        let (here, stays) = oneshot::channel();
        self.here.push_back(here);
        Visit { stream, end: Box::pin(sleep(self.stay_max)), stays }
    }
}

impl Listener for Door {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        (self.admit(stream), peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Visit {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let is_over = self.end.as_mut().poll(cx).is_ready() || Pin::new(&mut self.stays).poll(cx).is_ready();
        if is_over { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl AsyncRead for Visit {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_end(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Visit {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_end(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// More scrapers than anybody has.
const PLACES: usize = 64;
/// Longer than any answer takes. A scraper that keeps its connection for the next time opens another one then.
const STAY_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
#[path = "door_test.rs"]
mod door_test;
