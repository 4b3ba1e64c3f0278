//! Seeds of independent streams of random numbers.

/// A seed for one stream of random numbers, derived from the run's seed and a
/// path of indices (block, role, worker). SplitMix64 over the path, so that
/// neighbouring indices give unrelated streams.
pub fn derive_seed(seed: u64, path: &[u64]) -> u64 {
    path.iter().fold(seed, |state, &part| {
        let mut z = state
            .wrapping_add(part.wrapping_mul(0x9E37_79B9_7F4A_7C15))
            .wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn derived_seeds_differ(seed: u64, a in 0u64..1000, b in 0u64..1000) {
            prop_assume!(a != b);
            prop_assert_ne!(derive_seed(seed, &[a]), derive_seed(seed, &[b]));
            prop_assert_ne!(derive_seed(seed, &[a, b]), derive_seed(seed, &[b, a]));
        }
    }
}
