//! Room for fetch answers: the more memory answers take that no client has taken yet, the smaller the next ones are made.
//! A client that gets less than it asked for asks again.

/// What answers take, and what those will take whose records are being read.
#[derive(Debug, Default)]
pub struct Room {
    held: usize,
    promised: usize,
}

impl Room {
    /// Connections hold this much in memory.
    pub fn connections_hold(&mut self, bytes: usize) {
        self.held = bytes;
    }

    /// What the records of one more answer may take: an eighth of what is left, so that clients which ask for much and read
    /// nothing cannot use up the memory.
    pub fn answer_bytes_max(&self) -> u32 {
        let share = ANSWERS_BYTES_MAX.saturating_sub(self.held + self.promised) / 8;
        u32::try_from(share).unwrap_or(u32::MAX).max(ANSWER_BYTES_FAIR)
    }

    /// So many bytes are being read for an answer.
    pub fn promise(&mut self, bytes: usize) {
        self.promised += bytes;
    }

    /// They are read: from now on their connection holds them.
    ///
    /// # Panics
    /// If they were never promised.
    pub fn kept(&mut self, bytes: usize) {
        self.promised = self.promised.checked_sub(bytes).expect("what is kept was promised");
    }
}

/// Answers that wait to be sent take about this much together.
const ANSWERS_BYTES_MAX: usize = 512 * 1024 * 1024;
const ANSWER_BYTES_FAIR: u32 = 64 * 1024;

#[cfg(test)]
#[path = "room_test.rs"]
mod room_test;
