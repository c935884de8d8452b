//! Work that is divided among the cores.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread;

/// How many threads work at a time. Asking costs some system calls.
static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// How many threads work at a time.
pub(crate) fn cores() -> usize {
    *CORES
}

/// Works on shares of a list, each with the place of its first item, by all cores where the list is long. The error is that of the
/// first share that has one.
pub(crate) fn in_shares<T: Send, E: Send>(
    items: &mut [T],
    work: impl Fn(usize, &mut [T]) -> Result<(), E> + Sync,
) -> Result<(), E> {
    /// Fewer items are not worth a thread.
    const SHARE: usize = 250;
    if items.len() <= SHARE {
        return work(0, items);
    }
    let share = items.len().div_ceil(cores()).max(SHARE);
    let mut shares = (0..).step_by(share).zip(items.chunks_mut(share));
    let Some((_, first)) = shares.next() else {
        return Ok(());
    };
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = shares
            .map(|(place, items)| scope.spawn(move || work(place, items)))
            .collect();
        let first = work(0, first);
        let others = others.into_iter().map(|other| match other.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(first).chain(others).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::in_shares;

    #[test]
    fn all_items_are_worked_on_with_their_places_and_the_first_error_counts() {
        let mut items: Vec<usize> = vec![0; 2_001];
        let fill = |first: usize, items: &mut [usize]| {
            for (place, item) in (first..).zip(items) {
                *item = place;
            }
            Ok::<(), usize>(())
        };
        assert_eq!(in_shares(&mut items, fill), Ok(()));
        assert!(items.iter().copied().eq(0..2_001));
        let find = |_: usize, items: &mut [usize]| match items.iter().find(|item| **item % 1_000 == 999) {
            Some(item) => Err(*item),
            None => Ok(()),
        };
        assert_eq!(in_shares(&mut items, find), Err(999));
    }
}
