use super::Home;
use std::fs;

fn somewhere(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("ottla-home-test-{}-{name}", std::process::id()))
}

#[test]
fn a_directory_has_one_user_at_a_time() {
    let path = somewhere("lock");
    let first = Home::open(&path).expect("a free directory");
    let refused = Home::open(&path).expect_err("a directory in use");
    assert!(refused.contains("in use by another broker"), "{refused}");
    drop(first);
    drop(Home::open(&path).expect("free again"));
    fs::remove_dir_all(&path).expect("it can be removed");
}

#[test]
fn a_file_is_no_directory() {
    let path = somewhere("file");
    fs::write(&path, "").expect("it can be written");
    for taken in [path.clone(), path.join("below")] {
        let refused = Home::open(&taken).expect_err("a file");
        assert!(refused.contains("is a file"), "{refused}");
    }
    fs::remove_file(&path).expect("it can be removed");
}

#[test]
fn a_temporary_directory_is_gone_afterwards() {
    let home = Home::temporary(7).expect("a new directory");
    let path = home.path().to_path_buf();
    fs::write(path.join("something"), "x").expect("it can be written");
    drop(home);
    assert!(!path.exists());
}
