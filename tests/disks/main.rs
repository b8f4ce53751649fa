//! One list of file operations, twice: by system calls in a folder, and on the simulator's image. Whoever trusts what the
//! simulator finds must know that the two answer alike, byte for byte.

use bytes::Bytes;
use ottla::disk::Disk;
use ottla_core::boundary::{FileDone, FileFault, FileId, FileOp, OpenMode};
use ottla_core::types::limit::BLOCK_BYTES;
use ottla_core::types::{FileOpId, Rng};
use ottla_sim::disk::{Disk as Image, Traits};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

type Outcome = Result<FileDone, FileFault>;

/// Both disks, and what a store would know of them.
struct Pair {
    root: PathBuf,
    disk: Disk,
    ends: Receiver<(FileOpId, Outcome)>,
    image: Image,
    rng: Rng,
    open: Vec<(FileId, OpenMode)>,
    opened: u64,
    met: [u32; 3],
}

impl Pair {
    fn new(seed: u64) -> Self {
        let root = std::env::temp_dir().join(format!("ottla-disks-{}-{seed}", std::process::id()));
        std::fs::create_dir_all(&root).expect("a folder");
        let (end, ends) = channel();
        let disk = Disk::start(&root, move |id, outcome| end.send((id, outcome)).expect("the test waits"));
        let mut rng = Rng::new(seed);
        let image = Image::new(Traits::default(), rng.fork("image"));
        let disk = disk.expect("threads");
        Self { root, disk, ends, image, rng, open: Vec::new(), opened: 0, met: [0; 3] }
    }

    /// Does it on both.
    fn run(&mut self, op: FileOp) -> Outcome {
        self.disk.submit(FileOpId(1), op.clone());
        let real = self.ends.recv().expect("each operation ends").1;
        let image = self.image.run(op.clone());
        assert_eq!(real, image, "after {op:?}");
        match &real {
            Ok(FileDone::Read(bytes)) => self.met[0] += u32::from(!bytes.is_empty()),
            Ok(FileDone::Listed(entries)) => self.met[1] += u32::from(!entries.is_empty()),
            Err(_) => self.met[2] += 1,
            Ok(_) => {}
        }
        real
    }

    fn name(&mut self) -> String {
        let folders = ["", "a/", "b/", "b/c/"];
        let folder = folders[self.rng.below(4) as usize];
        format!("{folder}{}", ["one", "two", "three"][self.rng.below(3) as usize])
    }

    fn folder(&mut self) -> String {
        ["", "a", "b", "b/c", "b/none"][self.rng.below(5) as usize].into()
    }

    /// Whole blocks, in memory that begins on one.
    fn blocks(&mut self) -> Bytes {
        let (fill, count) = (self.rng.below(256) as u8, self.rng.below(4) as usize);
        let bytes = Bytes::from(vec![fill; (count + 1) * BLOCK_BYTES]);
        let from = bytes.as_ptr().align_offset(BLOCK_BYTES);
        bytes.slice(from..from + count * BLOCK_BYTES)
    }

    fn write(&mut self, file: FileId, mode: OpenMode) -> FileOp {
        let durable = self.rng.chance(1, 3);
        if mode == OpenMode::Direct {
            let at = self.rng.below(8) * BLOCK_BYTES as u64;
            let parts = (0..self.rng.below(3)).map(|_| self.blocks()).collect();
            return FileOp::WriteAt { file, at, parts, durable };
        }
        let part = |rng: &mut Rng| Bytes::from(vec![rng.below(256) as u8; rng.below(9_000) as usize]);
        let parts = (0..self.rng.below(4)).map(|_| part(&mut self.rng)).collect();
        FileOp::WriteAt { file, at: self.rng.below(40_000), parts, durable }
    }

    fn open_one(&mut self) {
        self.opened += 1;
        let file = FileId(self.opened);
        let mode = [OpenMode::Read, OpenMode::Write, OpenMode::Direct][self.rng.below(3) as usize];
        let path = self.name();
        if self.run(FileOp::Open { file, path, mode }).is_ok() {
            self.open.push((file, mode));
        }
    }

    fn touch_one(&mut self) {
        let at = self.rng.below(self.open.len() as u64) as usize;
        let (file, mode) = self.open[at];
        let is_writable = mode != OpenMode::Read;
        let op = match self.rng.below(12) {
            0 => {
                self.open.swap_remove(at);
                FileOp::Close { file }
            }
            1 if self.rng.chance(1, 4) => FileOp::Settle { file },
            1 => FileOp::Sync { file },
            // What is opened past the page cache is as long as its blocks, so that it can be read to its end.
            2 if mode == OpenMode::Direct => FileOp::SetLen { file, len: self.rng.below(12) * BLOCK_BYTES as u64 },
            2 if is_writable => FileOp::SetLen { file, len: self.rng.below(50_000) },
            3..=7 if is_writable => self.write(file, mode),
            _ if mode == OpenMode::Direct => {
                let (at, len) = (self.rng.below(12), self.rng.below(6));
                FileOp::ReadAt { file, at: at * BLOCK_BYTES as u64, len: len as usize * BLOCK_BYTES }
            }
            _ => FileOp::ReadAt { file, at: self.rng.below(60_000), len: self.rng.below(20_000) as usize },
        };
        let _ = self.run(op);
    }

    fn step(&mut self) {
        match self.rng.below(10) {
            0 | 1 => self.open_one(),
            2 => {
                let op = match self.rng.below(6) {
                    0 => FileOp::MakeDir { path: ["a", "b", "b/c"][self.rng.below(3) as usize].into() },
                    1 => FileOp::Rename { from: self.name(), to: self.name() },
                    2 if self.rng.chance(1, 4) => {
                        FileOp::Remove { path: ["a", "b"][self.rng.below(2) as usize].into() }
                    }
                    2 => FileOp::Remove { path: self.name() },
                    3 => FileOp::SyncDir { path: self.folder() },
                    _ => FileOp::List { path: self.folder() },
                };
                let _ = self.run(op);
            }
            _ if self.open.is_empty() => self.open_one(),
            _ => self.touch_one(),
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

#[test]
fn the_folder_and_the_image_answer_alike() {
    let mut met = [0; 3];
    for seed in 0..40 {
        let mut pair = Pair::new(seed);
        (0..300).for_each(|_| pair.step());
        for (path, len) in pair.image.files() {
            let file = FileId(u64::MAX);
            let mode = OpenMode::Read;
            assert_eq!(pair.run(FileOp::Open { file, path, mode }), Ok(FileDone::Opened { len }));
            let read = pair.run(FileOp::ReadAt { file, at: 0, len: len as usize });
            assert!(matches!(read, Ok(FileDone::Read(bytes)) if bytes.len() as u64 == len), "all of it is compared");
            let _ = pair.run(FileOp::Close { file });
        }
        met.iter_mut().zip(pair.met).for_each(|(sum, met)| *sum += met);
    }
    assert!(met.iter().all(|met| *met > 50), "reads, lists and refusals: {met:?}");
}
