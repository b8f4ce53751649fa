use super::{text, warnings};
use ottla_core::config::{Config, Setting};
use std::path::Path;

fn config(listeners: &str) -> Config {
    let http = Setting { key: "ottla.http.listener".into(), value: "127.0.0.1:9193".into(), origin: "test".into() };
    let listeners = Setting { key: "listeners".into(), value: listeners.into(), origin: "test".into() };
    Config::read([http, listeners]).expect("allowed settings").0
}

#[test]
fn only_listeners_beyond_this_machine_warn() {
    for (listeners, warned) in [
        ("PLAINTEXT://127.0.0.1:9092", 0),
        ("PLAINTEXT://localhost:9092", 0),
        ("PLAINTEXT://[::1]:9092", 0),
        ("PLAINTEXT://:9092", 1),
        ("PLAINTEXT://192.0.2.7:9092", 1),
        ("PLAINTEXT://broker.example:9092", 1),
    ] {
        assert_eq!(warnings(&config(listeners)).len(), warned, "{listeners}");
    }
}

#[test]
fn so_does_the_http_listener() {
    for (http, warned) in [("127.0.0.1:9644", 0), ("localhost:0", 0), ("0.0.0.0:9644", 1), (":9644", 1)] {
        let http = Setting { key: "ottla.http.listener".into(), value: http.into(), origin: "test".into() };
        let config = Config::read([http]).expect("allowed settings").0;
        assert_eq!(warnings(&config).len(), warned, "{:?}", config.conn.http);
    }
}

#[test]
fn the_lines_to_try_name_the_address() {
    let text = text(&config("PLAINTEXT://127.0.0.1:9192"), Path::new("/data"), "./ottla");
    for wanted in [
        "kcat -b 127.0.0.1:9192",
        "'bootstrap.servers': '127.0.0.1:9192'",
        "/data",
        "http://127.0.0.1:9193/metrics",
        "  ./ottla produce",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
}
