//! Charts of partitions: who leads and who is in sync, as the metadata have it; who believes that it leads; where each log
//! ends, and up to where it is committed.

use super::chart::Chart;
use super::film::{Kept, PartitionReel, Reel};
use super::svg::Row;
use crate::clock::At;
use crate::machine::broker_id;
use ottla_core::metadata::Partition;
use ottla_core::types::{BrokerId, LeaderEpoch, LogId};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Offsets of a log, from the bottom of its chart to the top.
struct Ruler {
    offsets: RangeInclusive<i64>,
    row: Row,
}

impl Chart<'_> {
    /// Draws these partitions below what there is.
    pub fn partitions(&mut self, logs: &[LogId]) {
        for log in logs {
            let Some(reel) = self.scene.film.partitions.get(log) else { continue };
            self.partition(reel);
        }
    }

    fn partition(&mut self, reel: &PartitionReel) {
        let head = self.row(24, "", "");
        self.canvas.line("rule", (0.0, head.top + 6), (100.0, head.top + 6), "");
        self.canvas.text("partition", (0.2, head.top + 20), &reel.name, "");
        let holds = |copies: &Reel<Option<Kept>>| self.stretches(copies).iter().any(|(_, _, copy)| copy.is_some());
        let copies = reel.copies.iter().filter(|(_, copies)| holds(copies));
        let mut nodes: BTreeSet<usize> = copies.map(|(node, _)| *node).collect();
        let states = self.stretches(&reel.states).into_iter();
        let replicas = states.flat_map(|(_, _, state)| state.replicas.iter());
        nodes.extend(replicas.filter_map(|id| usize::try_from(id.0 - 1).ok()));
        for node in &nodes {
            let row = self.row(18, &format!("on node {node}"), "");
            self.places_in_sync(&reel.states, *node, Row { top: row.top + 1, height: 12 });
            if let Some(copies) = reel.copies.get(node) {
                self.belief(copies, row.top + 15);
            }
        }
        let row = self.row(104, "offsets", "");
        let ruler = self.ruler(reel, Row { top: row.top + 6, height: 92 });
        self.side(row.top + 14, &ruler.offsets.end().to_string());
        self.side(row.top + 100, &ruler.offsets.start().to_string());
        for node in &nodes {
            if let Some(copies) = reel.copies.get(node) {
                self.steps(&format!("end n{node}"), copies, &ruler, |copy| copy.end.0);
                self.steps(&format!("committed n{node}"), copies, &ruler, |copy| copy.watermark.0);
            }
        }
        self.acks_of(&reel.name, &ruler);
    }

    /// Whether a broker leads, is in sync, may be elected, or is none of it, as the newest metadata that anybody knows say.
    fn places_in_sync(&mut self, states: &Reel<Arc<Partition>>, node: usize, row: Row) {
        let id = broker_id(node);
        let mut drawn: Vec<(At, At, Part)> = Vec::new();
        for (from, until, state) in self.stretches(states) {
            let part = Part::of(state, id);
            match drawn.last_mut() {
                Some((_, end, last)) if *last == part => *end = until,
                Some(_) | None => drawn.push((from, until, part)),
            }
        }
        for (from, until, part) in drawn {
            let (class, text) = part.look();
            if !class.is_empty() {
                self.canvas.bar(class, self.places(from, until), row, (&text, &format!("{from}  {text}")));
            }
        }
    }

    /// When a machine itself believes that it leads.
    fn belief(&mut self, copies: &Reel<Option<Kept>>, y: u32) {
        let mut drawn: Vec<(At, At, LeaderEpoch)> = Vec::new();
        for (from, until, copy) in self.stretches(copies) {
            let Some(reign) = copy.and_then(|copy| copy.reign) else { continue };
            match drawn.last_mut() {
                Some((_, end, last)) if *last == reign && *end == from => *end = until,
                Some(_) | None => drawn.push((from, until, reign)),
            }
        }
        for (from, until, LeaderEpoch(reign)) in drawn {
            let (x1, x2) = self.places(from, until);
            self.canvas.line("belief", (x1, y), (x2, y), &format!("{from}  believes that it leads, in {reign}"));
        }
    }

    /// The offsets that matter in this stretch.
    fn ruler(&self, reel: &PartitionReel, row: Row) -> Ruler {
        let copies = reel.copies.values().flat_map(|copies| self.stretches(copies));
        let held: Vec<&Kept> = copies.filter_map(|(_, _, copy)| copy.as_ref()).collect();
        let least = held.iter().map(|copy| copy.watermark.0.min(copy.end.0)).min().unwrap_or(0);
        let most = held.iter().map(|copy| copy.end.0.max(copy.watermark.0)).max().unwrap_or(0);
        Ruler { offsets: least..=most.max(least + 1), row }
    }

    /// A value of a log in the course of time, as stairs.
    fn steps(&mut self, class: &str, copies: &Reel<Option<Kept>>, ruler: &Ruler, value: impl Fn(&Kept) -> i64) {
        let mut drawn: Vec<(At, At, i64)> = Vec::new();
        for (from, until, copy) in self.stretches(copies) {
            let Some(value) = copy.as_ref().map(&value) else { continue };
            match drawn.last_mut() {
                Some((_, end, last)) if *last == value && *end == from => *end = until,
                Some(_) | None => drawn.push((from, until, value)),
            }
        }
        let mut before: Option<(At, i64)> = None;
        for (from, until, value) in drawn {
            let y = ruler.y(value);
            let (x1, x2) = self.places(from, until);
            if let Some((end, last)) = before
                && end == from
                && self.span.holds(from)
            {
                self.canvas.line(class, (x1, ruler.y(last)), (x1, y), "");
            }
            self.canvas.line(class, (x1, y), (x2, y), &format!("{from}  {class}: {value}"));
            before = Some((until, value));
        }
    }

    fn acks_of(&mut self, name: &str, ruler: &Ruler) {
        let acks = self.scene.film.acks.iter().filter(|(at, ..)| self.span.holds(*at));
        for (at, client, heard) in acks.filter(|(_, _, heard)| self.scene.world.model.name(heard.log) == *name) {
            let Some(base) = heard.base else { continue };
            let end = base + heard.records as i64;
            let title = format!("{at}  {base} to {end} acknowledged to {}", self.scene.world.client_name(*client));
            let y = ruler.y(end) + 4;
            self.canvas.text("ack", (self.span.place(*at), y), "✓", &title);
        }
    }
}

/// What a broker is to a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Leads(LeaderEpoch),
    InSync,
    Eligible,
    Behind,
    Nothing,
}

impl Part {
    fn of(state: &Partition, id: BrokerId) -> Self {
        match id {
            _ if state.leader == id => Self::Leads(state.leader_epoch),
            _ if state.isr.contains(&id) => Self::InSync,
            _ if state.eligible.contains(&id) => Self::Eligible,
            _ if state.replicas.contains(&id) => Self::Behind,
            _ => Self::Nothing,
        }
    }

    fn look(self) -> (&'static str, String) {
        match self {
            Self::Leads(epoch) => ("p-leads", format!("leads, epoch {}", epoch.0)),
            Self::InSync => ("p-insync", "in sync".to_owned()),
            Self::Eligible => ("p-eligible", "may be elected".to_owned()),
            Self::Behind => ("p-behind", "out of sync".to_owned()),
            Self::Nothing => ("", String::new()),
        }
    }
}

impl Ruler {
    fn y(&self, offset: i64) -> u32 {
        let (least, most) = (*self.offsets.start(), *self.offsets.end());
        let above = (offset.clamp(least, most) - least) * i64::from(self.row.height) / (most - least);
        self.row.top + self.row.height - u32::try_from(above).expect("within the row")
    }
}
