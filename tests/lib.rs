//! Tests that see more than one package; each test binary is a folder beside this file. What several of them share is here.

pub mod harness;
