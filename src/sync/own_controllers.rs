//! Which objects of a repository would install the controllers of Flux whose work this process does.

use serde_json::Value;

use super::object::Object;

/// Whether an object is part of an installation of Flux that must not be applied here: the Deployment of one of the `replaced`
/// controllers, whose work this process does, or the definition of one of its kinds, which would take away versions and fields that this process knows.
///
/// Such objects are recognised by the labels that `flux install` writes and, for Deployments, by an image of the project. They
/// stay in the inventory, so that nothing that is there is deleted.
#[must_use]
pub fn replaces_us(object: &Object, replaced: &[&str]) -> bool {
    let component = object.label("app.kubernetes.io/component").unwrap_or_default();
    if object.label("app.kubernetes.io/part-of") != Some("flux") || !replaced.contains(&component) {
        return false;
    }
    match (object.group(), object.kind()) {
        ("apps", "Deployment") => has_image_of(&object.value, component),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => true,
        _ => false,
    }
}

/// Whether a container runs the controller: an image such as `ghcr.io/fluxcd/source-controller:v1.9.4`, from whatever mirror.
fn has_image_of(deployment: &Value, component: &str) -> bool {
    let containers = deployment.pointer("/spec/template/spec/containers");
    let images = containers.and_then(Value::as_array).into_iter().flatten();
    images
        .filter_map(|container| container.get("image")?.as_str())
        .any(|image| {
            let name = image.rsplit('/').next().unwrap_or_default();
            let name = name.split(['@', ':']).next().unwrap_or_default();
            name == component
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const REPLACED: [&str; 2] = ["source-controller", "kustomize-controller"];

    fn deployment(component: &str, part_of: &str, image: &str) -> Object {
        Object::new(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": component, "labels": {"app.kubernetes.io/part-of": part_of,
                "app.kubernetes.io/component": component}},
            "spec": {"template": {"spec": {"containers": [{"name": "manager", "image": image}]}}}}))
    }

    #[rstest]
    #[case("source-controller", "flux", "ghcr.io/fluxcd/source-controller:v1.9.4", true)]
    #[case(
        "kustomize-controller",
        "flux",
        "mirror.example:5000/kustomize-controller@sha256:0",
        true
    )]
    #[case::whose_work_nobody_does("helm-controller", "flux", "ghcr.io/fluxcd/helm-controller:v1.6.3", false)]
    #[case::of_ours("source-controller", "flux", "example.org/fluxbot:1", false)]
    #[case::of_others("source-controller", "shop", "ghcr.io/fluxcd/source-controller:v1.9.4", false)]
    fn a_deployment(
        #[case] component: &str,
        #[case] part_of: &str,
        #[case] image: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(
            replaces_us(&deployment(component, part_of, image), &REPLACED),
            expected
        );
    }

    #[rstest]
    #[case(Some("source-controller"), true)]
    #[case::whose_work_nobody_does(Some("helm-controller"), false)]
    #[case::of_ours(None, false)]
    fn a_definition(#[case] component: Option<&str>, #[case] expected: bool) {
        let object = Object::new(
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.org", "labels": {"app.kubernetes.io/part-of": "flux",
                "app.kubernetes.io/component": component}}}),
        );
        assert_eq!(replaces_us(&object, &REPLACED), expected);
    }
}
