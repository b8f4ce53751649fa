use super::Disk;
use super::file::Files;
use bytes::Bytes;
use ottla_core::boundary::{Entry, FileDone, FileFault, FileId, FileOp, OpenMode};
use ottla_core::types::FileOpId;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use tokio::task::{LocalSet, spawn_local};

struct Scene {
    root: PathBuf,
    disk: Disk,
    ends: Receiver<(FileOpId, Result<FileDone, FileFault>)>,
}

impl Scene {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("ottla-disk-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&root).expect("a directory");
        let (end, ends) = channel();
        let disk = Disk::start(&root, move |id, outcome| end.send((id, outcome)).expect("the test waits"));
        Self { root, disk: disk.expect("threads"), ends }
    }

    fn run(&self, op: FileOp) -> Result<FileDone, FileFault> {
        self.disk.submit(FileOpId(1), op);
        self.ends.recv().expect("each operation ends").1
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if self.root.exists() {
            std::fs::remove_dir_all(&self.root).expect("it can be removed");
        }
    }
}

#[test]
fn a_file_that_cannot_be_opened_for_want_of_descriptors_is_opened_later() {
    let files = Files::new(&std::env::temp_dir());
    let tries = Cell::new(0);
    let opened = files.patiently(|| {
        tries.set(tries.get() + 1);
        match tries.get() {
            1 => Err(std::io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error())),
            2 => Err(std::io::Error::from_raw_os_error(rustix::io::Errno::NFILE.raw_os_error())),
            _ => Ok(()),
        }
    });
    assert!(opened.is_ok() && tries.get() == 3, "{opened:?} after {} tries", tries.get());
    let gone = files.patiently(|| std::fs::File::open("/nowhere"));
    assert_eq!(gone.expect_err("there is none").kind(), std::io::ErrorKind::NotFound);
}

/// Whole blocks in memory that begins on a block.
fn blocks(fill: u8, count: usize) -> Bytes {
    let bytes = Bytes::from(vec![fill; (count + 1) * 4096]);
    let from = bytes.as_ptr().align_offset(4096);
    bytes.slice(from..from + count * 4096)
}

#[test]
fn what_is_written_is_read_in_every_mode() {
    for (number, mode) in [OpenMode::Write, OpenMode::Direct].into_iter().enumerate() {
        let (scene, file) = (Scene::new(&format!("mode{number}")), FileId(7));
        assert_eq!(scene.run(FileOp::Open { file, path: "a".into(), mode }), Ok(FileDone::Opened { len: 0 }));
        assert_eq!(scene.run(FileOp::SetLen { file, len: 5 * 4096 }), Ok(FileDone::Ok));
        let parts = vec![blocks(1, 1), Bytes::new(), blocks(2, 2)];
        assert_eq!(scene.run(FileOp::WriteAt { file, at: 4096, parts, durable: true }), Ok(FileDone::Ok));
        assert_eq!(scene.run(FileOp::Sync { file }), Ok(FileDone::Ok));
        let Ok(FileDone::Read(read)) = scene.run(FileOp::ReadAt { file, at: 0, len: 8 * 4096 }) else { panic!("read") };
        let fills: Vec<u8> = read.chunks(4096).map(|block| block[0]).collect();
        assert_eq!((read.len(), fills), (5 * 4096, vec![0, 1, 2, 2, 0]));
        assert_eq!(scene.run(FileOp::SetLen { file, len: 4096 }), Ok(FileDone::Ok));
        assert_eq!(scene.run(FileOp::Close { file }), Ok(FileDone::Ok));
        let again = FileOp::Open { file: FileId(8), path: "a".into(), mode: OpenMode::Read };
        assert_eq!(scene.run(again), Ok(FileDone::Opened { len: 4096 }));
    }
}

#[test]
fn what_goes_through_the_ring_is_on_disk_when_it_ends() {
    let (scene, file) = (Scene::new("ring"), FileId(7));
    let open = FileOp::Open { file, path: "a".into(), mode: OpenMode::Direct };
    assert_eq!(scene.run(open), Ok(FileDone::Opened { len: 0 }));
    let ended = Rc::new(RefCell::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ends = Rc::clone(&ended);
    let ring =
        scene.disk.ring(move |id, outcome| ends.borrow_mut().push((id, outcome))).expect("io_uring is allowed here");
    LocalSet::new().block_on(&runtime, async {
        spawn_local(Rc::clone(&ring).run());
        for (number, is_durable) in (0..300).zip([true, false].into_iter().cycle()) {
            let parts = vec![blocks(number as u8, 1)];
            let op = FileOp::WriteAt { file, at: 4096 * number, parts, durable: is_durable };
            scene.disk.submit_through(&ring, FileOpId(number), op);
        }
        // Beyond what the ring takes at once, the threads write.
        let mut by_threads = 0;
        while ended.borrow().len() + by_threads < 300 {
            by_threads += scene.ends.try_iter().count();
            tokio::task::yield_now().await;
        }
    });
    assert!(ended.borrow().iter().all(|(_, outcome)| *outcome == Ok(FileDone::Ok)));
    let Ok(FileDone::Read(read)) = scene.run(FileOp::ReadAt { file, at: 0, len: 300 * 4096 }) else { panic!("read") };
    assert!(read.chunks(4096).enumerate().all(|(number, block)| block.iter().all(|byte| *byte == number as u8)));
}

#[test]
fn what_ended_before_somebody_listened_to_the_ring_is_heard_of() {
    let (scene, file) = (Scene::new("ring-early"), FileId(7));
    let open = FileOp::Open { file, path: "a".into(), mode: OpenMode::Direct };
    assert_eq!(scene.run(open), Ok(FileDone::Opened { len: 0 }));
    let ended = Rc::new(RefCell::new(None));
    let end = Rc::clone(&ended);
    let ring = scene.disk.ring(move |_, outcome| *end.borrow_mut() = Some(outcome)).expect("io_uring is allowed here");
    let op = FileOp::WriteAt { file, at: 0, parts: vec![blocks(1, 1)], durable: false };
    scene.disk.submit_through(&ring, FileOpId(1), op);
    // The kernel is done with it when somebody else can read it.
    while std::fs::read(scene.root.join("a")).expect("a file").first() != Some(&1) {
        std::thread::yield_now();
    }
    assert_eq!(scene.run(FileOp::Sync { file }), Ok(FileDone::Ok));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        spawn_local(Rc::clone(&ring).run());
        while ended.borrow().is_none() {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(ended.take(), Some(Ok(FileDone::Ok)));
}

#[test]
fn the_ring_tells_what_went_wrong() {
    let (scene, file) = (Scene::new("ring-fault"), FileId(7));
    std::fs::write(scene.root.join("a"), [1; 4096]).expect("a file");
    let open = FileOp::Open { file, path: "a".into(), mode: OpenMode::Read };
    assert_eq!(scene.run(open), Ok(FileDone::Opened { len: 4096 }));
    let ended = Rc::new(Cell::new(None));
    let end = Rc::clone(&ended);
    let ring = scene.disk.ring(move |_, outcome| end.set(Some(outcome))).expect("io_uring is allowed here");
    let op = FileOp::WriteAt { file, at: 0, parts: vec![blocks(1, 1)], durable: false };
    scene.disk.submit_through(&ring, FileOpId(1), op);
    drop(ring);
    assert_eq!(ended.take(), Some(Err(FileFault::Io)), "the file is open for reading");
}

#[test]
fn names_appear_move_and_vanish() {
    let scene = Scene::new("names");
    assert_eq!(scene.run(FileOp::MakeDir { path: "b/c".into() }), Ok(FileDone::Ok));
    let open = FileOp::Open { file: FileId(1), path: "b/one".into(), mode: OpenMode::Write };
    assert_eq!(scene.run(open), Ok(FileDone::Opened { len: 0 }));
    assert_eq!(scene.run(FileOp::Rename { from: "b/one".into(), to: "b/two".into() }), Ok(FileDone::Ok));
    assert_eq!(scene.run(FileOp::SyncDir { path: "b".into() }), Ok(FileDone::Ok));
    let entry = |name: &str, is_dir| Entry { name: name.into(), len: 0, is_dir };
    let listed = scene.run(FileOp::List { path: "b".into() });
    assert_eq!(listed, Ok(FileDone::Listed(vec![entry("c", true), entry("two", false)])));
    for path in ["b", "b", "never/there"] {
        assert_eq!(scene.run(FileOp::Remove { path: path.into() }), Ok(FileDone::Ok));
    }
    assert_eq!(scene.run(FileOp::List { path: "b".into() }), Ok(FileDone::Listed(vec![])));
}

#[test]
fn what_is_missing_is_not_found() {
    let scene = Scene::new("missing");
    let open = FileOp::Open { file: FileId(1), path: "a".into(), mode: OpenMode::Read };
    assert_eq!(scene.run(open), Err(FileFault::NotFound));
    assert_eq!(scene.run(FileOp::Sync { file: FileId(1) }), Err(FileFault::NotFound));
}

#[test]
fn large_reads_use_the_same_memory_again() {
    let (scene, file) = (Scene::new("large"), FileId(7));
    let content: Vec<u8> = (0..3 << 20).map(|at: u32| (at >> 9) as u8).collect();
    std::fs::write(scene.root.join("a"), &content).expect("a file");
    let len = content.len() as u64;
    assert_eq!(scene.run(FileOp::Open { file, path: "a".into(), mode: OpenMode::Read }), Ok(FileDone::Opened { len }));
    let read = |at: usize, len| match scene.run(FileOp::ReadAt { file, at: at as u64, len }) {
        Ok(FileDone::Read(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    assert!(read(777, 1 << 20) == content[777..777 + (1 << 20)]);
    let first = read(0, 1 << 20);
    let (place, second) = (first.as_ptr(), read(1 << 20, 1 << 20));
    assert!(first == content[..1 << 20] && second == content[1 << 20..2 << 20], "each has its own");
    drop(first);
    let third = read((2 << 20) + 9, 1 << 20);
    assert!(third == content[(2 << 20) + 9..], "what was there before is not seen");
    assert_eq!(third.as_ptr(), place);
}

#[test]
fn large_reads_beside_writes_go_past_the_page_cache_and_read_the_same() {
    let (scene, file, log) = (Scene::new("beside"), FileId(7), FileId(8));
    let content: Vec<u8> = (0..(2 << 20) + 777).map(|at: u32| (at >> 9) as u8 ^ at as u8).collect();
    std::fs::write(scene.root.join("a"), &content).expect("a file");
    let len = content.len() as u64;
    assert_eq!(scene.run(FileOp::Open { file, path: "a".into(), mode: OpenMode::Read }), Ok(FileDone::Opened { len }));
    let open = FileOp::Open { file: log, path: "b".into(), mode: OpenMode::Direct };
    assert_eq!(scene.run(open), Ok(FileDone::Opened { len: 0 }));
    for is_cold in [false, true] {
        for (at, len) in
            [(0, 1 << 20), (12_345, 1 << 20), (1 << 20, 600_000), ((1 << 20) + 777, 1 << 20), (1 << 21, 1 << 20)]
        {
            if is_cold {
                let file = std::fs::File::open(scene.root.join("a")).expect("it is there");
                file.sync_all().expect("it can be flushed");
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("it can be dropped");
            }
            let op = FileOp::WriteAt { file: log, at: 0, parts: vec![blocks(1, 1)], durable: true };
            assert_eq!(scene.run(op), Ok(FileDone::Ok));
            let Ok(FileDone::Read(read)) = scene.run(FileOp::ReadAt { file, at: at as u64, len }) else {
                panic!("read")
            };
            assert!(read == content[at..(at + len).min(content.len())], "{at}");
        }
    }
    assert_eq!(scene.run(FileOp::Close { file }), Ok(FileDone::Ok));
    assert_eq!(scene.run(FileOp::ReadAt { file, at: 0, len: 1 << 20 }), Err(FileFault::NotFound));
}

#[test]
fn nothing_is_written_into_a_directory_that_was_removed_or_replaced() {
    for is_replaced in [false, true] {
        let (scene, file) = (Scene::new(&format!("lost{is_replaced}")), FileId(7));
        let open = |file| FileOp::Open { file, path: "a".into(), mode: OpenMode::Direct };
        let write = || FileOp::WriteAt { file, at: 0, parts: vec![blocks(1, 1)], durable: true };
        assert_eq!(scene.run(open(file)), Ok(FileDone::Opened { len: 0 }));
        assert_eq!(scene.run(write()), Ok(FileDone::Ok));
        let elsewhere = scene.root.with_extension("moved");
        std::fs::rename(&scene.root, &elsewhere).expect("it can be moved");
        if is_replaced {
            std::fs::create_dir(&scene.root).expect("it can be made");
            // A name is looked for at once; whoever only writes hears of it soon.
            assert_eq!(scene.run(FileOp::SyncDir { path: String::new() }), Err(FileFault::Io));
        }
        let refused = (0..10_000_000).map(|_| scene.run(write())).find(|outcome| *outcome != Ok(FileDone::Ok));
        assert_eq!(refused, Some(Err(FileFault::Io)));
        assert!(!scene.root.join("a").exists());
        std::fs::remove_dir_all(elsewhere).expect("it can be removed");
    }
}
