//! `fluxbot crds`.

use crate::support::cli::Fluxbot;
use crate::support::project_root;

#[tokio::test]
async fn every_kind_is_printed_as_the_chart_has_it() {
    let run = Fluxbot::new(["crds"]).run().await;
    let printed = run.success();
    let mut kinds = 0;
    for entry in std::fs::read_dir(project_root().join("charts/fluxbot/files/crds")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            printed.contains(&text),
            "{} differs: run make generate",
            path.display()
        );
        kinds += 1;
    }
    assert_eq!(printed.matches("kind: CustomResourceDefinition\n").count(), kinds);
    let label = "  labels:\n    app.kubernetes.io/instance: flux-system\n    app.kubernetes.io/part-of: flux\n    app.kubernetes.io/version: v";
    assert_eq!(printed.matches(label).count(), kinds, "flux check looks for them");
    for kind in [
        "ImageRepository",
        "ImagePolicy",
        "ImageUpdateAutomation",
        "GitRepository",
        "Kustomization",
        "HelmRelease",
    ] {
        assert!(printed.contains(&format!("    kind: {kind}\n")), "{kind}");
    }
}
