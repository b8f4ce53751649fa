use super::{Ahead, Found, Wanted};
use crate::types::Offset;
use bytes::Bytes;
use std::vec;
use std::vec::Vec;

const PIECE: usize = 1000;
const LIMIT: u64 = 1_000_000;

fn wanted(log: u32, at: u64, total: u64) -> Wanted {
    let len = PIECE.min((LIMIT - at) as usize);
    Wanted { key: (log, Offset(0)), cuts: 0, at, len, need: 61.min(len), total, limit: LIMIT }
}

/// Asks, as the store does. Returns what is found and what is asked for.
fn ask(ahead: &mut Ahead, wanted: &Wanted, bytes_max: usize) -> (Found, Vec<(u64, u64, usize)>) {
    let found = ahead.find(wanted);
    let mut pieces = Vec::new();
    while let Some(piece) = ahead.next_piece(wanted, PIECE, bytes_max) {
        pieces.push(piece);
    }
    match found {
        Found::Nothing => (ahead.find_again(wanted), pieces),
        found => (found, pieces),
    }
}

fn content(at: u64, len: usize) -> Bytes {
    Bytes::from_iter((at..).take(len).map(|at| (at % 251) as u8))
}

#[test]
fn one_look_is_read_alone_and_whoever_goes_on_finds_what_comes_next() {
    let mut ahead = Ahead::default();
    let (found, pieces) = ask(&mut ahead, &wanted(1, 5000, 900), 100_000);
    assert!(matches!(found, Found::Nothing) && pieces.is_empty());
    let (found, pieces) = ask(&mut ahead, &wanted(1, 5900, 900), 100_000);
    assert!(matches!(found, Found::Coming(0)));
    let places: Vec<u64> = pieces.iter().map(|(_, at, _)| *at).collect();
    assert_eq!(places, [5900, 6900, 7900]);
    for (id, at, len) in pieces {
        ahead.came(id, Some(content(at, len)));
    }
    let (found, _) = ask(&mut ahead, &wanted(1, 6800, 900), 100_000);
    assert!(matches!(found, Found::Bytes(5900, bytes) if bytes == content(5900, PIECE)));
    let across = Wanted { need: 1200, ..wanted(1, 6850, 1200) };
    let (found, _) = ask(&mut ahead, &across, 100_000);
    assert!(matches!(found, Found::Bytes(6850, bytes) if bytes == content(6850, 1200)));
}

#[test]
fn a_large_fetch_is_asked_for_together() {
    let mut ahead = Ahead::default();
    let (found, pieces) = ask(&mut ahead, &wanted(1, 0, 6000), 100_000);
    assert!(matches!(found, Found::Coming(0)));
    assert_eq!(pieces.len(), 6);
}

#[test]
fn readers_together_have_their_bound_and_the_last_one_comes_first() {
    let mut ahead = Ahead::default();
    for log in 1..40 {
        for at in [0, 900, 1800] {
            let (_, pieces) = ask(&mut ahead, &wanted(log, at, 900), 6 * PIECE);
            for (id, at, len) in pieces {
                ahead.came(id, Some(content(at, len)));
            }
        }
        let held: usize = ahead.streams.iter().flat_map(|stream| &stream.pieces).map(|piece| piece.len).sum();
        assert!(held <= 6 * PIECE, "{held}");
        assert!(matches!(ahead.find(&wanted(log, 2700, 900)), Found::Bytes(..)), "{log}");
    }
}

#[test]
fn what_failed_is_read_by_whoever_wants_it() {
    let mut ahead = Ahead::default();
    let _ = ask(&mut ahead, &wanted(1, 0, 900), 100_000);
    let (_, pieces) = ask(&mut ahead, &wanted(1, 900, 900), 100_000);
    ahead.wait(pieces[0].0, 7);
    assert_eq!(ahead.came(pieces[0].0, None), (vec![7], false));
    let (found, pieces) = ask(&mut ahead, &wanted(1, 900, 900), 100_000);
    assert!(matches!(found, Found::Nothing) && pieces.is_empty());
}

#[test]
fn nothing_from_before_a_cut_is_found_after_it() {
    let mut ahead = Ahead::default();
    let _ = ask(&mut ahead, &wanted(1, 0, 900), 100_000);
    let (_, pieces) = ask(&mut ahead, &wanted(1, 900, 900), 100_000);
    ahead.came(pieces[0].0, Some(content(900, PIECE)));
    let after = Wanted { cuts: 1, ..wanted(1, 900, 900) };
    assert!(matches!(ask(&mut ahead, &after, 100_000).0, Found::Nothing));
}
