//! The table: medians over the rounds that count, and the median of the ratios to Kafka, pair by pair.

use std::collections::BTreeMap;
use std::fmt;

use crate::systems::System;

/// What ratios are taken to.
const YARDSTICK: &str = "kafka";

/// One figure of one measurement.
#[derive(Clone)]
pub struct Measure {
    /// What it is, with its unit.
    pub name: &'static str,
    /// How much.
    pub value: f64,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, short(self.value))
    }
}

/// Everything measured.
#[derive(Default)]
pub struct Report {
    /// By row and figure, in the order of measuring: system and round → value.
    figures: Vec<(&'static str, &'static str, Figures)>,
    dropped: Vec<String>,
}

type Figures = BTreeMap<(&'static str, usize), f64>;

impl Report {
    /// Adds the figures of one system in one round.
    pub fn add(
        &mut self,
        row: &'static str,
        round: usize,
        system: &'static str,
        measured: Vec<Measure>,
        dropped: bool,
    ) {
        if dropped {
            self.dropped.push(format!("row {row} round {round} {system}"));
            return;
        }
        for measure in measured {
            let found = self.figures.iter().position(|(known, name, _)| *known == row && *name == measure.name);
            let index = found.unwrap_or_else(|| {
                self.figures.push((row, measure.name, Figures::new()));
                self.figures.len() - 1
            });
            self.figures[index].2.insert((system, round), measure.value);
        }
    }

    /// A table in Markdown: each cell is the median, its range, and the ratio to Kafka in the same round.
    pub fn markdown(&self, systems: &[&System]) -> String {
        let names: Vec<&str> = systems.iter().map(|system| system.name).collect();
        let mut text = format!("| row | figure | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(systems.len()));
        for (row, name, figures) in &self.figures {
            let cells: Vec<String> = systems.iter().map(|system| cell(figures, system.name)).collect();
            text += &format!("| {row} | {name} | {} |\n", cells.join(" | "));
        }
        if !self.dropped.is_empty() {
            text += &format!("\nDropped, since the machine was busy: {}.\n", self.dropped.join(", "));
        }
        text
    }
}

fn cell(figures: &Figures, system: &'static str) -> String {
    let mine: Vec<(usize, f64)> =
        figures.iter().filter(|((name, _), _)| *name == system).map(|((_, round), value)| (*round, *value)).collect();
    if mine.is_empty() {
        return "–".into();
    }
    let values: Vec<f64> = mine.iter().map(|(_, value)| *value).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = if values.len() > 1 { format!(" ({}–{})", short(least), short(most)) } else { String::new() };
    let paired: Vec<f64> =
        mine.iter().filter_map(|(round, value)| Some(value / figures.get(&(YARDSTICK, *round))?)).collect();
    let ratio =
        if system == YARDSTICK || paired.is_empty() { String::new() } else { format!("; {:.2}×", median(paired)) };
    format!("{}{range}{ratio}", short(median(values)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Three figures that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
