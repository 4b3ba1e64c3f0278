//! The same for each of several things, on all cores.

use std::iter::from_fn;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Carries out `work` on each of `items`; results in their order. A core takes the next one when it is done with one.
pub(crate) fn each<I: Sync, R: Send>(items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let take_all = || -> Vec<(usize, R)> {
        let take = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, work(items.get(at)?)))
        };
        from_fn(take).collect()
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let start = |_| scope.spawn(take_all);
        let threads: Vec<_> = (0..cores.min(items.len())).map(start).collect();
        let done = threads.into_iter().map(|t| t.join());
        done.flat_map(|part| part.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items_and_a_panic_comes_through() {
        let items: Vec<u64> = (0..100).collect();
        let uneven = |i: &u64| {
            thread::sleep(std::time::Duration::from_micros(i % 7 * 50));
            2 * i
        };
        let expected: Vec<u64> = items.iter().map(|i| 2 * i).collect();
        assert_eq!(each(&items, uneven), expected);
        assert!(each(&[], uneven).is_empty());
        let broken = std::panic::catch_unwind(|| each(&items, |i| assert_ne!(*i, 50)));
        assert!(broken.is_err());
    }
}
