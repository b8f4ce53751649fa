//! What is told of a run: lines for the terminal, and one page that needs nothing else.

use std::fmt::Write;

use crate::check::Findings;
use crate::measure::{BUCKET, Figures, quantile};
use crate::plan::Plan;
use crate::run::Outcome;

/// The verdict as lines.
pub fn verdict(findings: &Findings) -> String {
    if findings.is_empty() {
        return "valid: nothing was lost, duplicated, reordered or invented\n".to_owned();
    }
    let mut text = String::from("INVALID\n");
    for (kind, count) in findings.counts() {
        line(&mut text, format_args!("  {kind:?}: {count}"));
    }
    for anomaly in findings.kept() {
        line(&mut text, format_args!("  {:?}: {}", anomaly.kind, anomaly.what));
    }
    text
}

/// The figures as lines.
pub fn figures(outcome: &Outcome) -> String {
    let Outcome { figures, compared, .. } = outcome;
    let mut text = String::new();
    line(
        &mut text,
        format_args!(
            "{} operations, {} records acknowledged in {:.0} s: {:.0} records a second; {} of unknown outcome",
            figures.operations,
            figures.records,
            seconds(figures.time),
            figures.rate(),
            figures.unknown
        ),
    );
    for roles in figures.roles() {
        let gaps = figures.gaps(&roles);
        let count = figures.kills.iter().filter(|kill| kill.roles == roles).count();
        line(
            &mut text,
            format_args!(
                "killed {}: {count} times; from kill to next acknowledgement median {}, worst {}",
                named(&roles),
                told(quantile(&gaps, 0.5)),
                told(quantile(&gaps, 1.0))
            ),
        );
    }
    line(
        &mut text,
        format_args!(
            "one record at a time to the watched partition, all of the run: median {}, 99 % {}, worst {}",
            told(quantile(&figures.watched, 0.5)),
            told(quantile(&figures.watched, 0.99)),
            told(quantile(&figures.watched, 1.0))
        ),
    );
    line(
        &mut text,
        format_args!(
            "files of {} partitions compared: {} batches, {} bytes of each replica",
            compared.partitions, compared.batches, compared.bytes
        ),
    );
    text
}

/// The page. `command` is what was asked for.
pub fn page(plan: &Plan, outcome: &Outcome, command: &str) -> String {
    let Outcome { findings, figures, .. } = outcome;
    let (class, word) = if findings.is_empty() { ("good", "valid") } else { ("bad", "INVALID") };
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Ottla: kill -9</title><style>{STYLE}</style>\n\
         <h1>Real brokers, killed <span class=\"{class}\">{word}</span></h1>\n"
    );
    line(&mut page, format_args!("<p><code>ottla-jepsen {}</code></p>", escaped(command)));
    line(&mut page, format_args!("<p>{}</p>", setup(plan)));
    line(&mut page, format_args!("<pre>{}{}</pre>", escaped(&self::figures(outcome)), escaped(&verdict(findings))));
    line(&mut page, format_args!("<h2>Records acknowledged a second</h2>{}", timeline(figures)));
    line(&mut page, format_args!("<h2>From kill to next acknowledgement</h2>{}", gaps(figures)));
    line(&mut page, format_args!("<h2>Each kill</h2>{}", table(figures)));
    page.push_str(MEANING);
    page
}

fn setup(plan: &Plan) -> String {
    let (shape, load) = (plan.shape, plan.load);
    format!(
        "{:?} {}: {} broker processes on one machine, of which {} vote in the metadata quorum. {} partitions in {} topics with {} \
         replicas, min.insync.replicas=2, acks=all, idempotent producers (franz-go: it asks for leaders every 50 ms at most and \
         tries again after 20 ms). {} processes send {} records of {} bytes at a time with one operation under way each, \
         through {} producers; one more sends record by record to the watched partition; {} read along. A killed broker stays \
         away for {:.1} s, and nobody is killed before all replicas are in sync.",
        shape.kind,
        env!("CARGO_PKG_VERSION"),
        shape.brokers,
        shape.voters,
        load.partitions,
        load.topics,
        load.replicas,
        load.senders,
        load.batch,
        load.record_bytes,
        load.producers,
        load.readers,
        plan.down.as_secs_f64()
    )
}

/// Acknowledged records over time, with bands from each kill to the moment when all is whole again.
fn timeline(figures: &Figures) -> String {
    let most = figures.buckets.iter().copied().max().unwrap_or(0).max(1);
    let end = (figures.buckets.len() as i64).max(1);
    let across = |time: i64| LEFT + (WIDTH - LEFT) * time as f64 / (end * BUCKET) as f64;
    let up = |count: i64| HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 10.0) * count as f64 / most as f64;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for kill in &figures.kills {
        let (from, until) = (across(kill.at), across(kill.at + kill.whole.or(kill.up).unwrap_or(0)));
        let class = if kill.roles.iter().any(|role| role == "leader") { "leader" } else { "other" };
        let width = (until - from).max(1.0);
        let title = format!("{:.1} s: {:?} killed ({})", seconds(kill.at), kill.nodes, named(&kill.roles));
        line(
            &mut svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"10\" width=\"{width:.1}\" height=\"{:.1}\"><title>{title}</title></rect>",
                HEIGHT - BOTTOM - 10.0
            ),
        );
    }
    let mut path = String::new();
    for (at, count) in figures.buckets.iter().enumerate() {
        let _ = write!(path, "{}{:.1} {:.1}", if at == 0 { "M" } else { "L" }, across(at as i64 * BUCKET), up(*count));
    }
    line(&mut svg, format_args!("<path d=\"{path}\"/>"));
    let top = most as f64 * 1e9 / BUCKET as f64;
    line(
        &mut svg,
        format_args!("<text x=\"0\" y=\"18\">{top:.0}</text><text x=\"0\" y=\"{:.0}\">0</text>", HEIGHT - BOTTOM),
    );
    for mark in 0..=MARKS {
        let time = end * BUCKET * mark / MARKS;
        let place = if mark == MARKS { "end" } else { "middle" };
        line(
            &mut svg,
            format_args!(
                "<text text-anchor=\"{place}\" x=\"{:.1}\" y=\"{:.0}\">{:.0} s</text>",
                across(time),
                HEIGHT - 4.0,
                seconds(time)
            ),
        );
    }
    svg + "</svg>"
}

/// A bar for each kill.
fn gaps(figures: &Figures) -> String {
    let most = figures.kills.iter().filter_map(|kill| kill.gap).max().unwrap_or(1).max(1);
    let step = (WIDTH - LEFT) / figures.kills.len().max(1) as f64;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for (at, kill) in figures.kills.iter().enumerate() {
        let gap = kill.gap.unwrap_or(most);
        let height = (HEIGHT - BOTTOM - 10.0) * gap as f64 / most as f64;
        let class = if kill.roles.len() == 1 && kill.roles[0] == "leader" { "bar" } else { "bar both" };
        line(
            &mut svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}: {}</title></rect>",
                LEFT + step * at as f64,
                HEIGHT - BOTTOM - height,
                (step * 0.8).max(1.0),
                named(&kill.roles),
                told(kill.gap)
            ),
        );
    }
    line(&mut svg, format_args!("<text x=\"0\" y=\"18\">{}</text>", told(Some(most))));
    svg + "</svg>"
}

fn table(figures: &Figures) -> String {
    let mut text = String::from(
        "<table><tr><th>at<th>brokers<th>they were<th>next acknowledgement<th>slowest under way<th>answers again<th>all in sync</tr>\n",
    );
    for kill in &figures.kills {
        let nodes: Vec<String> = kill.nodes.iter().map(ToString::to_string).collect();
        line(
            &mut text,
            format_args!(
                "<tr><td>{:.1} s<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
                seconds(kill.at),
                nodes.join(", "),
                named(&kill.roles),
                told(kill.gap),
                told(Some(kill.slowest)),
                told(kill.up),
                told(kill.whole)
            ),
        );
    }
    text + "</table>"
}

fn named(roles: &[String]) -> String {
    if roles.is_empty() { "neither leader nor controller".to_owned() } else { roles.join(" and ") }
}

/// A time for people; `None` never came.
fn told(time: Option<i64>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{:.1} ms", time as f64 / 1e6))
}

fn seconds(time: i64) -> f64 {
    time as f64 / 1e9
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn line(text: &mut String, what: std::fmt::Arguments) {
    writeln!(text, "{what}").expect("text grows");
}

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 220.0;
/// Room for numbers.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 22.0;
/// How many times are written below.
const MARKS: i64 = 6;
const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}\
pre{background:#f4f4f4;padding:1em;white-space:pre-wrap}svg{width:100%;height:auto}path{fill:none;stroke:#06c;stroke-width:1.2}\
text{font-size:12px;fill:#555}.leader{fill:#fbb}.other{fill:#ddd}.bar{fill:#06c}.both{fill:#c60}\
.good{color:#080}.bad{color:#c00}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;\
padding:.2em .6em;text-align:right}";
const MEANING: &str = "<h2>What is judged</h2><p>Nothing that was acknowledged, or that a reader saw, is gone or stands elsewhere; \
nothing is there twice; nothing is there that nobody sent, byte by byte; what a process sent stands in its order, and behind all \
that was acknowledged before it was asked; readers see each offset once, in order; no client gave an operation up; after an \
orderly end the logs of all replicas have the same batches, byte by byte; no broker panicked. In the pictures, red bands last \
from a leader's kill until all replicas are in sync again; orange bars are kills of more than the partition's leader.</p>\n";

#[cfg(test)]
#[path = "report_test.rs"]
mod report_test;
