use super::{Canvas, Row, Span, escape};
use crate::clock::At;

#[test]
fn foreign_text_means_itself_wherever_it_stands() {
    assert_eq!(escape(r#"<b a="1" c='2'>&"#), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
    assert_eq!(escape("a\u{0}b\u{1b}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
    let mut canvas = Canvas::default();
    canvas.bar("up", (0.0, 1.0), Row { top: 0, height: 12 }, ("</text><script>", "\"><script>"));
    canvas.line("m", (0.0, 0), (1.0, 1), "<script>");
    canvas.text("ack", (0.0, 0), "<script>", "<script>");
    let shapes = canvas.into_shapes();
    assert!(!shapes.contains("<script") && shapes.contains("&lt;script&gt;"), "{shapes}");
}

#[test]
fn moments_outside_of_a_chart_are_at_its_border() {
    let span = Span { from: At::secs(10), to: At::secs(20) };
    let places = [5, 10, 15, 20, 30].map(|secs| span.place(At::secs(secs)));
    assert_eq!(places, [0.0, 0.0, 50.0, 100.0, 100.0]);
    assert!(span.meets(At::secs(5), At::secs(11)) && !span.meets(At::secs(5), At::secs(9)));
    assert!(span.holds(At::secs(20)) && !span.holds(At::secs(21)));
}
