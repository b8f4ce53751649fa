use super::{from_environment, from_flag, gather, parse};
use crate::flags::Serve;
use proptest::prelude::{ProptestConfig, any, proptest};
use std::path::Path;

fn pairs(text: &str) -> Vec<(String, String)> {
    let settings = parse(Path::new("f"), text).expect("a good file");
    settings.into_iter().map(|setting| (setting.key.to_string(), setting.value.to_string())).collect()
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.into(), value.into())
}

#[test]
fn comments_and_empty_lines_say_nothing() {
    assert_eq!(pairs("# a=b\n\n   ! c=d\n \t\nnode.id=1\n"), [pair("node.id", "1")]);
}

#[test]
fn equals_colon_and_blanks_separate() {
    let text = "a=1\nb:2\nc 3\nd = 4\ne : 5\nf\t6\ng==7\nh=\ni\n";
    let wanted =
        [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5"), ("f", "6"), ("g", "=7"), ("h", ""), ("i", "")];
    assert_eq!(pairs(text), wanted.map(|(key, value)| pair(key, value)));
}

#[test]
fn a_backslash_at_the_end_continues_the_line() {
    assert_eq!(
        pairs("listeners=PLAINTEXT://a:1,\\\n   PLAINTEXT://b:2\nx=1"),
        [pair("listeners", "PLAINTEXT://a:1,PLAINTEXT://b:2"), pair("x", "1")]
    );
    assert_eq!(pairs("a=1\\\\\nb=2"), [pair("a", "1\\"), pair("b", "2")]);
    assert_eq!(pairs("a=1\\\n# no comment here"), [pair("a", "1# no comment here")]);
}

#[test]
fn escapes_are_javas() {
    assert_eq!(pairs(r"a\ b\=c=x\ty\u00e9\ud83d\ude00\z"), [pair("a b=c", "x\ty\u{e9}\u{1f600}z")]);
    assert_eq!(pairs(r"dir=C\:\\data"), [pair("dir", r"C:\data")]);
}

#[test]
fn bad_escapes_name_their_line() {
    let mistakes = parse(Path::new("server.properties"), "a=1\nb=\\u12\nc=\\ud83d").expect_err("two mistakes");
    assert_eq!(mistakes.len(), 2);
    assert!(mistakes[0].starts_with("server.properties:2: "), "{}", mistakes[0]);
    assert!(mistakes[1].starts_with("server.properties:3: "), "{}", mistakes[1]);
}

#[test]
fn each_setting_says_where_it_was_written() {
    let file = parse(Path::new("f"), "node.id=1\n\nlog.dirs=/a").expect("a good file");
    assert_eq!(file[1].origin, "f:3");
    assert_eq!(from_flag("node.id=2").expect("a good flag").origin, "--set");
}

#[test]
fn the_environment_speaks_both_dialects() {
    let known = |key: &str| ["log.dirs", "node.id", "a_b-c.d", "ottla.durability"].contains(&key);
    let variables = [
        ("KAFKA_LOG_DIRS", "/theirs"),
        ("OTTLA_LOG_DIRS", " /ours "),
        ("KAFKA_HEAP_OPTS", "-Xmx1g"),
        ("OTTLA_A__B___C_D", "x"),
        ("OTTLA_DURABILITY", "relaxed"),
        ("OTTLA_MISSPELT", "y"),
        ("OTTLA_BROKER", "host:1"),
        ("OTTLA_PORT", "tcp://10.0.0.7:9092"),
        ("OTTLA_PORT_9092_TCP_ADDR", "10.0.0.7"),
        ("OTTLA_HEADLESS_SERVICE_HOST", "10.0.0.7"),
        ("PATH", "/bin"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let found = from_environment(variables.into_iter(), known);
    let found: Vec<(&str, &str)> = found.iter().map(|setting| (setting.key.as_str(), setting.value.as_str())).collect();
    assert_eq!(
        found,
        [
            ("log.dirs", "/theirs"),
            ("log.dirs", "/ours"),
            ("a_b-c.d", "x"),
            ("ottla.durability", "relaxed"),
            ("ottla.misspelt", "y")
        ]
    );
}

#[test]
fn a_flag_without_a_key_or_value_is_refused() {
    assert!(from_flag("node.id").is_err());
    assert!(from_flag("=1").is_err());
    assert_eq!(from_flag("a = b=c ").expect("a good flag").value, "b=c");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse(Path::new("f"), &text);
    }

    #[test]
    fn what_is_escaped_comes_back(key in "[a-zA-Z=: .\\\\]{1,12}", value in "[a-z=:\\\\]{0,12}") {
        let escape = |text: &str| text.chars().flat_map(|letter| ['\\', letter]).collect::<String>();
        // Letters that mean something behind a backslash stay as they are.
        let careful = |text: &str| text.chars().map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '.' => letter.to_string(),
            _ => escape(&letter.to_string()),
        }).collect::<String>();
        let line = format!("{}={}", careful(&key), careful(&value));
        assert_eq!(pairs(&line), [(key, value)]);
    }
}

#[test]
fn a_directory_that_an_ephemeral_broker_does_not_use_is_told() {
    for (ephemeral, told) in [(true, 1), (false, 0)] {
        let flags = Serve { ephemeral, set: vec!["log.dirs=/somewhere".into()], ..Serve::default() };
        let (_, notices) = gather(&flags).expect("allowed settings");
        assert_eq!(notices.iter().filter(|notice| notice.key == "log.dirs").count(), told, "{notices:?}");
    }
}

#[test]
fn a_wrong_port_is_told_along_with_every_other_mistake() {
    let set = vec!["num.partitions=none".into()];
    let flags = Serve { port: Some("99999".into()), set, ..Serve::default() };
    let told = gather(&flags).expect_err("two mistakes");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "--port 99999: must be a whole number from 0 to 65535");
    assert!(told[1].starts_with("num.partitions=none"), "{told:?}");
    let flags = Serve { port: Some("9192".into()), ..Serve::default() };
    let (config, _) = gather(&flags).expect("a good port");
    assert_eq!(config.broker.listeners[0].bind.to_string(), "127.0.0.1:9192");
}
