use super::{Film, put};
use crate::clock::At;
use crate::fault::{Strike, Way};
use std::time::Duration;

#[test]
fn a_reel_has_a_value_once_for_as_long_as_it_holds() {
    let mut reel = Vec::new();
    for (at, value) in [(1, 'a'), (2, 'a'), (3, 'b'), (4, 'a')] {
        put(&mut reel, At(at), value);
    }
    assert_eq!(reel, [(At(1), 'a'), (At(3), 'b'), (At(4), 'a')]);
}

#[test]
fn a_cut_that_is_healed_early_ends_then() {
    let mut film = Film::default();
    film.voters_cut((0, 2), At::secs(1), At::secs(9));
    film.data_cut((0, 2), At::secs(1), At::secs(9));
    film.voters_cut((2, 0), At::secs(4), At::secs(4));
    let told: Vec<_> = film.bands.iter().map(|band| (band.until, band.text.as_str())).collect();
    let wanted = [
        (At::secs(4), "voters on nodes 0 and 2 do not hear each other"),
        (At::secs(9), "replicas on nodes 0 and 2 do not hear each other"),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn what_strikes_one_machine_is_in_its_lane_and_what_strikes_the_network_is_not() {
    let mut film = Film::default();
    let wait = Duration::from_secs(2);
    film.struck(At::secs(1), 2, Strike::Stuck(wait));
    film.struck(At::secs(1), 0, Strike::Part(1, Way::Both, wait));
    film.struck(At::secs(1), 1, Strike::Kill(wait));
    film.struck(At::secs(1), 1, Strike::Probe);
    let told: Vec<_> = film.bands.iter().map(|band| (band.machine, band.until)).collect();
    assert_eq!(told, [(Some(2), At::secs(3)), (None, At::secs(3)), (Some(1), At::secs(1))]);
}
