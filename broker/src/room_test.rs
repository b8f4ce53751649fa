use super::{ANSWER_BYTES_FAIR, ANSWERS_BYTES_MAX, Room};

const ASKED: usize = 50 << 20;

#[test]
fn answers_whose_records_are_still_being_read_take_room() {
    let mut room = Room::default();
    let mut promised = Vec::new();
    for _ in 0..1000 {
        let bytes = ASKED.min(room.answer_bytes_max() as usize);
        room.promise(bytes);
        promised.push(bytes);
    }
    assert_eq!(promised[0], ASKED, "whoever comes first gets what it asks for");
    assert_eq!(promised[999], ANSWER_BYTES_FAIR as usize, "nobody gets nothing");
    assert!(promised.iter().sum::<usize>() <= ANSWERS_BYTES_MAX + 1000 * ANSWER_BYTES_FAIR as usize);
    promised.into_iter().for_each(|bytes| room.kept(bytes));
    assert_eq!(room.answer_bytes_max() as usize, ANSWERS_BYTES_MAX / 8);
}

#[test]
fn answers_that_nobody_takes_leave_less_room() {
    let mut room = Room::default();
    room.connections_hold(ANSWERS_BYTES_MAX / 2);
    assert_eq!(room.answer_bytes_max() as usize, ANSWERS_BYTES_MAX / 16);
    room.connections_hold(2 * ANSWERS_BYTES_MAX);
    assert_eq!(room.answer_bytes_max(), ANSWER_BYTES_FAIR);
}
