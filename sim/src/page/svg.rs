//! The few shapes that the page is drawn with. Places in time are percentages of the width, so that a chart can be stretched
//! without its letters becoming wider; places from top to bottom are pixels.

use crate::clock::At;
use std::fmt::{Display, Write};

/// Text that means itself in HTML, wherever it stands.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(letter),
            // No document may have them, not even as a number.
            control if control.is_control() => safe.push('\u{fffd}'),
            plain => safe.push(plain),
        }
    }
    safe
}

/// The stretch of time that a chart shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// Its left border.
    pub from: At,
    /// Its right border.
    pub to: At,
}

impl Span {
    /// Where a moment is, in percent of the width; moments outside are at the border.
    pub fn place(self, at: At) -> f64 {
        let inside = at.0.clamp(self.from.0, self.to.0) - self.from.0;
        inside as f64 * 100.0 / (self.to.0 - self.from.0).max(1) as f64
    }

    /// Whether anything between two moments is to be seen.
    pub fn meets(self, from: At, until: At) -> bool {
        from <= self.to && until >= self.from
    }

    /// Whether a moment is to be seen.
    pub fn holds(self, at: At) -> bool {
        self.meets(at, at)
    }
}

/// From top to bottom: where it begins, and how high it is.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Where it begins.
    pub top: u32,
    /// How high it is.
    pub height: u32,
}

/// Shapes, one behind the other.
#[derive(Default)]
pub struct Canvas {
    shapes: String,
}

impl Canvas {
    /// A bar with its text inside, which is cut where the bar ends; the title is what is told of it on demand.
    pub fn bar(&mut self, class: &str, (from, until): (f64, f64), row: Row, (text, title): (&str, &str)) {
        let width = until - from;
        let Row { top, height } = row;
        let base = height - height.saturating_sub(8) / 2;
        let _ = write!(
            self.shapes,
            r#"<svg x="{from:.4}%" y="{top}" width="{width:.4}%" height="{height}"><rect class="{class}" width="100%" height="100%"/>"#
        );
        if !text.is_empty() {
            let _ = write!(self.shapes, r#"<text class="in {class}-in" x="3" y="{base}">{}</text>"#, escape(text));
        }
        self.title(title);
        self.shapes.push_str("</svg>\n");
    }

    /// A line from one place to another.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, u32), (x2, y2): (f64, u32), title: &str) {
        let _ = write!(self.shapes, r#"<line class="{class}" x1="{x1:.4}%" y1="{y1}" x2="{x2:.4}%" y2="{y2}">"#);
        self.title(title);
        self.shapes.push_str("</line>\n");
    }

    /// A line from the top of the chart to its bottom.
    pub fn upright(&mut self, class: &str, x: f64, title: &str) {
        let _ = write!(self.shapes, r#"<line class="{class}" x1="{x:.4}%" y1="0" x2="{x:.4}%" y2="100%">"#);
        self.title(title);
        self.shapes.push_str("</line>\n");
    }

    /// A letter or a few at a place.
    pub fn text(&mut self, class: &str, (x, y): (f64, u32), text: impl Display, title: &str) {
        let _ = write!(self.shapes, r#"<text class="{class}" x="{x:.4}%" y="{y}">{}"#, escape(&text.to_string()));
        self.title(title);
        self.shapes.push_str("</text>\n");
    }

    fn title(&mut self, title: &str) {
        if !title.is_empty() {
            let _ = write!(self.shapes, "<title>{}</title>", escape(title));
        }
    }

    /// Everything that was drawn.
    pub fn into_shapes(self) -> String {
        self.shapes
    }
}

#[cfg(test)]
#[path = "svg_test.rs"]
mod svg_test;
