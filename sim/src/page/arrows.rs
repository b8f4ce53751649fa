//! Messages as arrows from lane to lane.

use super::chart::Chart;
use super::svg::Row;
use super::talk::{Kind, Said};
use std::collections::BTreeMap;

impl Chart<'_> {
    /// Draws what was said in this stretch, the newest of each kind; returns how many of each kind there are and how many
    /// were left out.
    pub fn talk(&mut self) -> BTreeMap<Kind, (usize, usize)> {
        let mut counts: BTreeMap<Kind, (usize, usize)> = BTreeMap::new();
        let mut drawn: Vec<&Said> = Vec::new();
        let end = self.scene.whole.to;
        for said in self.scene.film.talk.said.iter().rev() {
            if !self.span.meets(said.at, said.arrives.unwrap_or(said.at).min(end)) {
                continue;
            }
            let (shown, left_out) = counts.entry(said.kind).or_default();
            if *shown == ARROWS_MAX {
                *left_out += 1;
                continue;
            }
            *shown += 1;
            drawn.push(said);
        }
        drawn.into_iter().rev().for_each(|said| self.arrow(said));
        counts
    }

    fn arrow(&mut self, said: &Said) {
        let (Some(from), Some(to)) = (self.lanes.get(&said.from), self.lanes.get(&said.to)) else { return };
        let (start, end) = edges(*from, *to);
        let title = format!("{}  {}", said.at, said.text());
        let answer = if said.is_answer { " answer" } else { "" };
        let class = format!("m m-{}{answer}", said.kind.class());
        let x = self.span.place(said.at);
        match said.arrives {
            Some(at) => self.canvas.line(&class, (x, start), (self.span.place(at), end), &title),
            None => {
                let middle = u32::midpoint(start, end);
                self.canvas.line(&format!("{class} lost"), (x, start), (x, middle), &title);
                self.canvas.text(&format!("lost-mark m-{}", said.kind.class()), (x, middle), "✕", &title);
            }
        }
    }
}

/// Where an arrow leaves one lane and meets another: at the sides that they turn to each other.
fn edges(from: Row, to: Row) -> (u32, u32) {
    if from.top < to.top { (from.top + from.height, to.top) } else { (from.top, to.top + to.height) }
}

/// The most arrows of one kind.
const ARROWS_MAX: usize = 1_500;
