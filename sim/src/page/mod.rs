//! A run as a page to look at: one HTML file with everything in it. Time goes from left to right; machines, clients and
//! partitions lie below each other; the readable lines stand beside them. See `docs/debugging.md` for what each mark means.

mod arrows;
mod chart;
mod film;
mod lines;
mod partitions;
mod svg;
mod talk;

pub(crate) use film::Film;

use crate::clock::At;
use crate::model::Finding;
use crate::plan::{Plan, STRIKES_FROM};
use crate::report::{Outcome, Trace};
use crate::run::run_world;
use crate::world::World;
use chart::Chart;
use lines::{Sort, lines};
use ottla_core::types::LogId;
use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;
use svg::{Span, escape};
use talk::Kind;

/// What a page is made of.
pub struct Scene<'a> {
    world: &'a World,
    film: &'a Film,
    outcome: &'a Outcome,
    /// The whole run.
    whole: Span,
    /// What is shown in detail.
    detail: Span,
}

/// A run and the page of it.
pub struct Recorded {
    /// How it ended.
    pub outcome: Outcome,
    /// A line for each event.
    pub lines: Vec<String>,
    /// The page.
    pub page: String,
}

/// Runs a plan and makes a page of it. The seconds are what is shown in detail, if the end is not what matters; the command
/// is what brings the run back.
pub fn record(plan: Plan, command: &str, seconds: Option<Range<u64>>) -> Recorded {
    let description = plan.describe();
    let mut world = World::new(plan, Trace::new(true));
    world.roll_film();
    let outcome = run_world(&mut world);
    let film = world.film.take().expect("it was put there");
    let whole = Span { from: At::START, to: At(outcome.length.0.max(1)) };
    let detail = seconds.map_or_else(
        || worth_seeing(&outcome),
        |range| Span { from: At::secs(range.start), to: At::secs(range.end.max(range.start + 1)) },
    );
    let scene = Scene { world: &world, film: &film, outcome: &outcome, whole, detail };
    let page = scene.page(command, &description);
    Recorded { outcome, lines: world.trace.lines().iter().map(ToString::to_string).collect(), page }
}

/// What is shown in detail: what led to the finding; where nothing was found, the first strikes.
fn worth_seeing(outcome: &Outcome) -> Span {
    let to = match &outcome.finding {
        Some(_) => outcome.length + MARGIN,
        None => STRIKES_FROM + DETAIL,
    };
    let detail = u64::try_from(DETAIL.as_nanos()).unwrap_or(u64::MAX);
    Span { from: At(to.0.saturating_sub(detail)), to }
}

impl World {
    /// From now on everything is kept that a page needs.
    fn roll_film(&mut self) {
        self.film = Some(Box::default());
        self.model.heard = Some(Vec::new());
    }
}

impl Scene<'_> {
    fn is_cluster(&self) -> bool {
        self.world.plan.options.cluster
    }

    /// What a machine is in its cluster, as the run begins.
    fn part_of(&self, machine: usize) -> String {
        let options = &self.world.plan.options;
        let voter = if machine < options.shape.voters { ", votes" } else { "" };
        match (self.is_cluster(), options.is_broker(machine)) {
            (false, _) => String::new(),
            (true, true) => format!("broker {}{voter}", machine + 1),
            (true, false) => format!("controller {}{voter}", machine + 1),
        }
    }

    fn clients(&self) -> Vec<String> {
        self.world.peers.iter().map(|peer| peer.name.clone()).collect()
    }

    /// The partitions that are charted: those that the finding speaks of, then those with the most to see.
    fn charted(&self) -> Vec<LogId> {
        let text = self.outcome.finding.as_ref().map_or("", |finding| finding.text.as_str());
        let busy = |log: &LogId| {
            let reel = &self.film.partitions[log];
            let changes = reel.states.iter().filter(|(at, _)| self.detail.holds(*at)).count();
            let moves = reel.copies.values().flatten().filter(|(at, _)| self.detail.holds(*at)).count();
            (names(text, &reel.name) || text.contains(&format!("{log:?}")), changes, moves)
        };
        let is_ours = |log: &LogId| self.world.model.topic_with_id(log.topic).is_some();
        let known = self.film.partitions.keys().copied();
        let mut logs: Vec<LogId> = known.filter(|log| is_ours(log) || busy(log).0).collect();
        logs.retain(|log| *log != LogId::METADATA);
        logs.sort_by_key(|log| std::cmp::Reverse(busy(log)));
        logs.truncate(CHARTS_MAX);
        if self.is_cluster() {
            logs.push(LogId::METADATA);
        }
        logs
    }

    fn page(&self, command: &str, description: &str) -> String {
        let mut html = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
        let title = match &self.outcome.finding {
            Some(Finding { oracle, .. }) => format!("seed {}: {oracle}", self.outcome.seed),
            None => format!("seed {}: nothing found", self.outcome.seed),
        };
        let shown = Kind::ALL.into_iter().filter(|kind| !kind.is_shown()).map(|kind| format!("no-m-{}", kind.class()));
        let hidden = Sort::ALL.into_iter().filter(|sort| !sort.is_shown()).map(|sort| format!("no-l-{}", sort.class()));
        let classes: Vec<String> = shown.chain(hidden).collect();
        let _ = write!(
            html,
            "<title>{}</title>\n<style>\n{STYLE}{}</style></head>\n<body class=\"{}\">\n",
            escape(&title),
            switches(),
            classes.join(" ")
        );
        self.head(&mut html, command, description);
        self.overview(&mut html);
        self.details(&mut html);
        let _ = write!(html, "<script>\n{SCRIPT}</script>\n</body></html>\n");
        html
    }

    /// What the run was, and how it ended.
    fn head(&self, html: &mut String, command: &str, description: &str) {
        let Outcome { seed, digest, events, length, finding, from_inside, marks } = self.outcome;
        let _ = match finding {
            Some(Finding { oracle, text }) => {
                let inside = if *from_inside { " (asserted inside the broker)" } else { "" };
                let (oracle, text) = (escape(oracle), escape(text));
                writeln!(
                    html,
                    "<h1>Seed {seed} <em class=bad>found {oracle}{inside} at {length} s</em></h1><pre class=verdict>{text}</pre>"
                )
            }
            None => writeln!(html, "<h1>Seed {seed} <em class=good>nothing found</em></h1>"),
        };
        let _ = writeln!(
            html,
            "<p class=facts><code>{}</code> · {events} events in {length} s of world time · digest {digest:016x} · sources {TREE}</p>",
            escape(command)
        );
        let mut reached = String::new();
        for (mark, times) in marks {
            let _ = writeln!(reached, "{times:>9}  {mark}");
        }
        let _ = writeln!(
            html,
            "<details><summary>what the run was given</summary><pre>{}</pre></details>\n<details><summary>what it reached</summary><pre>{}</pre></details>\n<details><summary>how to read this</summary>{LEGEND}</details>",
            escape(description),
            escape(&reached)
        );
    }

    /// The whole run in one chart.
    fn overview(&self, html: &mut String) {
        let _ = writeln!(html, "<h2>The whole run</h2>");
        let mut chart = Chart::new(self, self.whole);
        chart.network(4);
        chart.machines(2);
        chart.pace();
        chart.window(self.detail);
        chart.finding();
        html.push_str(&chart.into_html("whole"));
    }

    /// A stretch of it in detail, and its lines beside it.
    fn details(&self, html: &mut String) {
        let mut chart = Chart::new(self, self.detail);
        chart.network(6);
        chart.machines(3);
        chart.clients();
        let said = chart.talk();
        chart.partitions(&self.charted());
        chart.finding();
        let Span { from, to } = self.detail;
        let _ = writeln!(html, "<h2>From {} s to {} s</h2>", from.to_string().trim(), to.to_string().trim());
        let _ = writeln!(html, r#"<div class="tools"><span>stretched"#);
        for times in [1, 4, 16, 64] {
            let _ = write!(html, r#"<button data-zoom="{times}">{times}×</button>"#);
        }
        html.push_str("</span><span>messages");
        for kind in Kind::ALL {
            let (shown, left_out) = said.get(&kind).copied().unwrap_or_default();
            let more = if left_out > 0 { format!(", {left_out} older ones left out") } else { String::new() };
            let words = format!("{} ({shown}{more})", kind.name());
            switch(html, &format!("m-{}", kind.class()), &words, kind.is_shown());
        }
        html.push_str("</span></div>\n<div class=columns><div class=charts>");
        html.push_str(&chart.into_html("detail"));
        html.push_str("</div><div class=beside><div class=tools>lines");
        let (text, left_out) = lines(self.world.trace.lines(), self.detail);
        for sort in Sort::ALL {
            let more = left_out.get(&sort).map_or(String::new(), |count| format!(" ({count} older ones left out)"));
            switch(html, &format!("l-{}", sort.class()), &format!("{}{more}", sort.name()), sort.is_shown());
        }
        html.push_str("<input id=filter placeholder='only lines with …'></div>\n<div id=lines>\n");
        html.push_str(&text);
        if let Some(Finding { oracle, text }) = &self.outcome.finding {
            let (at, oracle, text) = (self.outcome.length, escape(oracle), escape(text));
            let x = self.detail.place(at);
            let _ = writeln!(html, r#"<p class="l-finding" data-x="{x:.4}"><i>{at}</i><b>{oracle}</b>{text}</p>"#);
        }
        html.push_str("</div></div></div>\n");
    }
}

/// Something that can be shown and hidden.
fn switch(html: &mut String, class: &str, words: &str, is_on: bool) {
    let on = if is_on { " checked" } else { "" };
    let _ = write!(
        html,
        r#"<label class="sw-{class}"><input type="checkbox" data-hides="no-{class}"{on}>{}</label>"#,
        escape(words)
    );
}

/// What hides what.
fn switches() -> String {
    let classes = Kind::ALL.into_iter().map(|kind| format!("m-{}", kind.class()));
    let classes = classes.chain(Sort::ALL.into_iter().map(|sort| format!("l-{}", sort.class())));
    classes.map(|class| format!(".no-{class} .{class}{{display:none}}\n")).collect()
}

/// Whether a text speaks of a partition by its name, and not of one whose name is longer.
fn names(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| !text[at + name.len()..].starts_with(|next: char| next.is_ascii_digit()))
}

/// How much is shown in detail.
const DETAIL: Duration = Duration::from_secs(12);
/// What is shown behind a finding.
const MARGIN: Duration = Duration::from_millis(150);
/// The most partitions of topics that are charted.
const CHARTS_MAX: usize = 3;
/// The fingerprint of the sources that this program was built from.
const TREE: &str = env!("OTTLA_SOURCES");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
const LEGEND: &str = include_str!("legend.html");

#[cfg(test)]
#[path = "page_test.rs"]
mod page_test;
