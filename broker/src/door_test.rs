use super::Door;
use axum::serve::Listener;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

#[test]
fn who_asks_nothing_makes_room_for_the_next_after_a_while() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a port");
        let mut door = Door::with(listener, 1, Duration::from_millis(50));
        let silent = TcpStream::connect(address).await.expect("it listens");
        let mut honest = TcpStream::connect(address).await.expect("it listens");
        honest.write_all(b"GET").await.expect("it is in the backlog");
        let (mut first, _) = door.accept().await;
        let waiting = tokio::spawn(async move { door.accept().await });
        let fault = first.read_u8().await.expect_err("nothing ever came");
        assert_eq!(fault.kind(), std::io::ErrorKind::TimedOut);
        assert!(!waiting.is_finished(), "there is one place only");
        drop(first);
        let (mut second, _) = waiting.await.expect("the place is free");
        let mut word = [0; 3];
        second.read_exact(&mut word).await.expect("the next one is heard");
        assert_eq!(&word, b"GET");
        drop(silent);
    });
}
