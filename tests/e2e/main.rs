//! Real clients against a real broker process: what an unmodified user of Kafka sees.
//!
//! The broker is our own binary, built here, or Apache Kafka itself with `OTTLA_E2E_BROKER=kafka`, which is how these tests
//! are shown to ask for nothing that Kafka does not do. Clients are installed into `target/e2e-tools` on first use.

mod apache_tools;
mod cluster;
mod command_line;
mod directories;
mod family;
mod first_program;
mod flood;
mod flown;
mod hostile;
mod java_clients;
mod kcat;
mod moves;
mod operator;
mod racks;
mod records;
mod recycled;
mod together;
mod turnover;
mod upgrade;
