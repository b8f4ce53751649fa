use super::*;

/// Base offset, length, some bytes.
fn batch(offset: u64, body: &[u8]) -> Vec<u8> {
    [&offset.to_be_bytes()[..], &(body.len() as u32).to_be_bytes(), body].concat()
}

/// Folders of replicas, each a list of segments.
fn judged(what: &str, replicas: &[&[Vec<u8>]]) -> (Compared, Findings) {
    let home = std::env::temp_dir().join(format!("ottla-jepsen-{}-{what}", std::process::id()));
    let folders: Vec<PathBuf> = (0..replicas.len()).map(|at| home.join(at.to_string())).collect();
    for (folder, segments) in folders.iter().zip(replicas) {
        fs::create_dir_all(folder.join("t-0")).expect("a folder");
        for (at, segment) in segments.iter().enumerate() {
            fs::write(folder.join(format!("t-0/{at:020}.log")), segment).expect("a file");
        }
    }
    let mut findings = Findings::default();
    let compared = judge(&folders, "t-", replicas.len(), &mut findings).expect("readable files");
    fs::remove_dir_all(home).expect("it can be removed");
    (compared, findings)
}

#[test]
fn segments_may_be_cut_elsewhere_and_have_room_behind() {
    let (one, two) = (batch(0, b"a batch of it"), batch(1, b"another one"));
    let whole = vec![[&one[..], &two[..]].concat()];
    let cut = vec![[&one[..], &[0; 100]].concat(), two.clone()];
    let (compared, findings) = judged("cut", &[&whole, &cut, &whole]);
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(compared, Compared { partitions: 1, bytes: (one.len() + two.len()) as u64, batches: 2 });
}

#[test]
fn another_byte_another_end_and_a_missing_replica_are_found() {
    let (one, two, other) = (batch(0, b"a batch of it"), batch(1, b"another one"), batch(1, b"another two"));
    let (right, wrong, short) = ([[one.clone(), two].concat()], [[one.clone(), other].concat()], [one]);
    assert_eq!(judged("byte", &[&right, &right, &wrong]).1.counts()[&Kind::Diverged], 1);
    assert_eq!(judged("end", &[&short, &right]).1.counts()[&Kind::Diverged], 1);
    let mut findings = Findings::default();
    let home = std::env::temp_dir().join(format!("ottla-jepsen-{}-alone", std::process::id()));
    fs::create_dir_all(home.join("t-0")).expect("a folder");
    judge(std::slice::from_ref(&home), "t-", 3, &mut findings).expect("readable files");
    fs::remove_dir_all(home).expect("it can be removed");
    assert_eq!(findings.counts()[&Kind::Diverged], 1);
}
