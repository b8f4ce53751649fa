use super::Lines;
use crate::clock::Clock;
use crate::telemetry::Telemetry;
use ottla_core::boundary::{Input, Line, Lost, Purpose};
use ottla_core::msg::api_versions::{ApiVersion, ApiVersionsResponse};
use ottla_core::msg::list_groups::{ListGroupsRequest, ListGroupsResponse};
use ottla_core::msg::{ApiKey, Request, Response};
use ottla_core::types::{BrokerId, CallId};
use ottla_core::wire::{Reader, RequestHead, Writer, read_request_head, write_response_frame};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, yield_now};
use tokio::time::sleep;

/// Longer than any of these tests takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// For calls that nobody answers.
const SHORT: Duration = Duration::from_millis(50);

/// The other side of a connection.
struct Other(TcpStream);

impl Other {
    fn accept(listener: &TcpListener) -> Self {
        Self(listener.accept().expect("somebody connects").0)
    }

    /// Accepts, and answers the greeting.
    fn greeted(listener: &TcpListener) -> Self {
        let mut other = Self::accept(listener);
        let head = other.asked();
        assert_eq!(head.client_id.as_deref(), Some("broker-7"));
        let versions = ApiVersion { api_key: ApiKey::ListGroups.code(), min_version: 0, max_version: 4 };
        let body = ApiVersionsResponse { api_keys: vec![versions], ..Default::default() };
        other.send(&answer(&head, &Response::ApiVersions(body)));
        other
    }

    fn asked(&mut self) -> RequestHead {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).expect("a request");
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame).expect("the whole of it");
        read_request_head(&mut Reader::new(&frame.into(), 1 << 20)).expect("a good head")
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("it is taken");
    }

    /// True once the other end has closed.
    fn is_closed(&mut self) -> bool {
        self.0.read_to_end(&mut Vec::new()).is_ok_and(|bytes| bytes == 0)
    }
}

fn answer(head: &RequestHead, body: &Response) -> Vec<u8> {
    let mut writer = Writer::new();
    write_response_frame(&mut writer, head.version, head.correlation_id, body).expect("a good answer");
    writer.take().into_iter().flatten().collect()
}

fn groups(throttle_time_ms: i32) -> Response {
    Response::ListGroups(ListGroupsResponse { throttle_time_ms, ..Default::default() })
}

struct Caller {
    clock: Clock,
    telemetry: Telemetry,
    lines: Rc<Lines>,
    line: Arc<Line>,
}

impl Caller {
    fn new(port: u16) -> Self {
        let telemetry = Telemetry::new();
        let line = Line { to: BrokerId(2), host: "127.0.0.1".into(), port, purpose: Purpose::Lease };
        let lines = Lines::new(telemetry.clone(), "broker-7".into(), 1 << 20);
        Self { clock: Clock::start(), telemetry, lines, line: line.into() }
    }

    fn call(&self, call: u64, wait: Duration) {
        let body = Request::ListGroups(ListGroupsRequest::default());
        self.lines.call(self.clock.now().mono, &self.line, (CallId(call), body), wait);
    }

    /// The next ends of calls, as the brain would wait for them.
    async fn ends(&self, count: usize) -> Vec<(u64, Result<i32, Lost>)> {
        let (mut inputs, mut timer) = (Vec::new(), Box::pin(sleep(Duration::ZERO)));
        poll_fn(|cx| {
            loop {
                self.lines.wake(self.clock.now().mono);
                self.lines.take(&mut inputs, cx.waker());
                if inputs.len() >= count {
                    return Poll::Ready(());
                }
                let deadline = self.lines.deadline().expect("a call is under way");
                timer.as_mut().reset(self.clock.instant(deadline));
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
        inputs.into_iter().map(ended).collect()
    }

    /// The same, and the socket's task has its turn: however slow this machine is, the bytes are out in time.
    async fn call_at_once(&self, call: u64, wait: Duration) {
        self.call(call, wait);
        yield_now().await;
    }

    /// What people were told of that is not over.
    fn troubles(&self) -> Vec<Option<ApiKey>> {
        self.lines.troubled.borrow().iter().map(|(_, _, api)| *api).collect()
    }

    fn is_forgotten(&self) -> bool {
        self.lines.lines.borrow().is_empty()
    }
}

fn ended(input: Input) -> (u64, Result<i32, Lost>) {
    let Input::Response { call, body } = input else { panic!("{input:?}") };
    let told = body.map(|body| match body {
        Response::ListGroups(told) => told.throttle_time_ms,
        other => panic!("{other:?}"),
    });
    (call.0, told)
}

/// Runs a caller against the other side, which has a thread of its own.
fn run<T: Send + 'static>(
    other: impl FnOnce(TcpListener) -> T + Send + 'static,
    caller: impl AsyncFnOnce(&Caller),
) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let other = thread::spawn(move || other(listener));
    alone(port, caller);
    other.join().expect("the other side is content")
}

/// Runs a caller.
fn alone(port: u16, caller: impl AsyncFnOnce(&Caller)) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async { caller(&Caller::new(port)).await });
}

#[test]
fn calls_of_a_line_share_a_connection_and_are_answered_in_their_order() {
    let other = |listener: TcpListener| {
        let mut other = Other::greeted(&listener);
        let heads: Vec<RequestHead> = (0..3).map(|_| other.asked()).collect();
        for (at, head) in (0..).zip(heads) {
            assert_eq!((head.api, head.version), (ApiKey::ListGroups, 4));
            // One byte a segment, as it may come.
            answer(&head, &groups(at)).chunks(1).for_each(|byte| other.send(byte));
        }
        other.is_closed()
    };
    let is_closed = run(other, async |caller: &Caller| {
        (0..3).for_each(|call| caller.call(call, PATIENCE));
        assert_eq!(caller.ends(3).await, [(0, Ok(0)), (1, Ok(1)), (2, Ok(2))]);
        assert!(!caller.is_forgotten());
        caller.lines.close();
        assert!(caller.is_forgotten());
        let text = caller.telemetry.text(None, &[std::env::temp_dir()]);
        assert!(
            text.contains("ottla_calls_total{api=\"ListGroups\"} 3") && !text.contains("calls_lost_total{"),
            "{text}"
        );
    });
    assert!(is_closed);
}

#[test]
fn who_does_not_answer_in_time_is_given_up_and_connected_to_anew() {
    let other = |listener: TcpListener| {
        let mut silent = Other::greeted(&listener);
        let head = silent.asked();
        silent.send(&answer(&head, &groups(4)));
        silent.asked();
        let is_closed = silent.is_closed();
        let mut other = Other::greeted(&listener);
        let head = other.asked();
        other.send(&answer(&head, &groups(5)));
        is_closed
    };
    let is_closed = run(other, async |caller: &Caller| {
        caller.call(1, PATIENCE);
        assert_eq!(caller.ends(1).await, [(1, Ok(4))]);
        caller.call_at_once(2, SHORT).await;
        assert_eq!(caller.ends(1).await, [(2, Err(Lost::Unknown))]);
        assert!(caller.is_forgotten());
        assert_eq!(caller.troubles(), [None]);
        caller.call(3, PATIENCE);
        assert_eq!(caller.ends(1).await, [(3, Ok(5))]);
        assert_eq!(caller.troubles(), [], "it is over");
    });
    assert!(is_closed);
}

#[test]
fn what_was_asked_may_have_happened_if_its_answer_breaks_off() {
    let other = |listener: TcpListener| {
        let mut other = Other::greeted(&listener);
        let (first, second) = (other.asked(), other.asked());
        let whole = answer(&first, &groups(1));
        let half = answer(&second, &groups(2));
        other.send(&[&whole[..], &half[..half.len() - 1]].concat());
    };
    run(other, async |caller: &Caller| {
        caller.call(1, PATIENCE);
        caller.call(2, PATIENCE);
        assert_eq!(caller.ends(2).await, [(1, Ok(1)), (2, Err(Lost::Unknown))]);
        assert!(caller.is_forgotten());
        let text = caller.telemetry.text(None, &[std::env::temp_dir()]);
        assert!(text.contains("ottla_calls_lost_total{api=\"ListGroups\",how=\"unknown\"} 1"), "{text}");
    });
}

#[test]
fn what_nobody_took_has_not_happened() {
    // Refused: there is no such listener any more.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    drop(listener);
    alone(port, async |caller: &Caller| {
        caller.call(1, PATIENCE);
        assert_eq!(caller.ends(1).await, [(1, Err(Lost::NotSent))]);
        assert_eq!(caller.troubles(), [None]);
        assert!(caller.is_forgotten());
    });
    // Connected, but never greeted.
    let silent = |listener: TcpListener| {
        let mut other = Other::accept(&listener);
        other.0.read_to_end(&mut Vec::new()).is_ok()
    };
    let is_closed = run(silent, async |caller: &Caller| {
        caller.call_at_once(1, SHORT).await;
        assert_eq!(caller.ends(1).await, [(1, Err(Lost::NotSent))]);
    });
    assert!(is_closed);
    // No such name.
    alone(port, async |caller: &Caller| {
        let line = Line { host: "no such host.invalid".into(), ..(*caller.line).clone() };
        let body = Request::ListGroups(ListGroupsRequest::default());
        caller.lines.call(caller.clock.now().mono, &line.into(), (CallId(1), body), PATIENCE);
        assert_eq!(caller.ends(1).await, [(1, Err(Lost::NotSent))]);
    });
}

#[test]
fn a_closed_line_ends_what_is_under_way_and_takes_no_more() {
    let other = |listener: TcpListener| {
        let mut other = Other::greeted(&listener);
        let head = other.asked();
        other.send(&answer(&head, &groups(1)));
        // The second call is out, and stays without an answer.
        other.asked();
        other.is_closed()
    };
    let is_closed = run(other, async |caller: &Caller| {
        caller.call(1, PATIENCE);
        assert_eq!(caller.ends(1).await, [(1, Ok(1))]);
        caller.call_at_once(2, PATIENCE).await;
        caller.lines.close();
        caller.call(3, PATIENCE);
        assert_eq!(caller.ends(2).await, [(2, Err(Lost::Unknown)), (3, Err(Lost::NotSent))]);
        assert!(caller.is_forgotten());
    });
    assert!(is_closed);
}

#[test]
fn who_speaks_something_else_is_told_to_people_once() {
    let other = |listener: TcpListener| {
        for _ in 0..2 {
            let mut other = Other::accept(&listener);
            other.asked();
            other.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
        // This one speaks, but not that.
        let mut other = Other::accept(&listener);
        let head = other.asked();
        other.send(&answer(&head, &Response::ApiVersions(ApiVersionsResponse::default())));
        other.is_closed()
    };
    run(other, async |caller: &Caller| {
        for call in 0..2 {
            caller.call(call, PATIENCE);
            assert_eq!(caller.ends(1).await, [(call, Err(Lost::NotSent))]);
            assert_eq!(caller.troubles(), [None]);
        }
        caller.call(2, PATIENCE);
        assert_eq!(caller.ends(1).await, [(2, Err(Lost::NotSent))]);
        assert_eq!(caller.troubles(), [None, Some(ApiKey::ListGroups)]);
        caller.lines.close();
    });
}
