//! Placeholder entry; see `docs/architecture.md`.
fn main() {}
