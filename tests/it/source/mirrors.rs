//! One mirror for sources and automations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fluxbot::committer::{PlanDefaults, Work, Writer, plan};
use fluxbot::image::{ImageRef, PolicyKey};
use fluxbot::objects::Files as _;
use fluxbot::source::Revision;
use fluxbot::source::git::{Content, Resolved, recall};
use fluxbot_git::{
    CommitRequest, Edit, Mirror, ObjectId, Person, PushOptions, RefName, RefQuery, RefUpdate, RepoPath,
    Timestamp,
};

use super::fixture::{Lab, branch, look};
use crate::support::control::Request;
use crate::support::git::{GitServer, Repository};

/// Adds a file to a branch through the mirror, as an automation does.
pub(super) fn push(mirror: &Mirror, name: &RefName, path: &str) -> ObjectId {
    let person = Person {
        name: "fluxbot".to_owned(),
        email: "fluxbot@example.org".to_owned(),
    };
    let snapshot = mirror.fetch(&[RefQuery::Name(name.clone())]).unwrap();
    let parent = snapshot.head(name);
    let edit = Edit::Write {
        content: b"pushed\n".to_vec(),
        kind: None,
    };
    let commit = snapshot
        .prepare(&CommitRequest {
            parent,
            edits: BTreeMap::from([(RepoPath::new(path).unwrap(), edit)]),
            author: person.clone(),
            committer: person,
            time: Timestamp::default(),
            message: "update".to_owned(),
        })
        .unwrap();
    let update = RefUpdate {
        name: name.clone(),
        old: parent,
        new: Some(commit.id()),
    };
    mirror
        .push(&[update], &[&commit], &PushOptions::default())
        .unwrap();
    commit.id()
}

fn repository(name: &str) -> Repository {
    GitServer::shared().create_repository(
        name,
        &[
            ("apps/a.yaml", "one\n"),
            (".sourceignore", "*.md\n"),
            ("a.md", "a\n"),
        ],
    )
}

#[tokio::test]
async fn what_this_process_pushed_is_a_source_without_a_download() {
    let lab = Lab::new();
    let repository = repository("mirror-push");
    let observed = lab.checkout(&repository, &branch("main")).await.revision;
    let writer = Writer::on(lab.mirror(&repository));
    let mirror = Arc::clone(writer.mirror());
    let name = RefName::branch("main").unwrap();
    let commit = tokio::task::spawn_blocking(move || push(&mirror, &name, "apps/b.yaml"))
        .await
        .unwrap();

    let control = GitServer::shared().control().clone();
    let before = control.requests("mirror-push").await.len();
    let revision = Revision::git("main", &commit);
    let at_once = recall(&lab.mirror(&repository), &revision, &Content::default())
        .unwrap()
        .unwrap();
    assert_eq!(
        at_once.tree.list("").unwrap(),
        [".sourceignore", "apps/a.yaml", "apps/b.yaml"]
    );
    assert_eq!(
        control.requests("mirror-push").await.len(),
        before,
        "nobody was asked"
    );

    let outcome = look(lab.mirror(&repository), Some(branch("main")), Some(observed)).await;
    let Ok(Resolved::Fetched(checkout)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(checkout.commit, commit);
    assert_eq!(
        control.requests("mirror-push").await.len(),
        before + 1,
        "one listing, no objects"
    );
}

#[tokio::test]
async fn after_a_restart_the_mirror_brings_back_what_the_status_names_without_asking() {
    let lab = Lab::new();
    let repository = repository("mirror-restart");
    let first = lab.checkout(&repository, &branch("main")).await;
    let lab = lab.restarted();
    let server = GitServer::shared();
    let before = server.control().requests("mirror-restart").await.len();
    let again = recall(&lab.mirror(&repository), &first.revision, &Content::default())
        .unwrap()
        .unwrap();
    assert_eq!(again.tree.list("").unwrap(), first.tree.list("").unwrap());
    assert_eq!((again.commit, again.subject), (first.commit, first.subject));
    assert_eq!(server.control().requests("mirror-restart").await.len(), before);
    let other = Revision::parse("main@sha1:5394cb7f48332b2de7c17dd8b8384bbc84b7e738");
    assert!(
        recall(&lab.mirror(&repository), &other, &Content::default())
            .unwrap()
            .is_none()
    );
    assert!(
        recall(
            &lab.mirror(&repository),
            &Revision::parse("1.2.3"),
            &Content::default()
        )
        .unwrap()
        .is_none()
    );
}

/// An automation that writes one tag.
fn work(tag: &str) -> Work {
    let automation = "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n\
                      metadata: {name: a, namespace: ns}\n\
                      spec:\n  interval: 1m\n  sourceRef: {kind: GitRepository, name: fleet}\n  \
                      git: {commit: {author: {email: fluxbot@example.org}}}\n";
    let defaults = PlanDefaults {
        branch: Some("main".to_owned()),
        ..PlanDefaults::default()
    };
    let image = ImageRef::new("example.org/app", tag, None).unwrap();
    Work {
        plan: plan(&yaml_serde::from_str(automation).unwrap(), None, &defaults).unwrap(),
        identity: "a".to_owned(),
        selections: [(PolicyKey::new("ns", "app"), image)].into_iter().collect(),
        foreign: BTreeSet::new(),
        signing_key: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_on_the_head_that_is_known_costs_its_push_alone_and_loses_nobodys() {
    let lab = Lab::new();
    let marked = "image: example.org/app:1.0.0 # {\"$imagepolicy\": \"ns:app\"}\n";
    let name = "mirror-known-head";
    let repository = GitServer::shared().create_repository(name, &[("app.yaml", marked)]);
    let writer = Arc::new(Writer::on(lab.mirror(&repository)));
    let land = async |tag: &'static str| {
        let writer = Arc::clone(&writer);
        let landing = tokio::task::spawn_blocking(move || writer.land(&[work(tag)])).await;
        let landing = landing.unwrap().unwrap();
        (landing.layers.len(), landing.lost_races)
    };
    let control = GitServer::shared().control().clone();
    assert_eq!(land("1.0.1").await, (1, 0));
    let before = control.requests(name).await.len();
    assert_eq!(land("1.0.2").await, (1, 0));
    // What the server accepts is remembered, or asked for in one more request.
    let requests = control.requests(name).await.split_off(before);
    let is_push = |request: &Request| format!("{}?{}", request.path, request.query).contains("receive-pack");
    assert!((1..=2).contains(&requests.len()), "{requests:#?}");
    assert!(requests.iter().all(is_push), "the push alone: {requests:#?}");

    repository.commit_files("main", "person", &[("notes.md", "by hand\n")]);
    assert_eq!(
        land("1.0.3").await,
        (1, 1),
        "somebody was faster, if only long ago"
    );
    assert_eq!(repository.show("main", "notes.md"), "by hand\n");
    let set = marked.replace("1.0.0", "1.0.3");
    assert_eq!(repository.show("main", "app.yaml"), set);

    let by_hand = marked.replace("1.0.0", "1.0.4");
    repository.commit_files("main", "person sets the tag", &[("app.yaml", &by_hand)]);
    assert_eq!(land("1.0.4").await, (0, 1), "the branch has it");
    assert_eq!(land("1.0.4").await, (0, 0), "nothing to change is asked about");
    repository.fsck();
}

#[tokio::test(flavor = "multi_thread")]
async fn fetches_and_pushes_of_many_threads_on_one_mirror_are_all_right() {
    let lab = Lab::new();
    let repository = repository("mirror-busy");
    let mirror = lab.mirror(&repository);
    let mut tasks = Vec::new();
    for writer in 0..3 {
        let mirror = Arc::clone(&mirror);
        tasks.push(tokio::task::spawn_blocking(move || {
            let name = RefName::branch(&format!("writer-{writer}")).unwrap();
            for round in 0..5 {
                push(&mirror, &name, &format!("{round}.yaml"));
            }
        }));
    }
    for _ in 0..3 {
        let mirror = Arc::clone(&mirror);
        let repository = repository.clone();
        tasks.push(tokio::task::spawn_blocking(move || {
            for _ in 0..5 {
                let query = RefQuery::branch("main").unwrap();
                let snapshot = mirror.fetch(&[query]).unwrap();
                let head = snapshot.head(&RefName::branch("main").unwrap()).unwrap();
                assert_eq!(Some(head.to_string()), repository.revision("main"));
                let tree = fluxbot::source::ArtifactTree::of_commit(&snapshot, &head, None).unwrap();
                assert_eq!(tree.read("apps/a.yaml").unwrap().unwrap(), b"one\n");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for writer in 0..3 {
        let revision = Revision::git("x", &repository.revision(&format!("writer-{writer}")).unwrap());
        let tree = recall(&mirror, &revision, &Content::default())
            .unwrap()
            .unwrap()
            .tree;
        assert_eq!(tree.list("").unwrap().len(), 5);
    }
    repository.fsck();
}
