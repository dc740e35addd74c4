//! Where labels go so that none covers another one and no leader line goes through one.

/// Room between two labels of a row.
const GAP: f64 = 8.0;

/// How wide a text of the small size is about; a little too wide rather than too narrow.
pub(super) fn width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.3
}

/// Rows for labels that begin at `x` and are so wide: pairs of where it begins and its row, 0 being next to the thing it
/// names; in the order given. What would leave the paper at `edge` is moved to the left.
///
/// From right to left, each takes the nearest row in which it reaches neither the label to its right nor the leader line
/// of one in a higher row.
pub(super) fn place(wanted: &[(f64, f64)], edge: f64) -> Vec<(f64, usize)> {
    let mut placed: Vec<(f64, usize)> = wanted.iter().map(|(x, width)| (x.min(edge - width), 0)).collect();
    let mut order: Vec<usize> = (0..placed.len()).collect();
    order.sort_by(|a, b| placed[*b].0.total_cmp(&placed[*a].0).then(b.cmp(a)));
    // Where the leftmost thing of each row begins.
    let mut rows: Vec<f64> = Vec::new();
    for index in order {
        let (x, width) = (placed[index].0, wanted[index].1);
        let row = rows.iter().position(|begin| x + width + GAP <= *begin).unwrap_or(rows.len());
        rows.resize(rows.len().max(row + 1), x);
        rows[..=row].fill(x);
        placed[index].1 = row;
    }
    placed
}

/// How many rows were taken.
pub(super) fn rows(placed: &[(f64, usize)]) -> usize {
    placed.iter().map(|(_, row)| row + 1).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_with_room_share_the_nearest_row() {
        let placed = place(&[(0.0, 50.0), (100.0, 50.0), (200.0, 50.0)], 1000.0);
        assert_eq!(placed, [(0.0, 0), (100.0, 0), (200.0, 0)]);
    }

    #[test]
    fn of_crowded_labels_the_left_ones_go_higher() {
        let placed = place(&[(0.0, 50.0), (10.0, 50.0), (20.0, 50.0)], 1000.0);
        assert_eq!(placed, [(0.0, 2), (10.0, 1), (20.0, 0)]);
        assert_eq!(rows(&placed), 3);
    }

    #[test]
    fn no_two_labels_of_a_row_touch_and_no_leader_crosses_a_label() {
        let wanted: Vec<(f64, f64)> =
            (0..40).map(|n| (f64::from(n * n % 97) * 7.0, 40.0 + f64::from(n % 5) * 9.0)).collect();
        let placed = place(&wanted, 10_000.0);
        for (a, (x, row)) in placed.iter().enumerate() {
            for (b, (other_x, other_row)) in placed.iter().enumerate().filter(|(b, _)| *b != a) {
                let (end, other_end) = (x + wanted[a].1, other_x + wanted[b].1);
                assert!(row != other_row || end < *other_x || other_end < *x, "{a} and {b} overlap");
                assert!(other_row >= row || *x <= *other_x || *x > other_end, "the leader of {a} crosses {b}");
            }
        }
    }

    #[test]
    fn a_label_at_the_edge_is_moved_onto_the_paper() {
        assert_eq!(place(&[(990.0, 50.0)], 1000.0), [(950.0, 0)]);
        assert_eq!(rows(&place(&[], 1000.0)), 0);
    }
}
