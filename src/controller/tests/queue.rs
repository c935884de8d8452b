use std::time::Duration;

use crate::controller::Queue;
use crate::objects::ObjectKey;

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ns", name)
}

/// What is handed out within a moment of (paused) time, in order.
async fn due(queue: &Queue, within: Duration) -> Vec<String> {
    let mut names = Vec::new();
    let deadline = tokio::time::Instant::now() + within;
    while let Ok(key) = tokio::time::timeout_at(deadline, queue.next()).await {
        names.push(key.name);
    }
    names
}

const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn an_object_that_is_woken_twice_is_handed_out_once() {
    let queue = Queue::default();
    queue.wake(&key("a"));
    queue.wake(&key("a"));
    assert_eq!(due(&queue, MOMENT).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_wake_during_a_run_is_kept_until_the_run_has_ended() {
    let queue = Queue::default();
    queue.wake(&key("a"));
    assert_eq!(queue.next().await, key("a"));
    queue.wake(&key("a"));
    assert!(
        due(&queue, MOMENT).await.is_empty(),
        "an object never runs twice at once"
    );
    queue.finish(&key("a"), Some(Duration::from_mins(1)));
    assert_eq!(due(&queue, MOMENT).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_times_the_earlier_counts() {
    let queue = Queue::default();
    queue.wake_after(&key("a"), Duration::from_mins(1));
    queue.wake_after(&key("a"), Duration::from_secs(5));
    queue.wake_after(&key("a"), Duration::from_mins(10));
    assert!(due(&queue, Duration::from_secs(4)).await.is_empty());
    assert_eq!(due(&queue, Duration::from_secs(2)).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_wake_comes_through_while_the_queue_waits_for_a_later_object() {
    let queue = std::sync::Arc::new(Queue::default());
    queue.wake_after(&key("late"), Duration::from_hours(1));
    let waiting = tokio::spawn({
        let queue = std::sync::Arc::clone(&queue);
        async move { queue.next().await }
    });
    tokio::task::yield_now().await;
    queue.wake(&key("now"));
    let next = tokio::time::timeout(MOMENT, waiting).await.unwrap().unwrap();
    assert_eq!(next, key("now"));
}

#[tokio::test(start_paused = true)]
async fn nothing_planned_survives_the_object() {
    let queue = Queue::default();
    queue.wake_after(&key("a"), Duration::from_secs(5));
    queue.wake(&key("b"));
    assert_eq!(queue.next().await, key("b"));
    queue.wake(&key("b"));
    queue.set_failures(&key("b"), 3);
    queue.forget(&key("a"));
    queue.forget(&key("b"));
    queue.finish(&key("b"), None);
    assert!(due(&queue, Duration::from_mins(1)).await.is_empty());
    assert_eq!(queue.failures(&key("b")), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_longest_comes_first() {
    let queue = Queue::default();
    for name in ["c", "a", "b"] {
        queue.wake(&key(name));
        tokio::time::advance(MOMENT).await;
    }
    assert_eq!(due(&queue, MOMENT).await, ["c", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_time_beyond_the_clock_is_no_error() {
    let queue = Queue::default();
    queue.wake_after(&key("a"), Duration::MAX);
    assert_eq!(queue.counts(), (0, 0));
}
