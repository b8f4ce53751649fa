use super::Disk;
use bytes::Bytes;
use ottla_core::boundary::{Entry, FileDone, FileFault, FileId, FileOp, OpenMode};
use ottla_core::types::FileOpId;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

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
        std::fs::remove_dir_all(&self.root).expect("it can be removed");
    }
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
