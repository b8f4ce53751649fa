//! Breaks real processes and judges what clients saw. A cluster of broker processes is driven by real Kafka clients at full
//! speed while a nemesis kills what it relies on; all that clients asked and were told is a history, which a checker of our
//! own judges afterwards, and the files of all replicas are compared.
//!
//! ```text
//!   plan ──▶ run ──▶ cluster (ottla_tests::harness::cluster), client (clients/go), nemesis
//!             │            all of them ──▶ history
//!             ▼
//!           check (history, files, logs ──▶ verdict), measure (history ──▶ figures) ──▶ report (a page)
//! ```
//!
//! It knows the binary and the Kafka protocol, nothing else of the broker.

pub mod check;
pub mod client;
pub mod history;
pub mod measure;
pub mod nemesis;
pub mod plan;
pub mod report;
pub mod run;
