use super::{put_bytes, readable, table};
use serde_json::json;

#[test]
fn numbers_stand_to_the_right_and_text_to_the_left() {
    let shown = table(&["TOPIC", "LAG"], vec![vec!["a".into(), "7".into()], vec!["long-name".into(), "-".into()]]);
    assert_eq!(shown, "TOPIC      LAG\na            7\nlong-name    -");
}

#[test]
fn bytes_that_are_no_text_are_told_from_text_that_looks_like_them() {
    let mut object = serde_json::Map::new();
    put_bytes(&mut object, "key", Some(b"ff"));
    put_bytes(&mut object, "value", Some(&[0xff]));
    put_bytes(&mut object, "other", None);
    assert_eq!(json!(object), json!({ "key": "ff", "value_hex": "ff", "other": null }));
    assert_eq!(readable(&[0xff]), "0xff");
    assert_eq!(readable(b"ff"), "ff");
}
