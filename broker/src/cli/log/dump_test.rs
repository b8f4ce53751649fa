use super::{Lines, field, fill};
use bytes::BytesMut;
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufWriter, Write};

#[test]
fn fields_are_readable_and_text_with_spaces_is_quoted() {
    let mut out = Vec::new();
    for (name, value) in [("at", json!(7)), ("time", json!(0)), ("topic", json!("a-b")), ("says", json!("two words"))] {
        field(&mut out, name, &value).unwrap();
    }
    let shown = String::from_utf8(out).unwrap();
    assert_eq!(shown, "  at=7  time=1970-01-01T00:00:00.000Z  topic=a-b  says=\"two words\"");
}

#[test]
fn a_file_is_read_to_its_end_and_damage_is_counted() {
    let path = std::env::temp_dir().join(format!("ottla-dump-{}.log", std::process::id()));
    fs::write(&path, [9; 100]).unwrap();
    let mut window = BytesMut::new();
    let mut file = File::open(&path).unwrap();
    assert!(!fill(&mut file, &mut window, 60).unwrap());
    assert!(fill(&mut file, &mut window, usize::MAX).unwrap());
    assert_eq!(window.len(), 100);
    let mut lines = Lines { out: BufWriter::new(std::io::stdout()), is_json: true, damaged: 0 };
    super::segment((&path, false), &mut File::open(&path).unwrap(), BytesMut::new(), &mut lines).unwrap();
    lines.out.flush().unwrap();
    assert_eq!(lines.damaged, 1);
    fs::remove_file(path).unwrap();
}
