use super::Reserved;
use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};

#[test]
fn who_names_it_may_listen_and_again_after_that_ended() {
    let port = Reserved::any().expect("a port");
    assert!(TcpStream::connect(port.address()).is_err(), "nobody listens");
    for _ in 0..3 {
        let listener = TcpListener::bind(port.address()).expect("it is kept for this");
        let stream = TcpStream::connect(port.address()).expect("it listens");
        let (peer, _) = listener.accept().expect("a connection");
        // The end that closes first keeps the address for a minute.
        drop(peer);
        drop(stream);
    }
}

#[test]
fn a_second_listener_is_refused() {
    let port = Reserved::any().expect("a port");
    let _listener = TcpListener::bind(port.address()).expect("it is kept for this");
    assert_eq!(TcpListener::bind(port.address()).expect_err("one listens").kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn nobody_is_given_it_who_asks_for_any() {
    let kept: Vec<Reserved> = (0..200).map(|_| Reserved::any().expect("a port")).collect();
    let numbers: BTreeSet<u16> = kept.iter().map(Reserved::number).collect();
    assert_eq!(numbers.len(), kept.len());
    let listeners: Vec<TcpListener> = (0..200).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let given = listeners.iter().map(|listener| listener.local_addr().expect("an address").port());
    let clients: Vec<TcpStream> = listeners
        .iter()
        .map(|one| TcpStream::connect(one.local_addr().expect("an address")).expect("it listens"))
        .collect();
    let given = given.chain(clients.iter().map(|client| client.local_addr().expect("an address").port()));
    assert!(given.into_iter().all(|port| !numbers.contains(&port)));
}
