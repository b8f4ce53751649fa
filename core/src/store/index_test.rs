use super::{Index, Place};
use crate::record::Functions;
use crate::types::{Offset, Wall};

fn place(at: i64) -> Place {
    Place { base: Offset(at), position: at as u64 * 100, max_time: Wall(at * 10), max_time_base: Offset(at - 1) }
}

fn index() -> Index {
    let mut index = Index::newborn();
    (1..=50).for_each(|at| index.note(place(at), 100));
    index
}

#[test]
fn entries_closer_than_the_interval_are_left_out() {
    let mut index = Index::newborn();
    (1..=50).for_each(|at| index.note(place(at), 1000));
    assert_eq!(index.places.len(), 5);
}

#[test]
fn the_file_brings_back_what_was_saved_in_two_pieces() {
    let f = Functions::slow();
    let mut index = index();
    let mut file = index.unsaved(Offset(0), 7, &f).unwrap().1;
    index.mark_saved();
    assert!(index.unsaved(Offset(0), 7, &f).is_none());
    (51..=60).for_each(|at| index.note(place(at), 100));
    let (at, more) = index.unsaved(Offset(0), 7, &f).unwrap();
    assert_eq!(at as usize, file.len());
    file.extend(more);
    let mut loaded = Index::default();
    loaded.load(&file, Offset(0), 7, &f);
    assert_eq!(loaded.places, index.places);
}

#[test]
fn damage_ends_what_is_believed() {
    let f = Functions::slow();
    let file = index().unsaved(Offset(0), 7, &f).unwrap().1;
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 4;
        let mut loaded = Index::default();
        loaded.load(&damaged, Offset(0), 7, &f);
        let believed = at.saturating_sub(24) / 32;
        assert_eq!(loaded.places, index().places[..if at < 24 { 0 } else { believed }]);
    }
    let mut loaded = Index::default();
    loaded.load(&file, Offset(0), 8, &f);
    assert!(loaded.places.is_empty(), "an earlier life of the segment");
}

#[test]
fn floors_are_the_last_place_that_is_early_enough() {
    let index = index();
    assert_eq!(index.floor(Offset(0)), None);
    assert_eq!(index.floor(Offset(7)), Some(place(7)));
    assert_eq!(index.before(Wall(75)), Some(place(7)));
    assert_eq!(index.before(Wall(70)), Some(place(6)));
    let mut cut = index.clone();
    cut.distrust(place(7));
    assert_eq!(cut.floor(Offset(9)), Some(place(6)));
}
