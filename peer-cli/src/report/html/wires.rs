//! Signaling messages in the waterfall: arrows from one lane to the other.

use maud::{Markup, html};

use super::arrows::{Arrow, Span};
use super::axis::place as px;
use super::text::length;
use super::timeline::Timeline;
use super::waterfall::ROW;

/// All arrows between `top` and `bottom`; `labels` tells where the label of each begins and in which row it stands.
pub(super) fn draw(messages: &[Arrow], labels: &[(f64, usize)], (top, bottom): (f64, f64), line: &Timeline) -> Markup {
    let base = |row: usize| top + 18.0 + row as f64 * ROW;
    html! {
        g.wires {
            @for arrow in messages { (wire(arrow, top, bottom, line)) }
            // Above all lines, so that each label clears its own ground.
            @for (arrow, (x, row)) in messages.iter().zip(labels) {
                text.label x=(px(*x)) y=(px(base(*row))) { (if arrow.forth { "↓ " } else { "↑ " }) (arrow.label()) }
            }
        }
    }
}

/// One arrow; several messages are a band from the first to the last.
fn wire(arrow: &Arrow, top: f64, bottom: f64, line: &Timeline) -> Markup {
    let (from, to) = if arrow.forth { (top, bottom) } else { (bottom, top) };
    let ends = |span: Span| (line.at(span.first_ms), line.at(span.last_ms));
    // An arrow with one end only stops half way.
    let (start, stop, from, to) = match (arrow.sent, arrow.received) {
        (Some(sent), Some(received)) => (ends(sent), ends(received), from, to),
        (Some(only), None) => (ends(only), ends(only), from, (from + to) / 2.0),
        (None, Some(only)) => (ends(only), ends(only), (from + to) / 2.0, to),
        (None, None) => return Markup::default(),
    };
    let arrives = arrow.received.is_some();
    let band = [(start.0, from), (start.1, from), (stop.1, to), (stop.0, to)];
    let band: Vec<String> = band.iter().map(|(x, y)| format!("{},{}", px(*x), px(*y))).collect();
    html! {
        g.wire.lost[!arrives] {
            title { (arrow.label()) ", " (length(arrow.begin_ms())) " to " (length(arrow.end_ms())) }
            @if arrow.count > 1 { polygon.band points=(band.join(" ")) {} }
            line x1=(px(start.0)) y1=(px(from)) x2=(px(stop.0)) y2=(px(to)) {}
            path.tip d=(tip(stop.0, to, to > from, arrives)) {}
        }
    }
}

/// The head of an arrow, or a cross where it ends in nothing.
fn tip(x: f64, y: f64, down: bool, arrives: bool) -> String {
    if !arrives {
        let (left, right, up, low) = (px(x - 4.0), px(x + 4.0), px(y - 4.0), px(y + 4.0));
        return format!("M{left},{up}L{right},{low}M{left},{low}L{right},{up}");
    }
    let back = if down { y - 7.0 } else { y + 7.0 };
    format!("M{},{}L{},{}L{},{}", px(x - 3.5), px(back), px(x), px(y), px(x + 3.5), px(back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrow_heads_point_to_where_the_message_goes() {
        assert_eq!(tip(10.0, 50.0, true, true), "M6.5,43L10,50L13.5,43");
        assert_eq!(tip(10.0, 20.0, false, true), "M6.5,27L10,20L13.5,27");
        assert_eq!(tip(10.0, 20.0, true, false), "M6,16L14,24M6,24L14,16");
    }
}
