//! The fuzz target: any bytes as a batch.
#![no_main]

mod batch;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let functions = ottla_codecs::functions();
    if let Some(bytes) = batch::sealed(data, &functions) {
        batch::holds(bytes, &functions);
    }
});
