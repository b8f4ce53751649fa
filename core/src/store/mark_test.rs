//! Which directories are taken for what they were, whatever became of them since.

use super::super::disk_test::TestDisk;
use super::super::store_test::{open, tiny};
use super::super::{Claim, RecoveredLog, Store, StoreConfig, StoreOut, Stores, unnamed};
use crate::boundary::{Action, FileOp, LogSettings, LogSpec};
use crate::types::{BrokerId, FileOpId, LogId, Mono, Now, OpId, Rng, Uuid, Wall};
use std::vec;
use std::vec::Vec;

fn id(disk: usize) -> Uuid {
    Uuid([100 + disk as u8; 16])
}

/// A broker's directories, and the life that it is in.
struct Room {
    config: StoreConfig,
    disks: Vec<TestDisk>,
    life: u8,
}

impl Room {
    fn new() -> Self {
        let config = StoreConfig { is_durable: true, ..tiny(&mut Rng::new(1)) };
        Self { config, disks: vec![TestDisk::default(); 3], life: 0 }
    }

    fn start(&mut self, here: &[usize]) -> (Stores, Vec<(RecoveredLog, usize)>) {
        self.life += 1;
        let opened = here.iter().map(|disk| {
            let (node, cluster, new_cluster) = (BrokerId(1), None, Some("cluster".into()));
            let claim = Claim { node, cluster, new_directory: id(*disk), new_cluster, new_salt: *disk as u64 };
            let (store, recovered) = open(&mut self.disks[*disk], &self.config, claim).expect("it opens");
            (*store, recovered.logs)
        });
        Stores::open(opened.collect(), Uuid([self.life; 16])).expect("of two copies one counts")
    }

    /// Does all that there is to do. Of the directories that fail only the first operation does.
    fn settle(&mut self, here: &[usize], stores: &mut Stores) {
        let now = Now { mono: Mono(1), wall: Wall(0) };
        loop {
            let mut said = Vec::new();
            stores.turn(now, &mut said);
            let mut files: Vec<(FileOpId, FileOp)> = files(said);
            if files.is_empty() {
                return;
            }
            while let Some((name, op)) = files.pop() {
                let mut said = Vec::new();
                let outcome = self.disks[here[unnamed(name).0]].run(&op);
                stores.file_done(now, name, outcome, &mut said);
                files.extend(self::files(said));
            }
        }
    }

    /// A life with these directories, at whose beginning everybody is trusted if `trusts`. Gives what was not to be trusted before.
    fn live(&mut self, here: &[usize], trusts: bool) -> Vec<Uuid> {
        let (mut stores, _) = self.start(here);
        let unproved = stores.unproved();
        if trusts {
            stores.trust();
        }
        self.settle(here, &mut stores);
        stores.stores.iter().for_each(Store::check);
        unproved
    }
}

fn files(said: Vec<StoreOut>) -> Vec<(FileOpId, FileOp)> {
    let file = |one| if let StoreOut::File { id, op } = one { Some((id, op)) } else { None };
    said.into_iter().filter_map(file).collect()
}

#[test]
fn directories_that_were_used_together_are_what_they_were() {
    let mut room = Room::new();
    assert_eq!(room.live(&[0, 1, 2], true), [id(1), id(2)], "nothing was in them");
    assert_eq!(room.live(&[0, 1, 2], false), []);
    assert_eq!(room.live(&[0, 1, 2], false), []);
}

#[test]
fn a_directory_that_was_away_is_not_trusted_until_somebody_says_so() {
    let mut room = Room::new();
    room.live(&[0, 1, 2], true);
    assert_eq!(room.live(&[0, 1], false), []);
    assert_eq!(room.live(&[0, 1, 2], false), [id(2)]);
    assert_eq!(
        room.live(&[0, 1, 2], false),
        [id(2)],
        "a process that ended before the controller knew changed nothing"
    );
    assert_eq!(room.live(&[0, 1, 2], true), [id(2)]);
    assert_eq!(room.live(&[0, 1, 2], false), []);
}

#[test]
fn an_older_copy_of_a_directory_is_found_out() {
    let mut room = Room::new();
    room.live(&[0, 1, 2], true);
    let copy = room.disks[1].clone();
    room.live(&[0, 1, 2], false);
    room.live(&[0, 1, 2], false);
    room.disks[1] = copy;
    assert_eq!(room.live(&[0, 1, 2], false), [id(1)]);
}

#[test]
fn a_process_that_ends_over_its_marks_leaves_nobody_behind() {
    let mut room = Room::new();
    room.live(&[0, 1, 2], true);
    for steps in 0..12 {
        let here = [0, 1, 2];
        let (mut stores, _) = room.start(&here);
        assert_eq!(stores.unproved(), [], "{steps}");
        let now = Now { mono: Mono(1), wall: Wall(0) };
        let mut said = Vec::new();
        for _ in 0..steps {
            stores.turn(now, &mut said);
            let Some((name, op)) = files(std::mem::take(&mut said)).into_iter().next() else { break };
            let outcome = room.disks[unnamed(name).0].run(&op);
            stores.file_done(now, name, outcome, &mut said);
        }
        room.disks.iter_mut().for_each(TestDisk::forget_open);
    }
}

#[test]
fn a_directory_that_fails_over_its_mark_speaks_for_itself_only_and_comes_back_as_it_was() {
    let mut room = Room::new();
    room.live(&[0, 1, 2], true);
    for _ in 0..2 {
        let (mut stores, _) = room.start(&[0, 1, 2]);
        assert_eq!(stores.unproved(), []);
        room.disks[2].fails = true;
        room.settle(&[0, 1, 2], &mut stores);
        assert!(stores.is_offline(2) && !stores.is_offline(1));
    }
    assert_eq!(room.live(&[0, 1, 2], false), []);
}

#[test]
fn a_log_that_is_made_anew_counts_over_the_one_in_a_lost_directory() {
    let mut room = Room::new();
    let (here, log) = ([0, 1, 2], LogId { topic: Uuid([7; 16]), partition: 0 });
    let create = || Action::Create(LogSpec { topic: "t".into(), settings: LogSettings::default() });
    let (mut stores, _) = room.start(&here);
    stores.trust();
    stores.place(log, 2);
    stores.submit(OpId(1), log, create());
    room.settle(&here, &mut stores);
    room.disks[2].fails = true;
    stores.submit(OpId(2), log, Action::Delete);
    room.settle(&here, &mut stores);
    stores.place(log, 1);
    stores.submit(OpId(3), log, create());
    room.settle(&here, &mut stores);
    let (mut stores, found) = room.start(&here);
    assert_eq!(found.iter().map(|(log, at)| (log.id, *at)).collect::<Vec<_>>(), [(log, 1)]);
    room.settle(&here, &mut stores);
    assert!(stores.stores[2].log_of(log).is_none(), "the other one goes");
}
