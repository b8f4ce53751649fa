//! Progress where a person looks on: a line on the error output, gone at the end.

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// What was done so far. Shown only if the error output is a terminal and nothing else is printed there.
pub struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    /// How many records.
    pub records: u64,
    /// How many bytes of keys and values.
    pub bytes: u64,
}

impl Progress {
    /// Nothing done yet. `is_wanted` is false where records themselves are on the screen.
    pub fn new(is_wanted: bool) -> Self {
        let bar = (is_wanted && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed"));
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, started: Instant::now(), records: 0, bytes: 0 }
    }

    /// So much more.
    pub fn add(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
        if let Some(bar) = &self.bar {
            bar.set_message(self.sentence());
        }
    }

    /// Takes the line away; a summary stays if a person looks on.
    pub fn end(self, verb: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if io::stderr().is_terminal() {
            eprintln!("{verb} {}", self.sentence());
        }
    }

    fn sentence(&self) -> String {
        let millis = self.started.elapsed().as_millis().max(1) as u64;
        let rate = HumanBytes(self.bytes.saturating_mul(1000) / millis);
        let noun = if self.records == 1 { "record" } else { "records" };
        format!("{} {noun}, {} ({rate}/s)", HumanCount(self.records), HumanBytes(self.bytes))
    }
}

const TICK: Duration = Duration::from_millis(120);
