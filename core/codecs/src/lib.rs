//! CRC-32C and compression for the core, which is `no_std` and takes them as plain functions.
