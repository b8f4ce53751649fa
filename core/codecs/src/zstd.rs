//! Zstandard (RFC 8878). Whole frames at once: no window is allocated besides the output, however large a window the
//! frame asks for.

use ottla_core::record::CodecFault;
use std::cell::RefCell;
use zstd_safe::{CCtx, DCtx, compress_bound, get_error_name, get_frame_content_size};

/// The level that Kafka's clients use unless told otherwise.
const LEVEL: i32 = 3;
/// The first room for what comes out, where the frame does not say how much.
const ROOM_MIN: usize = 128 << 10;

std::thread_local! {
    // A context takes 100 µs to make and carries nothing from one call to the next.
    static UNPACK: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
    static PACK: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
}

pub fn decompress(bytes: &[u8], cap: usize, out: &mut Vec<u8>) -> Result<(), CodecFault> {
    let told = get_frame_content_size(bytes).map_err(|_| CodecFault::Corrupt)?;
    let told = told.map(|told| usize::try_from(told).unwrap_or(usize::MAX));
    if told.is_some_and(|told| told > cap) {
        return Err(CodecFault::OverCap);
    }
    // Believing a liar costs address space only: memory that nothing is written to is never touched.
    let guess = told.unwrap_or(bytes.len().saturating_mul(4));
    let mut room = guess.max(ROOM_MIN).max(out.capacity()).min(cap);
    loop {
        out.clear();
        out.reserve_exact(room);
        match UNPACK.with_borrow_mut(|context| context.decompress(out, bytes)) {
            Ok(_) if out.len() > cap => return Err(CodecFault::OverCap),
            Ok(_) => return Ok(()),
            Err(code) if get_error_name(code) != TOO_SMALL => return Err(CodecFault::Corrupt),
            Err(_) if room == cap => return Err(CodecFault::OverCap),
            Err(_) => room = room.saturating_mul(4).min(cap),
        }
    }
}

/// How the library says that the output did not fit.
const TOO_SMALL: &str = "Destination buffer is too small";

pub fn compress(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(compress_bound(bytes.len()));
    let packed = PACK.with_borrow_mut(|context| context.compress(out, bytes, LEVEL));
    packed.expect("the room is what the library asks for");
}
