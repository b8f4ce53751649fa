//! Progress that a person sees while a test runs: written past the capture of the test harness.

use std::io::Write;

/// One line on standard error.
pub fn say(line: &str) {
    // A closed terminal is no reason to fail a test.
    drop(writeln!(std::io::stderr(), "    e2e: {line}"));
}
