//! The gate's share of the simulator: seeds that once found something, seeds that nobody has seen before, and the proofs
//! that both are awake. The simulator runs as its own program, built at full speed with every assertion on.

#[path = "../../sim/tree.rs"]
mod tree;

use ottla_core::boundary::Digest;
use ottla_core::plant::MARK;
use ottla_tests::harness::tools::{built, finish, ottla, target};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Fresh seeds of whole brokers.
const FRESH: u64 = 150;
/// Fresh seeds of clusters.
const FRESH_CLUSTERS: u64 = 60;
/// Fresh seeds of the store alone.
const FRESH_ALONE: u64 = 1_500;
/// Seeds with which each planted bug must be found here; the campaign of `docs/testing.md` has a thousand.
const PLANTED_MAX: u64 = 500;

#[test]
fn what_was_once_found_is_found_no_more() {
    let mut count = 0;
    for line in include_str!("../seeds.txt").lines() {
        let Some(flags) = line.split('#').next().map(str::trim).filter(|flags| !flags.is_empty()) else { continue };
        assert!(line.contains("  # "), "`{line}` does not say what it once found");
        let flags: Vec<&str> = flags.split_whitespace().collect();
        assert!(flags.contains(&"--seed") || flags.contains(&"--case"), "`{line}` names neither a seed nor a case");
        passes(&flags, "nothing was found");
        count += 1;
    }
    assert!(count > 0, "tests/seeds.txt is empty");
}

#[test]
fn fresh_seeds_of_a_whole_broker_find_nothing_and_reach_their_floors() {
    let seeds = fresh(FRESH);
    passes(&["--seeds", &seeds, "--floors"], &format!("{FRESH} seeds"));
}

#[test]
fn fresh_seeds_of_a_cluster_find_nothing_and_reach_their_floors() {
    let seeds = fresh(FRESH_CLUSTERS);
    passes(&["--cluster", "--seeds", &seeds, "--floors"], &format!("{FRESH_CLUSTERS} seeds"));
}

#[test]
fn fresh_seeds_of_the_store_alone_find_nothing_and_reach_their_floors() {
    let seeds = fresh(FRESH_ALONE);
    passes(&["--store", "--seeds", &seeds, "--floors"], &format!("{FRESH_ALONE} seeds"));
}

/// The canary: if nobody complains of this disk, nobody is awake.
#[test]
fn a_disk_that_lies_about_its_flushes_is_found_out() {
    let seeds = fresh(20);
    let output = simulator(&["--seeds", &seeds, "--liar", "--findings", "20", "--tries", "0"]);
    let text = said(&output);
    let found = text.lines().filter(|line| line.contains(": FOUND ") && !line.contains("asserted inside")).count();
    assert!(!output.status.success() && found >= 5, "only {found} of 20 seeds saw a disk that lies:\n{text}");
}

#[test]
fn the_same_seed_is_the_same_run_in_two_processes() {
    let seed = sources(&tree::top()).to_string();
    for world in [&[][..], &["--cluster"], &["--store"]] {
        let world: Vec<&str> = ["--seed", &seed, "--trace"].iter().chain(world).copied().collect();
        let (once, again) = (simulator(&world), simulator(&world));
        assert!(said(&once).contains("\ndigest "), "a run ends with its digest:\n{}", said(&once));
        assert!(once.stdout == again.stdout, "{world:?} ran differently the second time");
    }
}

#[test]
fn the_same_seed_is_the_same_run_twice_in_one_process() {
    passes(&["--seeds", &fresh(8), "--meta"], "8 seeds");
    passes(&["--cluster", "--seeds", &fresh(4), "--meta"], "4 seeds");
    passes(&["--store", "--seeds", &fresh(50), "--meta"], "50 seeds");
}

#[test]
fn every_planted_bug_is_found_by_an_oracle_outside_the_core() {
    let seeds = format!("0..{PLANTED_MAX}");
    let output = Command::new(planted()).args(["--plants", "--quick", "--seeds", &seeds]).output().expect("it runs");
    let text = said(&output);
    println!("{text}");
    assert!(output.status.success(), "a planted bug survives {PLANTED_MAX} seeds:\n{text}");
}

/// What a finding leaves behind brings it back; and without the bug there is nothing to be found in it.
#[test]
fn a_finding_in_a_cluster_is_shortened_and_found_again_from_its_file() {
    let out = target().join("sim-shortened");
    let bug = ["--plant", "TruncationToHighWatermark"];
    let hunt = ["--cluster", "--seeds", "0..20", "--tries", "60"];
    let found = Command::new(planted()).args(bug).args(hunt).arg("--out").arg(&out).output().expect("it runs");
    let text = said(&found);
    let line =
        |what: &str| text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what}:\n{text}"));
    for what in ["clients", "machines", "partitions"] {
        let (left, all) = counted(line("shortest:"), what);
        assert!(left <= all, "{left} of {all} {what} are left:\n{text}");
    }
    let (left, all) = counted(line("shortest:"), "strikes");
    assert!(left <= all / 2, "{left} of {all} strikes are left:\n{text}");
    let case = line("case:").split_whitespace().last().expect("a path").to_owned();
    let oracle = line(": FOUND ").split(": ").nth(1).expect("an oracle").to_owned();
    let again = said(&Command::new(planted()).args(bug).args(["--case", &case]).output().expect("it runs"));
    assert!(again.contains(&oracle), "{oracle} is not found again:\n{again}");
    let page = fs::read_to_string(case.replace(".json", ".html")).expect("there is a page of it");
    assert!(page.contains(&oracle.to_lowercase()), "the page says nothing of {oracle}");
    passes(&["--case", &case], "nothing was found");
}

/// How many are left of how many, as in `3 of 87 strikes`.
fn counted(line: &str, what: &str) -> (u64, u64) {
    let words: Vec<&str> = line.split([' ', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|word| *word == what).unwrap_or_else(|| panic!("no {what} in {line}"));
    let number = |back: usize| words[at - back].parse().expect("a number");
    (number(3), number(1))
}

/// Features of a workspace are united in a build of several packages, so a bug could be planted where nobody meant it.
#[test]
fn the_broker_under_test_has_no_bugs_planted_in_it() {
    assert!(holds(&planted(), MARK), "whoever looks for the mark must be able to find it");
    for program in [ottla("sim"), built("sim", "ottla-sim", "ottla-sim")] {
        assert!(!holds(&program, MARK), "{} has bugs planted in it", program.display());
    }
}

/// Seeds drawn from the sources under test: new with each change to them, the same wherever they are tested.
fn fresh(count: u64) -> String {
    let first = sources(&tree::top());
    println!("the sources under test are {first}");
    format!("{first}..{}", first + count)
}

/// The fingerprint of all that is under test: what the simulator is made of, and the broker.
fn sources(top: &Path) -> u64 {
    tree::digest(top, &[&tree::SOURCES[..], &["broker"]].concat(), Digest::default())
}

/// Runs the simulator; it must succeed and say this, so that a run of nothing does not pass for a good one.
fn passes(flags: &[&str], wanted: &str) {
    let output = simulator(flags);
    let text = said(&output);
    println!("{}\n{text}", flags.join(" "));
    assert!(output.status.success() && text.contains(wanted), "cargo sim {} fails:\n{text}", flags.join(" "));
}

fn simulator(flags: &[&str]) -> Output {
    let program = built("sim", "ottla-sim", "ottla-sim");
    let out = target().join(if flags.contains(&"--liar") { "sim-canary" } else { "sim-findings" });
    Command::new(program).current_dir(tree::top()).args(flags).arg("--out").arg(out).output().expect("it runs")
}

/// The simulator with the bugs, in a folder of its own as `cargo plant` has it.
fn planted() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let folder = target().join("plant");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "--profile", "sim", "--target-dir"]);
        cargo.arg(&folder).args(["--features", "plant", "--package", "ottla-sim"]);
        finish(&mut cargo, "cargo build with planted bugs");
        folder.join("sim").join("ottla-sim")
    };
    BUILT.get_or_init(build).clone()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn holds(program: &Path, mark: &str) -> bool {
    let bytes = fs::read(program).unwrap_or_else(|fault| panic!("{}: {fault}", program.display()));
    let (first, rest) = mark.as_bytes().split_first().expect("a mark is not empty");
    let mut left = &bytes[..];
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = &left[at + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}

#[test]
fn equal_sources_have_equal_seeds_and_any_change_to_them_shows() {
    let top = std::env::temp_dir().join(format!("ottla-tree-{}", std::process::id()));
    let put = |path: &str, text: &str| {
        let path = top.join(path);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    put("core/src/lib.rs", "one");
    put("sim/src/lib.rs", "two");
    let first = sources(&top);
    put("docs/testing.md", "words");
    put("target/junk", "built");
    assert_eq!(sources(&top), first, "only sources count");
    put("core/src/lib.rs", "One");
    let second = sources(&top);
    put("core/src/lib.rs", "one");
    put("core/src/more.rs", "");
    assert!(sources(&top) != first && second != first, "contents and names count");
    fs::remove_dir_all(&top).expect("the folder can go");
}
