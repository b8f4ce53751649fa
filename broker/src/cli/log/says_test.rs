use super::{Says, fields, metadata};
use ottla_core::msg::MetadataRecord;
use ottla_core::msg::record::metadata::{ConfigRecord, PartitionRecord};
use ottla_core::types::Uuid;
use ottla_core::wire::encode_metadata_record;
use serde_json::{Map, Value, json};

fn said(record: MetadataRecord, version: i16) -> (String, Map<String, Value>) {
    let bytes = encode_metadata_record(&record, version).expect("it is carried");
    match metadata(&bytes) {
        Ok(Says::Record { kind, data }) => (kind, data),
        Ok(Says::Fields(..)) | Err(_) => panic!("a record of the metadata log"),
    }
}

#[test]
fn a_record_of_the_metadata_log_is_told_by_its_fields() {
    let record = ConfigRecord {
        resource_type: 2,
        resource_name: "a \"b\", {c}".into(),
        name: "retention.ms".into(),
        value: Some("5".into()),
    };
    let (kind, data) = said(record.into(), 0);
    let wanted = json!({ "resource_type": 2, "resource_name": "a \"b\", {c}", "name": "retention.ms", "value": "5" });
    assert_eq!((kind.as_str(), Value::Object(data)), ("Config", wanted));
    let record = PartitionRecord { topic_id: Uuid([1; 16]), replicas: vec![1, 2], ..Default::default() };
    let (kind, data) = said(record.into(), 1);
    assert_eq!((kind.as_str(), &data["replicas"]), ("Partition", &json!([1, 2])));
    assert_eq!(data["topic_id"], json!(Uuid([1; 16]).to_string()));
}

#[test]
fn what_lies_deep_stays_text() {
    let (kind, data) = fields("Odd(OddRecord { ends: [End { name: \"a\", port: 1 }], none: None, last: true })");
    assert_eq!(kind, "Odd");
    let wanted = json!({ "ends": "[End { name: \"a\", port: 1 }]", "none": null, "last": true });
    assert_eq!(Value::Object(data), wanted);
}
