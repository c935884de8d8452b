use rstest::rstest;
use serde::Deserialize;

use super::*;
use crate::image::{ImageRef, PolicyKey};
use crate::setters::{Change, Field, Marker, ObjectIdentifier};

const GOLDEN: &str = include_str!("golden/messages.jsonl");

/// The first line of the golden file.
#[derive(Debug, Deserialize)]
struct Told {
    namespace: String,
    name: String,
    values: BTreeMap<String, String>,
    images: BTreeMap<String, String>,
    changes: Vec<ToldChange>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToldChange {
    file: String,
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    old: String,
    new: String,
    setter: String,
}

#[derive(Debug, Deserialize)]
struct Case {
    t: String,
    #[serde(default)]
    former: bool,
    o: Option<String>,
    e: Option<String>,
}

/// Answers that differ, as docs/deviations.md says: a map is named by its types, and a structure that is missing is nothing.
const DIFFERENT: [&str; 2] = [
    "{{ .Changed.Objects.Nope }}",
    "{{ index .Updated.Files \"nope\" }}",
];

struct Facts {
    automation: ObjectKey,
    changes: ChangeSet,
    selections: Selections,
    values: BTreeMap<String, String>,
}

impl Facts {
    fn render(&self, template: Option<&str>, preset: MessagePreset) -> Result<String, String> {
        let data = MessageData {
            automation: &self.automation,
            changes: &self.changes,
            selections: &self.selections,
            values: &self.values,
        };
        let template = MessageTemplate::parse(template, preset).map_err(|error| error.to_string())?;
        template.render(&data).map_err(|error| error.to_string())
    }
}

fn image(text: &str) -> ImageRef {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest.to_owned())),
        None => (text, None),
    };
    let (name, tag) = name.rsplit_once(':').unwrap();
    ImageRef::new(name, tag, digest).unwrap()
}

fn marker(setter: &str) -> Marker {
    let mut parts = setter.split(':');
    let policy = PolicyKey::new(parts.next().unwrap(), parts.next().unwrap());
    let field = match parts.next() {
        None => Field::Image,
        Some("tag") => Field::Tag,
        Some("name") => Field::Name,
        Some("digest") => Field::Digest,
        Some(other) => panic!("{other}"),
    };
    Marker { policy, field }
}

fn change(object: ObjectIdentifier, setter: &str, old: &str, new: &str) -> Change {
    Change {
        line: 1,
        column: 1,
        object,
        marker: marker(setter),
        old: old.to_owned(),
        new: new.to_owned(),
    }
}

fn golden() -> (Facts, Vec<Case>) {
    let mut lines = GOLDEN.lines();
    let told: Told = serde_json::from_str(lines.next().unwrap()).unwrap();
    let mut changes = ChangeSet::default();
    for told in told.changes {
        let object = ObjectIdentifier {
            api_version: told.api_version,
            kind: told.kind,
            namespace: told.namespace,
            name: told.name,
        };
        let change = change(object, &told.setter, &told.old, &told.new);
        changes.record(&told.file, vec![change], Vec::new());
    }
    let selections = told
        .images
        .iter()
        .map(|(key, text)| (key.parse().unwrap(), image(text)));
    let facts = Facts {
        automation: ObjectKey::new(told.namespace, told.name),
        changes,
        selections: selections.collect(),
        values: told.values,
    };
    let cases = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    (facts, cases)
}

#[test]
fn messages_and_errors_are_those_of_flux() {
    let (facts, cases) = golden();
    assert!(cases.len() > 80, "{}", cases.len());
    assert!(cases.iter().any(|case| case.former));
    let mut faults = Vec::new();
    for Case { t, o, e, .. } in cases {
        let expected = match (o, e) {
            (Some(output), None) => Ok(output),
            (None, Some(error)) => Err(error),
            _ => panic!("{t}: no answer; run hack/oracle/message"),
        };
        let message = facts.render(Some(&t), MessagePreset::Flux);
        if (message != expected) != DIFFERENT.contains(&t.as_str()) {
            faults.push(format!("{t}\n  ours: {message:?}\n  Flux: {expected:?}"));
        }
    }
    assert!(
        faults.is_empty(),
        "{} differ\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[rstest]
#[case::absent(None)]
#[case::empty(Some(""))]
fn without_a_template_the_message_is_fluxs(#[case] template: Option<&str>) {
    let (facts, _) = golden();
    let message = facts.render(template, MessagePreset::Flux);
    assert_eq!(message.as_deref(), Ok("Update from image update automation"));
}

#[test]
fn what_flux_gives_in_random_order_is_sorted() {
    let (facts, _) = golden();
    let render = |template| facts.render(Some(template), MessagePreset::Flux).unwrap();
    insta::assert_snapshot!(
        render("{{ range .Updated.Images }}{{ println . }}{{ end }}{{ range .Changed.Changes }}{{ println .NewValue }}{{ end }}"),
        @r"
    alpine:3.20
    btoll/debug:1.0.4
    ghcr.io/acme/web:v2.0.1
    localhost:5000/team/pinned:9@sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be
    sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be
    9
    alpine:3.20
    btoll/debug:1.0.4
    ghcr.io/acme/web:v2.0.1
    v2.0.1
    "
    );
}

#[test]
fn the_conventional_preset_tells_what_was_updated() {
    let (facts, _) = golden();
    insta::assert_snapshot!(facts.render(None, MessagePreset::Conventional).unwrap(), @r"
    chore(images): update 4 images

    - alpine 3.19 -> 3.20
    - btoll/debug 1.0.3 -> 1.0.4
    - ghcr.io/acme/web v2.0.0 -> v2.0.1
    - localhost:5000/team/pinned 8 -> 9

    Image-Policy: apps/base
    Image-Policy: apps/debug
    Image-Policy: apps/pinned
    Image-Policy: apps/web
    Image-Digest: localhost:5000/team/pinned:9@sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be
    ");
}

/// Facts of one file.
fn facts(images: &[(&str, &str)], changes: &[(&str, &str, &str)]) -> Facts {
    let mut set = ChangeSet::default();
    for (setter, old, new) in changes {
        let change = change(ObjectIdentifier::default(), setter, old, new);
        set.record("a.yaml", vec![change], Vec::new());
    }
    Facts {
        automation: ObjectKey::new("ns", "a"),
        changes: set,
        selections: images
            .iter()
            .map(|(key, text)| (key.parse().unwrap(), image(text)))
            .collect(),
        values: BTreeMap::new(),
    }
}

const DIGEST: &str = "sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be";

#[rstest]
#[case::one(
    &[("ns:debug", "btoll/debug:1.0.4")],
    &[("ns:debug", "btoll/debug:1.0.3", "btoll/debug:1.0.4")],
    "chore(images): update debug 1.0.3 -> 1.0.4"
)]
#[case::a_tag_of_its_own(
    &[("ns:debug", "localhost:5000/debug:1.0.4")],
    &[("ns:debug:tag", "1.0.3", "1.0.4"), ("ns:debug:name", "old", "localhost:5000/debug")],
    "chore(images): update debug 1.0.3 -> 1.0.4"
)]
#[case::two_that_were_apart(
    &[("ns:debug", "btoll/debug:1.0.4")],
    &[("ns:debug", "btoll/debug:1.0.3", ""), ("ns:debug:tag", "1.0.2", "")],
    "chore(images): update debug 1.0.2, 1.0.3 -> 1.0.4"
)]
#[case::nothing_known_of_before(
    &[("ns:debug", "localhost:5000/debug:1.0.4")],
    &[("ns:debug", "localhost:5000/debug", "")],
    "chore(images): update debug to 1.0.4"
)]
#[case::two_images(
    &[("ns:a", "x/a:2"), ("ns:b", "x/b:3")],
    &[("ns:a", "x/a:1", ""), ("ns:b", "x/b:2", "")],
    "chore(images): update a 1 -> 2, b 2 -> 3"
)]
#[case::two_policies_of_one_image(
    &[("ns:a", "x/a:2"), ("ns:b", "x/a:2")],
    &[("ns:a", "x/a:1", ""), ("ns:b", "x/a:1", "")],
    "chore(images): update a 1 -> 2"
)]
#[case::too_many_for_a_line(
    &[("ns:a", "x/a-very-long-name:2"), ("ns:b", "x/another-very-long-name:3")],
    &[("ns:a", "x/a-very-long-name:1", ""), ("ns:b", "x/another-very-long-name:2", "")],
    "chore(images): update 2 images"
)]
#[case::a_digest_alone(
    &[("ns:a", "x/a:2@sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be")],
    &[("ns:a", "x/a:2", "")],
    "chore(images): update a 2 to 6745aaad46d7"
)]
fn a_conventional_subject_fits_what_was_updated(
    #[case] images: &[(&str, &str)],
    #[case] changes: &[(&str, &str, &str)],
    #[case] expected: &str,
) {
    let message = facts(images, changes)
        .render(None, MessagePreset::Conventional)
        .unwrap();
    assert_eq!(message.lines().next(), Some(expected));
    assert!(expected.len() <= 72);
}

#[test]
fn trailers_name_each_policy_and_each_reflected_digest() {
    let pinned = format!("x/a:2@{DIGEST}");
    let facts = facts(
        &[("ns:a", &pinned), ("other:b", "x/b:1")],
        &[("ns:a:digest", "", DIGEST), ("other:b", "x/b:0", "x/b:1")],
    );
    insta::assert_snapshot!(facts.render(None, MessagePreset::Conventional).unwrap(), @r"
    chore(images): update a 2 to 6745aaad46d7, b 0 -> 1

    - x/a 2 to 6745aaad46d7
    - x/b 0 -> 1

    Image-Policy: ns/a
    Image-Policy: other/b
    Image-Digest: x/a:2@sha256:6745aaad46d795c9836632e1fb62f24b7e7f4c843144da8e47a5465c411a14be
    ");
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let (facts, _) = golden();
    let error = facts
        .render(
            Some("{{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}"),
            MessagePreset::Flux,
        )
        .unwrap_err();
    assert!(error.starts_with("failed to run template from spec: "), "{error}");
    assert!(error.contains("the template makes more than the"), "{error}");
}

#[test]
fn an_unknown_preset_is_named() {
    assert_eq!("conventional".parse(), Ok(MessagePreset::Conventional));
    assert_eq!(MessagePreset::Conventional.to_string(), "conventional");
    assert_eq!(
        "".parse::<MessagePreset>().unwrap_err().to_string(),
        "'' is no preset for commit messages; there are 'flux' and 'conventional'"
    );
}
