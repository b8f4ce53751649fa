use super::{Armed, Disk, Traits};
use bytes::Bytes;
use ottla_core::boundary::{FileDone, FileFault, FileId, FileOp, OpenMode};
use ottla_core::types::Rng;
use std::collections::{BTreeMap, BTreeSet};

const FILE: FileId = FileId(1);

fn disk(seed: u64) -> Disk {
    Disk::new(Traits { whole_pages: seed.is_multiple_of(2), ..Traits::default() }, Rng::new(seed))
}

fn ok(disk: &mut Disk, op: FileOp) {
    disk.run(op).expect("no fault is armed");
}

fn open(disk: &mut Disk, file: FileId, path: &str) -> u64 {
    match disk.run(FileOp::Open { file, path: path.into(), mode: OpenMode::Write }) {
        Ok(FileDone::Opened { len }) => len,
        other => panic!("{other:?}"),
    }
}

fn write(at: u64, bytes: &[u8]) -> FileOp {
    FileOp::WriteAt { file: FILE, at, parts: vec![Bytes::copy_from_slice(bytes)], durable: false }
}

fn read(disk: &mut Disk, at: u64, len: usize) -> Bytes {
    match disk.run(FileOp::ReadAt { file: FILE, at, len }) {
        Ok(FileDone::Read(bytes)) => bytes,
        other => panic!("{other:?}"),
    }
}

fn sync_dir(path: &str) -> FileOp {
    FileOp::SyncDir { path: path.into() }
}

/// A file whose name and content (`len` zeros) are durable.
fn settled(seed: u64, len: usize) -> Disk {
    let mut disk = disk(seed);
    open(&mut disk, FILE, "file");
    ok(&mut disk, write(0, &vec![0; len]));
    ok(&mut disk, FileOp::Sync { file: FILE });
    ok(&mut disk, sync_dir(""));
    disk
}

/// The bytes that each position may hold after a loss of power: the synced one and all written since.
struct Model {
    synced: Vec<u8>,
    cached: Vec<u8>,
    since: BTreeMap<usize, BTreeSet<u8>>,
}

impl Model {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        for (index, byte) in bytes.iter().enumerate() {
            self.cached[at + index] = *byte;
            self.since.entry(at + index).or_default().insert(*byte);
        }
    }

    fn sync(&mut self) {
        self.synced.clone_from(&self.cached);
        self.since.clear();
    }

    fn settle(&mut self, found: &[u8]) {
        for (at, byte) in found.iter().enumerate() {
            let allowed = *byte == self.synced[at] || self.since.get(&at).is_some_and(|set| set.contains(byte));
            assert!(
                allowed,
                "byte {at} is {byte}, synced {}, written since {:?}",
                self.synced[at],
                self.since.get(&at)
            );
        }
        self.synced = found.to_vec();
        self.cached = found.to_vec();
        self.since.clear();
    }
}

#[test]
fn a_synced_byte_survives_every_loss_of_power_and_an_unsynced_one_is_old_or_new() {
    const LEN: usize = 2 * 4096 + 700;
    for seed in 0..100 {
        let mut rng = Rng::new(seed);
        let mut disk = settled(seed, LEN);
        let mut model = Model { synced: vec![0; LEN], cached: vec![0; LEN], since: BTreeMap::new() };
        for _ in 0..40 {
            match rng.below(8) {
                0 => {
                    ok(&mut disk, FileOp::Sync { file: FILE });
                    model.sync();
                }
                1 => {
                    disk.lose_power();
                    assert_eq!(open(&mut disk, FILE, "file"), LEN as u64);
                    model.settle(&read(&mut disk, 0, LEN));
                }
                2 => {
                    disk.kill();
                    assert_eq!(open(&mut disk, FILE, "file"), LEN as u64);
                    assert_eq!(read(&mut disk, 0, LEN), model.cached, "a kill loses and saves nothing");
                }
                _ => {
                    let at = rng.below(LEN as u64) as usize;
                    let len = rng.between(1, 9000).min((LEN - at) as u64) as usize;
                    let bytes = vec![rng.below(256) as u8; len];
                    ok(&mut disk, write(at as u64, &bytes));
                    model.write(at, &bytes);
                    assert_eq!(read(&mut disk, 0, LEN), model.cached, "reads see the page cache");
                }
            }
        }
    }
}

#[test]
fn a_killed_process_leaves_all_that_it_wrote() {
    let mut disk = settled(1, 10_000);
    ok(&mut disk, write(100, &[7; 6000]));
    disk.kill();
    open(&mut disk, FILE, "file");
    assert_eq!(read(&mut disk, 100, 6000), vec![7; 6000]);
}

#[test]
fn a_write_is_lost_torn_or_kept_each_in_some_run() {
    let mut seen = BTreeSet::new();
    for seed in 0..100 {
        let mut disk = settled(seed, 8 * 4096);
        ok(&mut disk, write(0, &[9; 8 * 4096]));
        disk.lose_power();
        open(&mut disk, FILE, "file");
        let kept = read(&mut disk, 0, 8 * 4096).iter().filter(|byte| **byte == 9).count();
        seen.insert(match kept {
            0 => "lost",
            32768 => "kept",
            _ => "torn",
        });
        assert_eq!(disk.tally().torn_writes > 0, kept % 32768 != 0);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn a_sync_covers_what_had_ended_when_it_began_and_no_more() {
    let mut late_lost = false;
    for seed in 0..50 {
        let mut disk = settled(seed, 4096 * 2);
        ok(&mut disk, write(0, &[1; 100]));
        let (sync, _) = disk.begin(FileOp::Sync { file: FILE });
        ok(&mut disk, write(4096, &[2; 100]));
        disk.finish(sync).expect("no fault is armed");
        disk.lose_power();
        open(&mut disk, FILE, "file");
        assert_eq!(read(&mut disk, 0, 100), vec![1; 100]);
        late_lost |= read(&mut disk, 4096, 100) != vec![2; 100];
    }
    assert!(late_lost);
}

#[test]
fn a_durable_write_needs_no_sync() {
    for seed in 0..50 {
        let mut disk = settled(seed, 4096);
        let parts = vec![Bytes::from(vec![3; 4096]), Bytes::from(vec![4; 4096])];
        ok(&mut disk, FileOp::WriteAt { file: FILE, at: 4096, parts, durable: true });
        disk.lose_power();
        assert_eq!(open(&mut disk, FILE, "file"), 4096 * 3);
        assert_eq!(read(&mut disk, 4096 * 2, 4096), vec![4; 4096]);
    }
}

#[test]
fn a_name_survives_only_with_its_directory_synced() {
    let mut lost = 0;
    for seed in 0..50 {
        let mut disk = disk(seed);
        ok(&mut disk, FileOp::MakeDir { path: "a/b".into() });
        open(&mut disk, FILE, "a/b/file");
        ok(&mut disk, write(0, &[5; 10]));
        ok(&mut disk, FileOp::Sync { file: FILE });
        ok(&mut disk, sync_dir("a/b"));
        let unsafe_copy = { disk.clone() };
        ok(&mut disk, sync_dir("a"));
        ok(&mut disk, sync_dir(""));
        disk.lose_power();
        assert_eq!(disk.files(), [("a/b/file".to_owned(), 10)]);
        let mut risked = unsafe_copy;
        risked.lose_power();
        lost += usize::from(risked.files().is_empty());
    }
    assert!((5..50).contains(&lost), "{lost} of 50 names were lost");
}

#[test]
fn a_rename_happens_wholly_or_not_at_all() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..60 {
        let mut disk = settled(seed, 10);
        open(&mut disk, FileId(2), "new");
        ok(
            &mut disk,
            FileOp::WriteAt { file: FileId(2), at: 0, parts: vec![Bytes::from_static(b"12345")], durable: true },
        );
        ok(&mut disk, sync_dir(""));
        ok(&mut disk, FileOp::Rename { from: "new".into(), to: "file".into() });
        disk.lose_power();
        outcomes.insert(disk.files());
    }
    let before = vec![("file".to_owned(), 10), ("new".to_owned(), 5)];
    let after = vec![("file".to_owned(), 5)];
    assert_eq!(outcomes, BTreeSet::from([before, after]));
}

#[test]
fn a_removed_file_may_come_back_until_its_directory_is_synced() {
    let mut back = 0;
    for seed in 0..40 {
        let mut disk = settled(seed, 10);
        ok(&mut disk, FileOp::Remove { path: "file".into() });
        let mut synced = disk.clone();
        ok(&mut synced, sync_dir(""));
        synced.lose_power();
        assert!(synced.files().is_empty());
        disk.lose_power();
        back += disk.files().len();
    }
    assert!((1..40).contains(&back));
}

#[test]
fn after_a_failed_sync_the_next_one_succeeds_and_the_bytes_are_gone() {
    let mut lost = 0;
    for seed in 0..40 {
        let mut disk = settled(seed, 4096);
        ok(&mut disk, write(0, &[8; 4096]));
        disk.arm(Armed::SyncFails);
        assert_eq!(disk.run(FileOp::Sync { file: FILE }), Err(FileFault::Io));
        ok(&mut disk, FileOp::Sync { file: FILE });
        disk.lose_power();
        open(&mut disk, FILE, "file");
        lost += usize::from(read(&mut disk, 0, 4096) != vec![8; 4096]);
    }
    assert!((10..40).contains(&lost), "{lost}");
}

#[test]
fn a_full_disk_takes_what_has_room_and_refuses_the_rest() {
    let mut disk = settled(3, 4096);
    ok(&mut disk, FileOp::SetLen { file: FILE, len: 4096 * 4 });
    disk.fill_up_to(4096);
    ok(&mut disk, write(4096, &[1; 4096 * 3]));
    assert_eq!(disk.run(write(4096 * 4, &[2; 4096 * 2])), Err(FileFault::Full));
    assert_eq!(read(&mut disk, 4096 * 4, 4096 * 2), vec![2; 4096], "a part was written");
    assert_eq!(disk.run(FileOp::SetLen { file: FILE, len: 4096 * 9 }), Err(FileFault::Full));
    disk.relieve();
    ok(&mut disk, write(4096 * 4, &[2; 4096 * 2]));
}

#[test]
fn rot_stays_until_it_is_overwritten() {
    let mut disk = settled(5, 4096);
    assert!(!disk.rot(|_| true), "nothing followed its only page");
    assert!(disk.rot(|_| false));
    assert_ne!(read(&mut disk, 0, 4096), vec![0; 4096]);
    disk.lose_power();
    open(&mut disk, FILE, "file");
    assert_ne!(read(&mut disk, 0, 4096), vec![0; 4096]);
    assert_eq!(disk.tally().rot_met, 2);
    ok(&mut disk, write(0, &[0; 4096]));
    assert_eq!(read(&mut disk, 0, 4096), vec![0; 4096]);
    assert_eq!(disk.tally().rot_met, 2);
}

#[test]
fn bytes_behind_a_cut_never_come_back() {
    for seed in 0..40 {
        let mut disk = settled(seed, 4096);
        ok(&mut disk, write(0, &[6; 3000]));
        ok(&mut disk, FileOp::Sync { file: FILE });
        ok(&mut disk, FileOp::SetLen { file: FILE, len: 1000 });
        ok(&mut disk, FileOp::Sync { file: FILE });
        ok(&mut disk, FileOp::SetLen { file: FILE, len: 5000 });
        disk.lose_power();
        let len = open(&mut disk, FILE, "file");
        assert!(len == 1000 || len == 5000, "{len}");
        assert_eq!(read(&mut disk, 1000, 4000), vec![0; len as usize - 1000]);
    }
}

#[test]
fn a_copy_taken_for_a_look_leaves_the_disk_as_it_was() {
    let mut disk = settled(9, 4096);
    ok(&mut disk, write(0, &[1; 4096]));
    let mut copy = disk.durable_copy();
    open(&mut copy, FILE, "file");
    assert_eq!(read(&mut copy, 0, 4096), vec![0; 4096]);
    assert_eq!(read(&mut disk, 0, 4096), vec![1; 4096]);
}

#[test]
fn what_is_written_again_after_a_failed_sync_is_as_durable_as_ever() {
    for seed in 0..20 {
        let mut disk = settled(seed, 4096);
        ok(&mut disk, write(4096, &[1; 4096]));
        disk.arm(Armed::SyncFails);
        assert!(disk.run(FileOp::Sync { file: FILE }).is_err());
        ok(&mut disk, write(4096, &[2; 4096]));
        ok(&mut disk, FileOp::Sync { file: FILE });
        disk.lose_power();
        open(&mut disk, FILE, "file");
        assert_eq!(read(&mut disk, 4096, 4096), vec![2; 4096]);
    }
}

#[test]
fn what_a_failed_sync_left_in_memory_is_not_read_after_a_settle() {
    for seed in 0..40 {
        let mut disk = settled(seed, 8192);
        ok(&mut disk, write(0, &[8; 4096]));
        disk.arm(Armed::SyncFails);
        assert_eq!(disk.run(FileOp::Settle { file: FILE }), Err(FileFault::Io));
        ok(&mut disk, write(4096, &[9; 4096]));
        ok(&mut disk, FileOp::Settle { file: FILE });
        let before = read(&mut disk, 0, 8192);
        assert_eq!(before[4096..], [9; 4096]);
        disk.lose_power();
        open(&mut disk, FILE, "file");
        assert_eq!(read(&mut disk, 0, 8192), before);
    }
}
