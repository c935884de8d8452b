//! The definitions of all kinds on a real API server.

/// A test for each kind, named after it: `$check::<Kind>()`.
macro_rules! for_every_kind {
    ($check:ident) => {
        for_every_kind! {
            $check:
            image_repository: fluxbot_api::image::ImageRepository,
            image_policy: fluxbot_api::image::ImagePolicy,
            image_update_automation: fluxbot_api::image::ImageUpdateAutomation,
            git_repository: fluxbot_api::source::GitRepository,
            oci_repository: fluxbot_api::source::OciRepository,
            bucket: fluxbot_api::source::Bucket,
            helm_repository: fluxbot_api::source::HelmRepository,
            helm_chart: fluxbot_api::source::HelmChart,
            external_artifact: fluxbot_api::source::ExternalArtifact,
            kustomization: fluxbot_api::kustomize::Kustomization,
            helm_release: fluxbot_api::helm::HelmRelease,
            alert: fluxbot_api::notification::Alert,
            provider: fluxbot_api::notification::Provider,
            receiver: fluxbot_api::notification::Receiver,
        }
    };
    ($check:ident: $($name:ident: $kind:ty,)*) => {
        mod $check {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$check::<$kind>().await;
                }
            )*

            #[test]
            fn no_kind_is_forgotten() {
                use fluxbot_api::FluxResource;
                let here = [$(<$kind>::DEFINITION.kind),*];
                let all: Vec<&str> =
                    fluxbot_api::definitions().iter().map(|definition| definition.kind).collect();
                assert_eq!(here.as_slice(), all);
            }
        }
    };
}

mod constraints;
mod damaged;
mod definitions;
mod fleet;
mod manifests;
mod rules;
mod versions;
