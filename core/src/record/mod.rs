//! Record batches as they lie on the wire and on disk.

mod rope;

pub use rope::Records;
