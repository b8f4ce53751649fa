//! Latencies, kept whole: a run has at most some millions.

use std::time::Duration;

/// Durations in microseconds.
#[derive(Default)]
pub struct Latencies {
    micros: Vec<f32>,
}

impl Latencies {
    /// Notes one.
    pub fn add(&mut self, took: Duration) {
        self.micros.push(took.as_secs_f32() * 1e6);
    }

    /// The duration that this share of all (0 to 1) does not exceed, microseconds.
    pub fn quantile(&mut self, share: f64) -> f64 {
        self.micros.sort_by(f32::total_cmp);
        let last = self.micros.len().saturating_sub(1);
        self.micros.get((share * last as f64).round() as usize).map_or(f64::NAN, |micros| f64::from(*micros))
    }
}
