use super::Home;
use std::collections::BTreeSet;
use std::fs;

fn somewhere(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("ottla-home-test-{}-{name}", std::process::id()))
}

#[test]
fn a_directory_has_one_user_at_a_time() {
    let path = somewhere("lock");
    let first = Home::open(&path).expect("a free directory");
    let refused = Home::open(&path).expect_err("a directory in use");
    assert_eq!(fs::read_dir(&path).expect("it is there").count(), 0, "nothing is made for a lock");
    assert!(refused.contains("in use by another broker"), "{refused}");
    drop(first);
    drop(Home::open(&path).expect("free again"));
    fs::remove_dir_all(&path).expect("it can be removed");
}

#[test]
fn a_directory_is_made_with_all_above_it() {
    let path = somewhere("above");
    let below = path.join("a").join("b");
    drop(Home::open(&below).expect("a new directory"));
    drop(Home::open(&below).expect("the same"));
    assert!(below.is_dir());
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

#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let parent = somewhere("sweep");
    let gone = u32::MAX >> 1;
    let left = format!("ottla-{gone}-0123456789abcdef");
    let foreign = format!("ottla-{gone}-notes");
    let running = format!("ottla-{}-0123456789abcdef", std::process::id());
    for name in [&left, &foreign, &running] {
        fs::create_dir_all(parent.join(name)).expect("it can be made");
        fs::write(parent.join(name).join("journal-0"), "").expect("it can be written");
    }
    let locked = format!("ottla-{gone}-fedcba9876543210");
    let kept = Home::open(&parent.join(&locked)).expect("a free directory");
    super::sweep(&parent);
    let names: BTreeSet<_> =
        fs::read_dir(&parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, BTreeSet::from([running, locked, foreign]));
    drop(kept);
    fs::remove_dir_all(&parent).expect("it can be removed");
}
