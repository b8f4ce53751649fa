use super::Str;
use alloc::collections::BTreeMap;
use std::borrow::Borrow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::vec::Vec;

fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn a_map_is_searched_by_bytes_and_agrees_with_the_order_of_text() {
    let mut words = ["zebra", "", "ação", "a", "aa", "\u{10ffff}"].map(Str::from).to_vec();
    let map: BTreeMap<Str, usize> = words.iter().cloned().zip(0..).collect();
    for word in &words {
        let bytes: &[u8] = word.borrow();
        assert_eq!((map.get(bytes), map.contains_key(bytes)), (map.get(word), true), "{word}");
        assert_eq!(hash(word), hash(bytes), "what is borrowed hashes alike");
    }
    words.sort();
    let sorted: Vec<&str> = words.iter().map(Str::as_str).collect();
    assert!(sorted.is_sorted(), "{sorted:?}");
}

#[test]
fn length_and_emptiness_are_those_of_the_text() {
    for word in ["", "ação", "plain"] {
        let text = Str::from(word);
        assert_eq!((text.len(), text.is_empty()), (word.len(), word.is_empty()));
    }
}
