use super::{Door, Visit};
use axum::serve::Listener;
use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// A door with so few places, and somebody who comes to it.
async fn door(places: usize, stay_max: Duration) -> (Door, impl AsyncFn(&mut Door) -> (TcpStream, Visit)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a port");
    let come = async move |door: &mut Door| {
        let visitor = TcpStream::connect(address).await.expect("it listens");
        (visitor, door.accept().await.0)
    };
    (Door::with(listener, places, stay_max), come)
}

fn run(test: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
}

#[test]
fn who_asks_nothing_is_sent_away_after_a_while() {
    run(async {
        let (mut door, come) = door(1, Duration::from_millis(50)).await;
        let (_silent, mut visit) = come(&mut door).await;
        assert_eq!(visit.read_u8().await.expect_err("nothing ever came").kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn whoever_comes_while_all_places_are_taken_gets_that_of_who_came_first() {
    run(async {
        let (mut door, come) = door(2, Duration::from_secs(3600)).await;
        let (_first, mut oldest) = come(&mut door).await;
        let (mut second, mut stays) = come(&mut door).await;
        let (_third, newest) = come(&mut door).await;
        assert_eq!(oldest.read_u8().await.expect_err("it is sent away").kind(), ErrorKind::TimedOut);
        // Whoever left by itself makes room for one more.
        drop(newest);
        let (mut fourth, mut last) = come(&mut door).await;
        second.write_all(b"2").await.expect("it is heard");
        fourth.write_all(b"4").await.expect("it is heard");
        assert_eq!((stays.read_u8().await.expect("heard"), last.read_u8().await.expect("heard")), (b'2', b'4'));
    });
}
