//! The chart of a stretch of a run: time from left to right, and below each other what struck the network, the machines, the
//! clients, and whatever is put below them.

use super::Scene;
use super::film::{Band, MachineReel, Reel};
use super::svg::{Canvas, Row, Span};
use crate::clock::At;
use crate::machine::Life;
use crate::net::Who;
use ottla_core::node::Standing;
use ottla_core::types::LeaderEpoch;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A chart that is being drawn.
pub struct Chart<'a> {
    /// What it is of.
    pub scene: &'a Scene<'a>,
    /// From when to when.
    pub span: Span,
    /// What stretches with time.
    pub canvas: Canvas,
    /// What does not: the names of the rows.
    labels: Canvas,
    bottom: u32,
    /// Where messages of everybody begin and end.
    pub lanes: BTreeMap<Who, Row>,
}

impl<'a> Chart<'a> {
    /// A chart with an axis of time.
    pub fn new(scene: &'a Scene<'a>, span: Span) -> Self {
        let (canvas, labels, lanes) = (Canvas::default(), Canvas::default(), BTreeMap::new());
        let mut chart = Self { scene, span, canvas, labels, bottom: 0, lanes };
        chart.axis();
        chart
    }

    /// A row below all others, with a name and a word on it.
    pub fn row(&mut self, height: u32, name: &str, word: &str) -> Row {
        let top = self.bottom;
        self.bottom += height;
        if !name.is_empty() {
            self.labels.text("name", (2.0, top + 13), name, "");
        }
        if !word.is_empty() {
            self.labels.text("word", (2.0, top + 26), word, "");
        }
        Row { top, height }
    }

    /// A name at the right end of the column of names, as for the ends of a scale.
    pub fn side(&mut self, y: u32, text: &str) {
        self.labels.text("side", (97.0, y), text, "");
    }

    fn axis(&mut self) {
        let row = self.row(20, "world time, s", "");
        let Span { from, to } = self.span;
        let step = STEPS_MS.into_iter().map(|ms| ms * 1_000_000).find(|step| (to.0 - from.0) / step <= TICKS_MAX);
        let step = step.unwrap_or(STEPS_MS[STEPS_MS.len() - 1] * 1_000_000);
        let mut at = from.0.next_multiple_of(step);
        while at <= to.0 {
            let x = self.span.place(At(at));
            self.canvas.upright("grid", x, "");
            self.canvas.text("time", (x, row.top + 13), format!("{:.1}", at as f64 / 1e9), "");
            at += step;
        }
    }

    /// What struck no machine alone: cuts, breaks, chains.
    pub fn network(&mut self, rows_max: usize) {
        let bands = self.scene.film.bands.iter().filter(|band| band.machine.is_none());
        let bands: Vec<&Band> = bands.filter(|band| self.span.meets(band.from, band.until)).collect();
        if bands.is_empty() {
            return;
        }
        for (at, stacked) in stack(&bands, self.span, rows_max).into_iter().enumerate() {
            let row = self.row(16, if at == 0 { "network" } else { "" }, "");
            stacked.into_iter().for_each(|band| self.band("net", band, row));
        }
        self.row(6, "", "");
    }

    fn band(&mut self, class: &str, band: &Band, row: Row) {
        let place = (self.span.place(band.from), self.span.place(band.until));
        let title = format!("{}  {}", band.from, band.text);
        let inner = Row { top: row.top + 1, height: row.height - 3 };
        if band.until > band.from {
            self.canvas.bar(class, place, inner, (&band.text, &title));
        }
        self.canvas.text("mark", (place.0, row.top + row.height - 4), "◆", &title);
    }

    /// A lane for each machine: its process, its part in the quorum, what strikes it.
    pub fn machines(&mut self, rows_max: usize) {
        for (number, reel) in &self.scene.film.machines {
            let bands = self.scene.film.bands.iter().filter(|band| band.machine == Some(*number));
            let bands: Vec<&Band> = bands.filter(|band| self.span.meets(band.from, band.until)).collect();
            let stacked = stack(&bands, self.span, rows_max);
            let name = format!("node {number}");
            let word = self.scene.part_of(*number);
            let faults = stacked.len().max(1) as u32;
            let row = self.row(34 + 14 * faults, &name, &word);
            self.life(reel, Row { top: row.top + 2, height: 14 });
            if self.scene.is_cluster() {
                self.standing(reel, Row { top: row.top + 17, height: 12 });
            }
            for (at, bands) in stacked.into_iter().enumerate() {
                let row = Row { top: row.top + 30 + 14 * at as u32, height: 14 };
                bands.into_iter().for_each(|band| self.band("fault", band, row));
            }
            self.lanes.insert(Who::Machine(*number), Row { top: row.top + 2, height: 27 });
        }
    }

    fn life(&mut self, reel: &MachineReel, row: Row) {
        for (from, until, life) in self.stretches(&reel.life) {
            let (class, text) = match life {
                Life::Off(why) => ("off", *why),
                Life::Booting => ("booting", "starts"),
                Life::Up => ("up", ""),
                Life::Paused => ("paused", "stands still"),
                Life::Stopping => ("stopping", "is stopping"),
            };
            let title = format!("{from}  {}", if text.is_empty() { "up" } else { text });
            self.canvas.bar(class, self.places(from, until), row, (text, &title));
        }
        for (at, life) in reel.life.iter().filter(|(at, _)| self.span.holds(*at)) {
            if let Life::Off(why) = life
                && at.0 > 0
            {
                let place = (self.span.place(*at), row.top + row.height - 3);
                self.canvas.text("kill", place, "✖", &format!("{at}  {why}"));
            }
        }
    }

    fn standing(&mut self, reel: &MachineReel, row: Row) {
        for (from, until, standing) in self.stretches(&reel.standing) {
            let Some((LeaderEpoch(term), standing)) = standing else { continue };
            let (class, text) = match standing {
                Standing::Leader => ("leads", format!("leads the quorum, term {term}")),
                Standing::Candidate => ("stands", format!("stands in term {term}")),
                Standing::Follower(leader) => ("follows", format!("follows node {}, term {term}", leader.0 - 1)),
                Standing::Unattached => ("unattached", format!("knows no leader, term {term}")),
            };
            self.canvas.bar(class, self.places(from, until), row, (&text, &format!("{from}  {text}")));
        }
    }

    /// Each value of a reel that holds somewhere in this chart, and from when to when.
    pub fn stretches<'b, T>(&self, reel: &'b Reel<T>) -> Vec<(At, At, &'b T)> {
        let end = self.scene.whole.to;
        let until = reel.iter().skip(1).map(|(at, _)| *at).chain([end]);
        let all = reel.iter().zip(until).map(|((from, value), until)| (*from, until, value));
        all.filter(|(from, until, _)| self.span.meets(*from, *until)).collect()
    }

    /// Where a stretch begins and ends.
    pub fn places(&self, from: At, until: At) -> (f64, f64) {
        (self.span.place(from), self.span.place(until))
    }

    /// A line for each client, and what was acknowledged to it.
    pub fn clients(&mut self) {
        let acks = self.scene.film.acks.iter().filter(|(at, ..)| self.span.holds(*at));
        let acks: Vec<_> = acks.rev().take(MARKS_MAX).collect();
        for (number, name) in self.scene.clients().into_iter().enumerate() {
            let row = self.row(17, &name, "");
            self.canvas.line("lane", (0.0, row.top + 9), (100.0, row.top + 9), "");
            for (at, _, heard) in acks.iter().filter(|(_, client, _)| *client == number) {
                let log = self.scene.world.model.name(heard.log);
                let title = match heard.base {
                    Some(base) => format!("{at}  {log} from {base}: {} records acknowledged", heard.records),
                    None => format!("{at}  {log}: {} records acknowledged", heard.records),
                };
                self.canvas.text("ack", (self.span.place(*at), row.top + 13), "✓", &title);
            }
            self.lanes.insert(Who::Client(number), Row { top: row.top + 5, height: 8 });
        }
    }

    /// How many batches were acknowledged in each piece of time.
    pub fn pace(&mut self) {
        let mut pieces = [0u32; PIECES];
        for (at, ..) in &self.scene.film.acks {
            let piece = (self.span.place(*at) * PIECES as f64 / 100.0) as usize;
            pieces[piece.min(PIECES - 1)] += 1;
        }
        let most = pieces.iter().copied().max().unwrap_or(0).max(1);
        let row = self.row(44, "acknowledged", &format!("at most {most} batches"));
        let width = 100.0 / PIECES as f64;
        for (at, count) in pieces.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let height = (count * 36).div_ceil(most);
            let place = (at as f64 * width, (at + 1) as f64 * width);
            let bar = Row { top: row.top + 40 - height, height };
            self.canvas.bar("pace", place, bar, ("", &format!("{count} batches")));
        }
    }

    /// The stretch that is shown elsewhere in detail.
    pub fn window(&mut self, detail: Span) {
        let place = self.places(detail.from, detail.to);
        self.canvas.bar("window", place, Row { top: 0, height: self.bottom }, ("", "shown in detail below"));
    }

    /// Where it went wrong.
    pub fn finding(&mut self) {
        if self.scene.outcome.finding.is_some() {
            self.canvas.upright("finding", self.span.place(self.scene.outcome.length), "the finding");
        }
    }

    /// The chart: names on the left, and time in a box of its own.
    pub fn into_html(self, id: &str) -> String {
        let Self { canvas, labels, bottom, .. } = self;
        let mut html = format!(r#"<div class="chart" id="{id}">"#);
        let _ = writeln!(html, r#"<svg class="labels" height="{bottom}">{}</svg>"#, labels.into_shapes());
        let _ = writeln!(
            html,
            r#"<div class="scroll"><svg class="canvas" height="{bottom}">{}<line class="cursor" y1="0" y2="{bottom}"/></svg></div></div>"#,
            canvas.into_shapes()
        );
        html
    }
}

/// Puts bands into rows so that none covers another, as long as there are rows.
fn stack<'a>(bands: &[&'a Band], span: Span, rows_max: usize) -> Vec<Vec<&'a Band>> {
    let mut rows: Vec<(f64, Vec<&Band>)> = Vec::new();
    for band in bands {
        let (from, until) = (span.place(band.from), span.place(band.until));
        let until = until.max(from + APART);
        match rows.iter().position(|(free, _)| *free <= from) {
            Some(at) => {
                rows[at].0 = until;
                rows[at].1.push(band);
            }
            None if rows.len() < rows_max => rows.push((until, vec![band])),
            None => {
                if let Some((free, last)) = rows.last_mut() {
                    *free = free.max(until);
                    last.push(band);
                }
            }
        }
    }
    rows.into_iter().map(|(_, bands)| bands).collect()
}

/// Distances of the marks on the axis, in milliseconds.
const STEPS_MS: [u64; 10] = [10, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
/// The most marks on it.
const TICKS_MAX: u64 = 14;
/// How far apart marks without a length are put, in percent of the width.
const APART: f64 = 1.2;
/// The most marks of acknowledgements.
const MARKS_MAX: usize = 4_000;
/// Pieces of time in which acknowledgements are counted.
const PIECES: usize = 120;
