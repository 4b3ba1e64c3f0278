//! Client transactions per second, with an interval.

use super::contrast::{Estimate, interval, resamplings, weighted_sums};
use crate::record::{Block, Role};
use crate::seed::derive_seed;

/// Client transactions per second that ended well, with a 95 % bootstrap interval over these blocks (the
/// estimate's fields are bare numbers, not ns). `None` where none did.
pub fn client_rate(blocks: &[&Block], seed: u64) -> Option<Estimate> {
    let counts: Vec<(u64, u64)> = blocks
        .iter()
        .filter_map(|b| Some((b.tallies.get(&Role::Client)?.succeeded(), b.measured_ns)))
        .collect();
    let rate = |weights: &[u32]| {
        let (done, ns) = weighted_sums(&counts, weights);
        (ns > 0.0).then(|| done * 1e9 / ns)
    };
    let value = rate(&vec![1; counts.len()]).filter(|rate| *rate > 0.0)?;
    let resampled = resamplings(counts.len(), derive_seed(seed, &[0x434C_5254]))
        .map(|weights| rate(&weights).unwrap_or(value))
        .collect();
    Some(interval(value, resampled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Arm;
    use crate::testing::sample_run;

    #[test]
    fn blocks_without_clients_have_no_rate_and_equal_ones_no_spread() {
        let run = sample_run(8);
        let level = run.levels()[0].clone();
        assert_eq!(
            client_rate(&run.blocks_of(Arm::Quiet, false, &level), 1),
            None
        );
        let rate = client_rate(&run.blocks_of(Arm::Unpooled, false, &level), 1).unwrap();
        assert!(rate.value_ns > 0.0);
        assert_eq!((rate.low_ns, rate.high_ns), (rate.value_ns, rate.value_ns));
    }
}
