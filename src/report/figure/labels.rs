//! Placing labels so that none covers another.

/// Moves `wanted` centres as little as possible so that neighbours are at
/// least `gap` apart and all lie within `low..=high`. Order is kept by wanted
/// position; ties keep the order given.
///
/// When they cannot all fit, they are spread evenly over the range.
pub(super) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let count = wanted.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let room = high - low;
    let gap = if count > 1 {
        gap.min(room / (count - 1) as f64)
    } else {
        gap
    };

    // Each cluster: first rank, size, and the sum of wanted starts, whose mean
    // is the least-squares position of the cluster.
    let mut clusters: Vec<(usize, usize, f64)> = Vec::new();
    let start = |(_, size, sum): &(usize, usize, f64)| {
        let extent = gap * (*size as f64 - 1.0);
        (sum / *size as f64).clamp(low, (high - extent).max(low))
    };
    for (rank, index) in order.iter().enumerate() {
        clusters.push((rank, 1, wanted[*index]));
        while clusters.len() > 1 {
            let last = clusters[clusters.len() - 1];
            let before = clusters[clusters.len() - 2];
            if start(&before) + gap * before.1 as f64 <= start(&last) {
                break;
            }
            let shift = gap * before.1 as f64 * last.1 as f64;
            clusters.pop();
            clusters.pop();
            clusters.push((before.0, before.1 + last.1, before.2 + last.2 - shift));
        }
    }
    let mut placed = vec![0.0; count];
    for cluster in &clusters {
        let first = start(cluster);
        for step in 0..cluster.1 {
            placed[order[cluster.0 + step]] = first + gap * step as f64;
        }
    }
    placed
}

/// Which of the intervals, taken in order of priority, can be shown without
/// coming nearer than `gap` to one already shown.
pub(super) fn choose(intervals: &[(f64, f64)], gap: f64) -> Vec<bool> {
    let mut shown: Vec<(f64, f64)> = Vec::new();
    intervals
        .iter()
        .map(|(left, right)| {
            let free = shown
                .iter()
                .all(|(l, r)| right + gap <= *l || r + gap <= *left);
            if free {
                shown.push((*left, *right));
            }
            free
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_that_do_not_collide_stay() {
        assert_eq!(
            spread(&[10.0, 50.0, 30.0], 10.0, 0.0, 100.0),
            vec![10.0, 50.0, 30.0]
        );
    }

    #[test]
    fn a_pile_is_spread_around_its_middle() {
        assert_eq!(
            spread(&[50.0, 50.0, 50.0], 10.0, 0.0, 100.0),
            vec![40.0, 50.0, 60.0]
        );
    }

    #[test]
    fn the_first_in_priority_wins() {
        assert_eq!(
            choose(&[(0.0, 10.0), (11.0, 20.0), (14.0, 20.0)], 3.0),
            vec![true, false, true]
        );
    }

    proptest! {
        #[test]
        fn spread_keeps_gap_range_and_order(
            wanted in prop::collection::vec(-50.0f64..150.0, 1..12)
        ) {
            let gap = 8.0;
            let placed = spread(&wanted, gap, 0.0, 100.0);
            let mut order: Vec<usize> = (0..wanted.len()).collect();
            order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
            for pair in order.windows(2) {
                prop_assert!(placed[pair[1]] - placed[pair[0]] >= gap - 1e-6);
            }
            for y in &placed {
                prop_assert!((-1e-6..=100.0 + 1e-6).contains(y));
            }
        }
    }
}
