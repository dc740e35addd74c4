//! The matrix as a page: one grid for each mode, a row and a column for each kind of network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Cell, End, Kind, Mode, Outcome, Path};

const STYLE: &str = include_str!("grid.css");

/// The whole page. It needs no network; `title` says what was tried, such as the name of the relay.
pub fn page(title: &str, kinds: &[Kind], cells: &[Cell]) -> String {
    let wrong: Vec<&Cell> = cells.iter().filter(|cell| !cell.wrong.is_empty()).collect();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    p.verdict.bad[!wrong.is_empty()] {
                        @if wrong.is_empty() { "All " (cells.len()) " calls went as they must." }
                        @else { (wrong.len()) " of " (cells.len()) " calls did not go as they must." }
                    }
                    @if !wrong.is_empty() {
                        ul { @for cell in &wrong { li {
                            (cell.name()) ": " (cell.wrong.join("; "))
                        } } }
                    }
                    @for mode in Mode::ALL {
                        @let of_mode: Vec<&Cell> = cells.iter().filter(|cell| cell.mode == mode).collect();
                        @if !of_mode.is_empty() { (grid(mode, kinds, &of_mode)) }
                    }
                    (legend())
                }
            }
        }
    }
    .into_string()
}

fn grid(mode: Mode, kinds: &[Kind], cells: &[&Cell]) -> Markup {
    let heading = match mode {
        Mode::Stun => "With a STUN server only",
        Mode::Turn => "With STUN and TURN",
        Mode::Browser => "With STUN and TURN, and a browser at one end",
    };
    html! {
        h2 { (heading) }
        div.scroll tabindex="0" role="region" aria-label=(heading) {
            table {
                thead { tr { th scope="col" { "between ↓ and →" } @for kind in kinds { th scope="col" { (kind.label()) } } } }
                tbody { @for &a in kinds {
                    tr {
                        th scope="row" { (a.label()) }
                        @for &b in kinds {
                            @let here: Vec<&&Cell> = cells.iter().filter(|cell| cell.pair.is_between(a, b)).collect();
                            (calls(a, &here))
                        }
                    }
                } }
            }
        }
    }
}

/// All calls of one pair in one mode, as seen from the network of this row; the last one stands for them, a wrong one
/// before a right one.
fn calls(row: Kind, cells: &[&&Cell]) -> Markup {
    let Some(shown) = cells.iter().find(|cell| !cell.wrong.is_empty()).or_else(|| cells.last()) else {
        return html! { td.none { "not tried" } };
    };
    let class = match (shown.wrong.is_empty(), shown.outcome) {
        (false, _) => "wrong",
        (true, Outcome::Through(Path::Direct)) => "direct",
        (true, Outcome::Through(Path::Relay)) => "relay",
        (true, Outcome::Failed) => "failed",
    };
    let mut sides = shown.sides.each_ref();
    if shown.pair.a != row {
        sides.reverse();
    }
    html! {
        td class=(class) {
            strong { @if !shown.wrong.is_empty() { "wrong: " } (shown.outcome.name()) }
            @if let Some(time) = shown.connected() { span.time { (format!("{:.2} s", time.as_secs_f64())) } }
            @for side in sides {
                span.pair {
                    @if side.end == End::Page { b { "browser " } }
                    @match (shown.outcome, &side.pair) {
                        (Outcome::Through(_), Some((local, remote))) => { (local) " → " (remote) }
                        (Outcome::Through(_) | Outcome::Failed, _) => { (code(&side.code)) }
                    }
                }
            }
            @if cells.len() > 1 { span.time { (count(cells)) } }
        }
    }
}

/// A code, which may be broken behind its underscores alone.
fn code(text: &str) -> Markup {
    html! { @for word in text.split_inclusive('_') { (word) wbr; } }
}

fn count(cells: &[&&Cell]) -> String {
    let wrong = cells.iter().filter(|cell| !cell.wrong.is_empty()).count();
    if wrong == 0 { format!("{} calls", cells.len()) } else { format!("{wrong} of {} calls wrong", cells.len()) }
}

fn legend() -> Markup {
    html! {
        h2 { "How to read it" }
        dl {
            dt.direct { "direct" }
            dd { "Media went from one network to the other without a relay." }
            dt.relay { "relay" }
            dd { "Media went through the relay, as it has to between these networks." }
            dt.failed { "failed" }
            dd { "The call failed, as it has to between these networks without a relay. Below it stands what each side says of it; PEER_LEFT: the other one gave up first." }
            dt.wrong { "wrong" }
            dd { "Not as theory has it." }
        }
        p { "Each pair of networks is tried once and stands in two places. "
            "The time is that from READY to a connection at the slower side. Below it stands the pair of candidates that each side used, its own one first; the side in the network of the row comes first. "
            "That media went where the peers say is counted at the sites, not by the peers." }
    }
}
