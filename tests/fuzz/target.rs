//! The fuzz target: any bytes into the codec.
#![no_main]

mod wire;

use bytes::Bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(decoded) = wire::decode(&Bytes::copy_from_slice(data), wire::BUDGET) {
        decoded.comes_back();
    }
});
