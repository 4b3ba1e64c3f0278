//! Placing labels so that none covers another.

/// Moves `wanted` centres as little as possible so that neighbours are at
/// least `gap` apart and all lie within `low..=high`. Order is kept by wanted
/// position; ties keep the order given.
///
/// When they cannot all fit, they are spread evenly over the range.
pub(super) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let steps = wanted.len().saturating_sub(1).max(1);
    let gap = gap.min((high - low) / steps as f64);
    // Labels that touch share a cluster: the mean of the starts they want is its least-squares position.
    let start = |cluster: &Vec<usize>| {
        let starts = cluster.iter().enumerate();
        let starts = starts.map(|(step, i)| wanted[*i] - gap * step as f64);
        let extent = gap * (cluster.len() as f64 - 1.0);
        (starts.sum::<f64>() / cluster.len() as f64).clamp(low, (high - extent).max(low))
    };
    let mut clusters: Vec<Vec<usize>> = Vec::new();
    for index in order {
        let mut last = vec![index];
        let touches = |before: &Vec<usize>, last: &Vec<usize>| {
            start(before) + gap * before.len() as f64 > start(last)
        };
        while let Some(before) = clusters.pop_if(|before| touches(before, &last)) {
            last = [before, last].concat();
        }
        clusters.push(last);
    }
    let mut placed = vec![0.0; wanted.len()];
    for cluster in &clusters {
        for (step, index) in cluster.iter().enumerate() {
            placed[*index] = start(cluster) + gap * step as f64;
        }
    }
    placed
}

/// Which of the intervals, taken in order of priority, can be shown without
/// coming nearer than `gap` to one already shown.
pub(super) fn choose(intervals: &[(f64, f64)], gap: f64) -> Vec<bool> {
    let mut shown: Vec<(f64, f64)> = Vec::new();
    let choice = intervals.iter().map(|&(left, right)| {
        let free = |&(l, r): &(f64, f64)| right + gap <= l || r + gap <= left;
        let free = shown.iter().all(free);
        if free {
            shown.push((left, right));
        }
        free
    });
    choice.collect()
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
