use super::{BadLength, Inbox};
use alloc::vec::Vec;
use bytes::Bytes;
use proptest::prelude::{any, prop, proptest};

fn framed(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for frame in frames {
        stream.extend_from_slice(&(frame.len() as i32).to_be_bytes());
        stream.extend_from_slice(frame);
    }
    stream
}

#[test]
fn a_frame_inside_one_read_is_not_copied() {
    let read = Bytes::from(framed(&[Vec::from("abc"), Vec::new(), Vec::from("de")]));
    let mut inbox = Inbox::default();
    inbox.push(read.clone());
    let frame = inbox.next_frame(10).expect("a fair length").expect("a whole frame");
    assert_eq!((frame.as_ptr(), &frame[..]), (read[4..].as_ptr(), &b"abc"[..]));
    assert_eq!(inbox.next_frame(10), Ok(Some(Bytes::new())));
    assert_eq!(inbox.next_frame(10), Ok(Some(Bytes::from_static(b"de"))));
    assert_eq!(inbox.next_frame(10), Ok(None));
    assert_eq!((inbox.held_bytes(), inbox.is_amid_frame()), (0, false));
}

#[test]
fn an_absurd_length_is_a_fault_at_once() {
    for (length, at_once) in [(-1, true), (i32::MIN, true), (11, true), (10, false)] {
        let mut inbox = Inbox::default();
        inbox.push(Bytes::copy_from_slice(&i32::to_be_bytes(length)));
        assert_eq!(inbox.next_frame(10), if at_once { Err(BadLength(length)) } else { Ok(None) });
    }
}

#[test]
fn a_promised_length_allocates_next_to_nothing() {
    let mut inbox = Inbox::default();
    inbox.push(Bytes::copy_from_slice(&100_000_000i32.to_be_bytes()));
    inbox.push(Bytes::from_static(b"x"));
    assert_eq!(inbox.next_frame(100_000_000), Ok(None));
    assert!(inbox.is_amid_frame());
    assert!(inbox.held_bytes() <= 20 * 1024, "{} bytes for five", inbox.held_bytes());
    inbox.push(Bytes::from(alloc::vec![0; 1_000_000]));
    assert_eq!(inbox.next_frame(100_000_000), Ok(None));
    assert!(inbox.held_bytes() <= 2_100_000, "{} bytes for a million", inbox.held_bytes());
}

proptest! {
    #[test]
    fn any_split_of_the_stream_gives_the_same_frames(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12),
        cuts in prop::collection::vec(1usize..30, 1..60),
    ) {
        let mut rest = Bytes::from(framed(&frames));
        let (mut inbox, mut seen, mut cut) = (Inbox::default(), Vec::new(), cuts.iter().cycle());
        while !rest.is_empty() {
            let len = (*cut.next().expect("a cycle")).min(rest.len());
            inbox.push(rest.split_to(len));
            // Sometimes two reads lie there before anybody looks.
            if len % 3 != 0 {
                while let Some(frame) = inbox.next_frame(1000).expect("fair lengths") {
                    seen.push(frame.to_vec());
                }
            }
        }
        while let Some(frame) = inbox.next_frame(1000).expect("fair lengths") {
            seen.push(frame.to_vec());
        }
        assert_eq!(seen, frames);
        assert_eq!((inbox.held_bytes(), inbox.is_amid_frame()), (0, false));
    }
}
