//! The text files of the repository, as git lists them: committed ones and new ones that are not ignored.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One text file.
pub struct File {
    /// Path from the top of the repository, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl File {
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it holds tests only: a `*_test.rs` child, or anything of the package `tests`.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("_test.rs") || self.path.starts_with("tests/")
    }

    /// Whether a program wrote it; such a file says so in one of its first lines.
    pub fn is_generated(&self) -> bool {
        self.text.lines().take(5).any(|line| line.contains("@generated"))
    }

    /// Its lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Every text file of the repository.
pub struct Tree {
    /// In the order of their paths.
    pub files: Vec<File>,
}

impl Tree {
    /// Reads them all; what is not UTF-8 is not text.
    pub fn read() -> Tree {
        let listed = run("git", &["ls-files", "--cached", "--others", "--exclude-standard"]);
        let mut files: Vec<File> = listed
            .lines()
            .filter_map(|path| {
                let text = std::fs::read_to_string(root().join(path)).ok()?;
                Some(File { path: path.to_owned(), text })
            })
            .collect();
        files.sort_by(|left, right| left.path.cmp(&right.path));
        assert!(files.len() > 10, "git listed {} files only", files.len());
        Tree { files }
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// Whether the repository has this file, or a folder of this name.
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder)) || root().join(path).exists()
    }
}

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The standard output of a command run at the top of the repository.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(root()).output().expect("the command runs");
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the command prints UTF-8")
}
