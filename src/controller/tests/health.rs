use std::time::Duration;

use crate::controller::Health;

#[tokio::test(start_paused = true)]
async fn a_loop_that_gives_no_sign_makes_the_process_unhealthy() {
    let health = Health::default();
    let heart = health.heart("reconciler of ImagePolicy");
    assert!(health.alive().is_ok());
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(
        health.alive().unwrap_err(),
        "reconciler of ImagePolicy: no sign of life for 61 s"
    );
    heart.beat();
    assert!(health.alive().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_ended_by_itself_makes_the_process_unhealthy_at_once() {
    let health = Health::default();
    drop(health.heart("lease"));
    assert_eq!(health.alive().unwrap_err(), "lease: has stopped");
    health.heart("watch").retire();
    assert_eq!(
        health.alive().unwrap_err(),
        "lease: has stopped",
        "one that ended as it should is not missed"
    );
}

#[tokio::test(start_paused = true)]
async fn ready_is_what_has_arrived_and_reaches_the_api_server() {
    let health = Health::default();
    let heart = health.heart("watch of ImagePolicy");
    heart.await_for("the first list is not complete");
    assert_eq!(
        health.ready().unwrap_err(),
        "watch of ImagePolicy: the first list is not complete"
    );
    heart.arrived();
    assert!(health.ready().is_ok());
    heart.missed();
    assert!(health.ready().is_ok(), "one failure is no outage");
    tokio::time::advance(Duration::from_secs(16)).await;
    heart.missed();
    assert_eq!(
        health.ready().unwrap_err(),
        "watch of ImagePolicy: failing for 16 s"
    );
    heart.reached();
    assert!(health.ready().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_hanging_run_makes_the_process_unhealthy_until_it_ends() {
    let health = Health::default();
    let heart = health.heart("reconciler of Kustomization");
    heart.stuck(Some("apps/web hangs for 900 s".to_owned()));
    assert!(health.alive().unwrap_err().contains("apps/web hangs"));
    heart.stuck(None);
    assert!(health.alive().is_ok());
}
