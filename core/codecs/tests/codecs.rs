//! The functions that the core is given: against its own slow CRC, round trips, bombs and garbage.

use bytes::Bytes;
use ottla_codecs::functions;
use ottla_core::record::{self, Builder, CodecFault, Compression, Functions, NewRecord, ProveRules, Refusal, prove};
use ottla_core::types::{ErrorCode, limit};
use proptest::prelude::{any, prop_assert_eq, proptest};

const F: Functions = functions();
const CODECS: [Compression; 4] = [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn packed(codec: Compression, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    (F.compress)(codec, bytes, &mut out).unwrap();
    out
}

fn unpacked(codec: Compression, bytes: &[u8], cap: usize) -> Result<Vec<u8>, CodecFault> {
    let mut out = Vec::new();
    let outcome = (F.decompress)(codec, bytes, cap, &mut out);
    assert!(out.capacity() <= (2 * cap).max(256 << 10), "{} held {} of {cap}", codec.name(), out.capacity());
    outcome.map(|()| out)
}

/// Bytes that compress a little: runs of random lengths.
fn runs(seeds: &[(u8, u16)]) -> Vec<u8> {
    seeds.iter().flat_map(|&(byte, length)| std::iter::repeat_n(byte, usize::from(length))).collect()
}

proptest! {
    #[test]
    fn the_fast_crc_is_the_slow_one(bytes: Vec<u8>, more in proptest::collection::vec(any::<u8>(), 0..2000), before: u32) {
        prop_assert_eq!((F.crc32c)(0, &bytes), record::crc32c(0, &bytes));
        prop_assert_eq!((F.crc32c)(before, &more), record::crc32c(before, &more));
        let whole = [&bytes[..], &more].concat();
        prop_assert_eq!((F.crc32c)((F.crc32c)(0, &bytes), &more), record::crc32c(0, &whole));
    }

    #[test]
    fn what_is_packed_is_unpacked(seeds in proptest::collection::vec((any::<u8>(), 0..9000u16), 0..6)) {
        let bytes = runs(&seeds);
        for codec in CODECS {
            let packed = packed(codec, &bytes);
            prop_assert_eq!(&unpacked(codec, &packed, bytes.len()).unwrap(), &bytes, "{}", codec.name());
            if let Some(cap) = bytes.len().checked_sub(1) {
                prop_assert_eq!(unpacked(codec, &packed, cap), Err(CodecFault::OverCap), "{}", codec.name());
            }
        }
    }

    #[test]
    fn a_buffer_that_was_used_before_makes_no_difference(seeds in proptest::collection::vec((any::<u8>(), 0..9000u16), 0..4)) {
        let bytes = runs(&seeds);
        for codec in CODECS {
            let mut out = vec![7; 10_000];
            (F.compress)(codec, &bytes, &mut out).unwrap();
            prop_assert_eq!(&out, &packed(codec, &bytes));
            let mut back = vec![7; 100_000];
            (F.decompress)(codec, &out, 1 << 20, &mut back).unwrap();
            prop_assert_eq!(&back, &bytes);
        }
    }

    #[test]
    fn garbage_and_mutations_are_values(bytes: Vec<u8>, seeds in proptest::collection::vec(any::<(u8, u8)>(), 1..9), at: usize, to: u8) {
        for codec in CODECS {
            let _ = unpacked(codec, &bytes, 1 << 16);
            let good: Vec<_> = seeds.iter().map(|&(byte, length)| (byte, u16::from(length))).collect();
            let mut mutated = packed(codec, &runs(&good));
            let at = at % mutated.len();
            mutated[at] = to;
            let _ = unpacked(codec, &mutated, 1 << 16);
            mutated.truncate(at);
            let _ = unpacked(codec, &mutated, 1 << 16);
        }
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let zeros = vec![0; 4 << 20];
    for codec in CODECS {
        let bomb = packed(codec, &zeros);
        assert_eq!(unpacked(codec, &bomb, 1 << 16), Err(CodecFault::OverCap), "{}", codec.name());
    }
}

#[test]
fn a_bomb_in_a_batch_is_told_to_its_producer() {
    let zeros = vec![0; limit::RECORDS_BYTES_FREE];
    let record = NewRecord { value: Some(&zeros), ..NewRecord::default() };
    let rules = ProveRules { version: 12, batch_bytes_max: 1 << 20 };
    let batch = Builder::new().compressed(Compression::Zstd).with(&record).build(&F).unwrap();
    let mut scratch = Vec::new();
    assert_eq!(prove(batch.to_bytes(), &rules, &F, &mut scratch), Err(Refusal::Bomb));
    assert!(scratch.is_empty() && scratch.capacity() <= limit::SCRATCH_KEPT_BYTES);
    assert_eq!(Refusal::Bomb.code(), ErrorCode::MessageTooLarge, "so that the client splits the batch");
}

#[test]
fn snappy_without_framing_is_read() {
    let raw = snap::raw::Encoder::new().compress_vec(b"minha mensagem, minha mensagem").unwrap();
    assert_eq!(unpacked(Compression::Snappy, &raw, 100).unwrap(), b"minha mensagem, minha mensagem");
}

#[test]
fn snappy_streams_back_to_back_are_one() {
    let both = [packed(Compression::Snappy, b"one "), packed(Compression::Snappy, b"two")].concat();
    assert_eq!(unpacked(Compression::Snappy, &both, 100).unwrap(), b"one two");
}

#[test]
fn members_and_frames_back_to_back_are_one() {
    for codec in [Compression::Gzip, Compression::Zstd] {
        let both = [packed(codec, b"one "), packed(codec, b"two")].concat();
        assert_eq!(unpacked(codec, &both, 100).unwrap(), b"one two", "{}", codec.name());
    }
}

#[test]
fn a_snappy_block_that_promises_more_than_snappy_can_is_no_reason_to_allocate() {
    // The varint of 64 MiB, and a few bytes behind it.
    let liar = [0x80, 0x80, 0x80, 0x20, 1, 2, 3];
    let mut out = Vec::new();
    assert_eq!((F.decompress)(Compression::Snappy, &liar, 64 << 20, &mut out), Err(CodecFault::Corrupt));
    assert_eq!(out.capacity(), 0);
}

#[test]
fn an_lz4_frame_that_readers_of_kafka_refuse_is_refused() {
    let good = packed(Compression::Lz4, b"minha mensagem");
    assert!(unpacked(Compression::Lz4, &good, 100).is_ok());
    let linked = {
        use std::io::Write;
        let info = lz4_flex::frame::FrameInfo::new().block_mode(lz4_flex::frame::BlockMode::Linked);
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(b"minha mensagem").unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(unpacked(Compression::Lz4, &linked, 100), Err(CodecFault::Corrupt));
    let two = [good.clone(), good].concat();
    assert_eq!(unpacked(Compression::Lz4, &two, 100), Err(CodecFault::Corrupt));
}

#[test]
fn lz4_checksums_and_sizes_are_read_and_checked() {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    let text: Vec<u8> = (0..200_000u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
    for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
        let info = FrameInfo::new().block_size(size).block_checksums(true).content_checksum(true);
        let mut encoder = FrameEncoder::with_frame_info(info.content_size(Some(text.len() as u64)), Vec::new());
        encoder.write_all(&text).unwrap();
        let mut frame = encoder.finish().unwrap();
        assert_eq!(unpacked(Compression::Lz4, &frame, 1 << 20).unwrap(), text);
        let last = frame.len() - 1;
        frame[last] ^= 1;
        assert_eq!(unpacked(Compression::Lz4, &frame, 1 << 20), Err(CodecFault::Corrupt), "the content's checksum");
        frame[last] ^= 1;
        let checksum = frame.len() - 9;
        frame[checksum] ^= 1;
        assert_eq!(unpacked(Compression::Lz4, &frame, 1 << 20), Err(CodecFault::Corrupt), "a block's checksum");
    }
}

#[test]
fn no_codec_is_no_codec() {
    assert_eq!((F.compress)(Compression::None, b"x", &mut Vec::new()), Err(CodecFault::Unknown));
    assert_eq!((F.decompress)(Compression::None, b"x", 9, &mut Vec::new()), Err(CodecFault::Unknown));
    let liar = Builder::new().with(&NewRecord { value: Some(b"v"), ..NewRecord::default() }).build_plain(&F);
    let mut bytes = liar.to_bytes().to_vec();
    bytes[22] = 4;
    let crc = (F.crc32c)(0, &bytes[record::CRC_FROM..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let rules = ProveRules { version: 12, batch_bytes_max: 1 << 20 };
    assert_eq!(prove(Bytes::from(bytes), &rules, &F, &mut Vec::new()), Err(Refusal::NotDecompressible));
}
