//! Running the built program.

use crate::support::cli::Fluxbot;

#[tokio::test]
async fn the_built_program_runs_in_a_home_of_its_own() {
    let program = Fluxbot::new(["--version"]).home_file(".docker/config.json", "{}");
    let home = program.home().to_path_buf();
    assert!(home.join(".docker/config.json").exists());
    program.run().await.success();
    assert!(!home.exists(), "the home directory outlives the run");
}
