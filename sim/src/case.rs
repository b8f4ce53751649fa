//! A run in a file: everything that it is given, so that it is the same run whatever a seed draws one day.

use crate::model::Finding;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{Error, Result};
use std::path::Path;

/// A plan, and what running it found once.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct Case {
    /// Which oracle complained.
    pub oracle: String,
    /// What it said.
    pub text: String,
    /// The fingerprint of the sources that were run.
    pub sources: String,
    /// Everything that the run was given.
    pub plan: Plan,
}

impl Case {
    /// What was found in a run of this plan.
    pub fn new(plan: Plan, Finding { oracle, text }: &Finding) -> Self {
        let oracle = (*oracle).to_owned();
        Self { oracle, text: text.clone(), sources: env!("OTTLA_SOURCES").to_owned(), plan }
    }

    /// Writes it, and the folders above it where there are none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(Error::other)?;
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text + "\n")
    }

    /// Reads what [`Case::write`] wrote.
    ///
    /// # Errors
    /// Those of the file system; the file says something else than a case.
    pub fn read(path: &Path) -> Result<Self> {
        let about = |fault: Error| Error::other(format!("{}: {fault}", path.display()));
        let text = fs::read_to_string(path).map_err(about)?;
        serde_json::from_str(&text).map_err(|fault| about(fault.into()))
    }
}

#[cfg(test)]
#[path = "case_test.rs"]
mod case_test;
