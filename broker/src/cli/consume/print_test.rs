use super::{LETTERS, Part, object, parse, write};
use ottla_core::record::{Builder, NewRecord};
use ottla_core::types::{LeaderEpoch, Offset, Wall};
use serde_json::json;

const RECORD: NewRecord<'static> = NewRecord {
    timestamp: Wall(1000),
    key: Some(b"k"),
    value: None,
    headers: &[(b"a", Some(b"1")), (b"a", Some(&[0xff])), (b"b", None)],
};

/// One record at offset 7 of partition 3, as the template shows it.
fn shown(template: &str) -> String {
    let mut out = Vec::new();
    let functions = ottla_codecs::functions();
    let batch = Builder::new().at(Offset(7), LeaderEpoch(0)).with(&RECORD).build_plain(&functions);
    let mut scratch = Vec::new();
    let placed = batch.walk(&functions, &mut scratch).unwrap().next().unwrap().unwrap();
    for part in parse(template).unwrap() {
        write(&mut out, &part, "topic", 3, &placed).unwrap();
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn every_letter_stands_for_something() {
    assert_eq!(shown("%t-%p@%o\\t%k=%s %K %S %T %%\\n"), "topic-3@7\tk= 1 -1 1000 %\n");
    assert_eq!(shown("%D"), "1970-01-01T00:00:01.000Z");
    assert!(shown("%h").starts_with("a=1,a="));
    for letter in LETTERS.chars() {
        assert_eq!(parse(&format!("%{letter}")).unwrap(), [Part::Field(letter)]);
        shown(&format!("%{letter}"));
    }
}

#[test]
fn a_wrong_template_says_what_is_allowed() {
    assert!(parse("%x").unwrap_err().contains(LETTERS));
    assert!(parse("100%").is_err());
    assert!(parse("\\").is_err());
}

#[test]
fn json_keeps_repeated_headers_and_tells_null_from_empty() {
    let functions = ottla_codecs::functions();
    let batch = Builder::new().at(Offset(7), LeaderEpoch(0)).with(&RECORD).build_plain(&functions);
    let mut scratch = Vec::new();
    let placed = batch.walk(&functions, &mut scratch).unwrap().next().unwrap().unwrap();
    let headers =
        json!([{ "name": "a", "value": "1" }, { "name": "a", "value_hex": "ff" }, { "name": "b", "value": null }]);
    assert_eq!(
        object("topic", 3, &placed),
        json!({
            "topic": "topic", "partition": 3, "offset": 7, "timestamp": 1000, "key": "k", "value": null,
            "headers": headers,
        })
    );
}
