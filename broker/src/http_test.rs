use super::*;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};

#[test]
fn only_a_broker_that_serves_is_ready_and_what_ails_it_is_said() {
    let told = |is_ready, disk, offline| {
        let (code, body) =
            readiness(Some(&Facts { is_ready, disk, offline, has_controller: true, ..Facts::default() }));
        (code.as_u16(), body)
    };
    assert_eq!(readiness(None).0.as_u16(), 503);
    assert_eq!(told(false, DiskState::Well, 0), (503, "starting\n".into()));
    assert_eq!(told(true, DiskState::Well, 0), (200, "ready\n".into()));
    for (disk, offline, code, wanted) in [
        (DiskState::Full, 0, 200, "a disk is full"),
        (DiskState::Well, 3, 200, "offline: 3"),
        (DiskState::Offline, 54, 503, "the data directory is offline"),
    ] {
        let (told_code, body) = told(true, disk, offline);
        assert!(told_code == code && body.contains(wanted), "{told_code} {body}");
    }
}

#[test]
fn a_broker_that_knows_no_controller_says_so_whether_it_serves_or_not() {
    let told = |is_ready, offline| readiness(Some(&Facts { is_ready, offline, ..Facts::default() }));
    let (code, body) = told(true, 0);
    assert!(code == 200 && body.starts_with("ready, but no controller is known"), "{body}");
    let (code, body) = told(true, 3);
    assert!(code == 200 && body.contains("no controller is known") && body.contains("offline: 3"), "{body}");
    let (code, body) = told(false, 0);
    assert!(code == 503 && body.starts_with("starting, but no controller is known"), "{body}");
}

/// Twenty ask at once: how often the brain counted for them.
async fn counts_for_twenty(site: &Site) -> usize {
    let scrapers = (0..20).map(|_| site.clone()).map(|site| tokio::spawn(async move { site.counted().await }));
    let mut scrapers: Vec<_> = scrapers.collect();
    let mut counts = 0;
    while let Some(scraper) = scrapers.last_mut() {
        tokio::task::yield_now().await;
        let mut mail = Vec::new();
        site.mailbox.take(&mut mail, Waker::noop());
        for one in mail {
            let Mail::Count(ask) = one else { panic!("{one:?} was asked for") };
            counts += 1;
            ask.send(Facts { offline: counts, ..Facts::default() }).expect("it waits");
        }
        let mut scraper = pin!(scraper);
        if let Poll::Ready(told) = poll_fn(|cx| Poll::Ready(scraper.as_mut().poll(cx))).await {
            assert!(told.expect("no panic").is_some(), "everybody is told something");
            scrapers.pop();
        }
    }
    counts
}

#[test]
fn those_who_scrape_at_once_share_what_is_counted_after_they_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mailbox, telemetry) = (Mailbox::default(), Telemetry::new());
    let site = Site { mailbox, telemetry, directories: vec![], counted: Arc::default(), clock: Clock::start() };
    runtime.block_on(async {
        // The first is under way when the others ask: theirs is the second.
        assert_eq!(counts_for_twenty(&site).await, 2);
        let counts = counts_for_twenty(&site).await;
        assert!((1..=2).contains(&counts), "{counts}: what is known from before tells nobody anything");
    });
}
