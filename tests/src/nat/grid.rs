//! The matrix as a page: one grid for each mode, a row and a column for each kind of network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Cell, Kind, Mode, Outcome, Path};

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
                            (cell.pair.a.label()) " with " (cell.pair.b.label()) ", " (cell.mode.name()) ": " (cell.wrong.join("; "))
                        } } }
                    }
                    @for mode in [Mode::Stun, Mode::Turn] {
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
    };
    html! {
        h2 { (heading) }
        div.scroll tabindex="0" role="region" aria-label=(heading) {
            table {
                thead { tr { th scope="col" { "from \\ to" } @for kind in kinds { th scope="col" { (kind.label()) } } } }
                tbody { @for (row, &a) in kinds.iter().enumerate() {
                    tr {
                        th scope="row" { (a.label()) }
                        @for (column, &b) in kinds.iter().enumerate() {
                            @let (first, second) = if row <= column { (a, b) } else { (b, a) };
                            @let here: Vec<&&Cell> =
                                cells.iter().filter(|cell| (cell.pair.a, cell.pair.b) == (first, second)).collect();
                            (calls(&here))
                        }
                    }
                } }
            }
        }
    }
}

/// All calls of one pair in one mode; the last one stands for them, a wrong one before a right one.
fn calls(cells: &[&&Cell]) -> Markup {
    let Some(shown) = cells.iter().find(|cell| !cell.wrong.is_empty()).or_else(|| cells.last()) else {
        return html! { td.none { "not tried" } };
    };
    let class = match (shown.wrong.is_empty(), shown.outcome) {
        (false, _) => "wrong",
        (true, Outcome::Through(Path::Direct)) => "direct",
        (true, Outcome::Through(Path::Relay)) => "relay",
        (true, Outcome::Failed) => "failed",
    };
    html! {
        td class=(class) {
            strong { @if !shown.wrong.is_empty() { "wrong: " } (shown.outcome.name()) }
            @if let Some(time) = shown.connected() { span.time { (format!("{:.2} s", time.as_secs_f64())) } }
            @if matches!(shown.outcome, Outcome::Failed) {
                @for side in &shown.sides { span.pair { (side.code) } }
            } @else {
                @for side in &shown.sides {
                    @if let Some((local, remote)) = &side.pair { span.pair { (local) " → " (remote) } }
                }
            }
            @if cells.len() > 1 { span.time { (cells.len()) " calls" } }
        }
    }
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
            dd { "The call failed, as it has to between these networks without a relay; below, what each side says of it." }
            dt.wrong { "wrong" }
            dd { "Not as theory has it." }
        }
        p { "The time is that from READY to a connection at the slower side. Below it stands the pair of candidates that each side used, its own one first. "
            "That media went where the peers say is counted at the sites, not by the peers." }
    }
}
