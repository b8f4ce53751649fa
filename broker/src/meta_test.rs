use super::{founders, is_there, parse, write};
use ottla_core::store::Identity;
use ottla_core::types::{BrokerId, Uuid};
use std::fs;
use std::path::PathBuf;

struct Folder(PathBuf);

impl Folder {
    fn new(what: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ottla-meta-{}-{what}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const TWO: &str = "1@one.example:9093:AQEBAQEBAQEBAQEBAQEBAQ,2@[::1]:9094:AgICAgICAgICAgICAgICAg";

#[test]
fn what_was_written_is_read() {
    let folder = Folder::new("written");
    assert_eq!(founders(&folder.0), Ok(Vec::new()), "no file");
    let owner = Identity { directory: Uuid([1; 16]), cluster: "cluster".into(), node: BrokerId(1) };
    let two = parse(TWO).expect("two founders");
    write(&folder.0, &owner, &two).expect("room");
    assert!(is_there(&folder.0));
    assert_eq!(founders(&folder.0), Ok(two));
    let text = fs::read_to_string(folder.0.join("meta.properties")).expect("it is there");
    let kafkas = "version=1\ncluster.id=cluster\nnode.id=1\ndirectory.id=AQEBAQEBAQEBAQEBAQEBAQ\n";
    assert!(text.starts_with(kafkas), "{text}");
}

#[test]
fn what_is_no_founder_is_told() {
    for (text, why) in [
        ("1@one:9093", "ID@HOST:PORT:DIRECTORY_ID"),
        ("1@one:0:AQEBAQEBAQEBAQEBAQEBAQ", "ID@HOST:PORT:DIRECTORY_ID"),
        ("x@one:1:AQEBAQEBAQEBAQEBAQEBAQ", "ID@HOST:PORT:DIRECTORY_ID"),
        ("1@one:1:AAAAAAAAAAAAAAAAAAAAAA", "ID@HOST:PORT:DIRECTORY_ID"),
        ("1@a:1:AQEBAQEBAQEBAQEBAQEBAQ,1@b:1:AgICAgICAgICAgICAgICAg", "node 1 is there twice"),
    ] {
        let refused = parse(text).expect_err(text);
        assert!(refused.contains(why), "{refused}");
    }
}
