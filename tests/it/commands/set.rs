//! `fluxbot set`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::cli::{Fluxbot, Run};

const POLICIES: &str = "\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: app, namespace: ns}
status: {latestRef: {name: ghcr.io/acme/app, tag: 1.2.3}}
---
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImagePolicy
metadata: {name: waiting, namespace: ns}
";

const FILE: &str = "\
image:   ghcr.io/acme/app:1.0.0   # {\"$imagepolicy\": \"ns:app\"}
tag: '1.0.0' # {\"$imagepolicy\": \"ns:app:tag\"}
other: x # {\"$imagepolicy\": \"ns:waiting\"}
";

async fn set(directory: &Path, arguments: &[&str], policies: &str) -> Run {
    let mut all = vec!["set", directory.to_str().unwrap(), "--policies", "-"];
    all.extend(arguments);
    Fluxbot::new(all).stdin(policies).run().await
}

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("apps")).unwrap();
    fs::write(folder.path().join("apps/a.yaml"), FILE).unwrap();
    fs::write(folder.path().join("notes.md"), FILE).unwrap();
    folder
}

#[tokio::test]
async fn marked_scalars_are_written_and_each_change_is_printed() {
    let folder = folder();
    let run = set(folder.path(), &[], POLICIES).await;
    insta::assert_snapshot!(run.success(), @r"
    apps/a.yaml:1  ns:app  ghcr.io/acme/app:1.0.0 -> ghcr.io/acme/app:1.2.3
    apps/a.yaml:2  ns:app:tag  1.0.0 -> 1.2.3
    ");
    assert_eq!(
        fs::read_to_string(folder.path().join("apps/a.yaml")).unwrap(),
        FILE.replace("1.0.0", "1.2.3")
    );
    assert_eq!(fs::read_to_string(folder.path().join("notes.md")).unwrap(), FILE);
    assert!(
        run.stderr.contains("ImagePolicy waiting has no status.latestRef"),
        "{}",
        run.stderr
    );
    let again = set(folder.path(), &[], POLICIES).await;
    assert_eq!(again.success(), "");
}

#[tokio::test]
async fn a_dry_run_prints_a_diff_and_writes_nothing() {
    let folder = folder();
    let run = set(folder.path(), &["--dry-run"], POLICIES).await;
    insta::assert_snapshot!(run.success(), @r#"
    --- a/apps/a.yaml
    +++ b/apps/a.yaml
    @@ -1,3 +1,3 @@
    -image:   ghcr.io/acme/app:1.0.0   # {"$imagepolicy": "ns:app"}
    -tag: '1.0.0' # {"$imagepolicy": "ns:app:tag"}
    +image:   ghcr.io/acme/app:1.2.3   # {"$imagepolicy": "ns:app"}
    +tag: '1.2.3' # {"$imagepolicy": "ns:app:tag"}
     other: x # {"$imagepolicy": "ns:waiting"}
    "#);
    assert_eq!(
        fs::read_to_string(folder.path().join("apps/a.yaml")).unwrap(),
        FILE
    );
}

#[tokio::test]
async fn one_file_can_be_set_and_its_permissions_stay() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let file = folder.path().join("apps/a.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(
        set(&file, &[], POLICIES)
            .await
            .success()
            .starts_with("a.yaml:1  ns:app  ")
    );
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn a_link_is_neither_followed_nor_replaced() {
    let outside = TempDir::new().unwrap();
    let target = outside.path().join("b.yaml");
    fs::write(&target, FILE).unwrap();
    let folder = folder();
    std::os::unix::fs::symlink(&target, folder.path().join("apps/b.yaml")).unwrap();
    let run = set(folder.path(), &[], POLICIES).await;
    assert!(!run.success().contains("b.yaml"), "{}", run.stdout);
    assert_eq!(fs::read_to_string(&target).unwrap(), FILE);
}

#[tokio::test]
async fn a_folder_that_is_a_link_is_not_entered() {
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("b.yaml"), FILE).unwrap();
    let folder = folder();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("apps/outside")).unwrap();
    let run = set(folder.path(), &[], POLICIES).await;
    assert_eq!(run.success().lines().count(), 2, "{}", run.stdout);
    assert_eq!(fs::read_to_string(outside.path().join("b.yaml")).unwrap(), FILE);
    // The folder that the user names may be a link.
    let named = folder.path().join("apps/outside");
    assert!(
        set(&named, &[], POLICIES)
            .await
            .success()
            .starts_with("b.yaml:1  ")
    );
}

#[tokio::test]
async fn many_files_in_one_folder_are_set_in_order_and_leave_nothing_behind() {
    let folder = TempDir::new().unwrap();
    for number in 0..500 {
        fs::create_dir_all(folder.path().join(format!("x/{}/y", number % 7))).unwrap();
        fs::write(folder.path().join(format!("a{number:03}.yml")), FILE).unwrap();
        fs::write(
            folder.path().join(format!("x/{}/y/{number}.yaml", number % 7)),
            FILE,
        )
        .unwrap();
    }
    let run = set(folder.path(), &[], POLICIES).await;
    let lines: Vec<&str> = run.success().lines().collect();
    assert_eq!(lines.len(), 2_000);
    let paths: Vec<&str> = lines.iter().map(|line| line.split_once(':').unwrap().0).collect();
    assert!(paths.is_sorted(), "{paths:?}");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 501, "temporary files are gone");
    assert_eq!(
        fs::read_to_string(folder.path().join("x/3/y/3.yaml")).unwrap(),
        FILE.replace("1.0.0", "1.2.3")
    );
}

#[tokio::test]
async fn a_file_that_is_too_large_stops_no_other() {
    let folder = folder();
    let large = fs::File::create(folder.path().join("apps/large.yaml")).unwrap();
    large.set_len(17 << 20).unwrap();
    let run = set(folder.path(), &[], POLICIES).await;
    assert!(
        run.failure(1).contains("apps/large.yaml is larger than 16 MiB"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
}

#[tokio::test]
async fn one_bad_reference_does_not_stop_the_others() {
    let bad = "---\nkind: ImagePolicy\napiVersion: image.toolkit.fluxcd.io/v1\nmetadata: {name: bad, namespace: ns}\n\
               status: {latestRef: {name: a, tag: 'x # y'}}\n";
    let folder = folder();
    let run = set(folder.path(), &[], &format!("{POLICIES}{bad}")).await;
    assert!(
        run.failure(1).contains("encountered invalid image ref"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stdout.lines().count(), 2, "{}", run.stdout);
}

#[tokio::test]
async fn wrong_usage_is_exit_code_2() {
    let folder = folder();
    let directory = folder.path().to_str().unwrap();
    Fluxbot::new(["set", directory]).run().await.failure(2);
    Fluxbot::new(["set", directory, "--policies", "gone.yaml"])
        .run()
        .await
        .failure(2);
    Fluxbot::new(["set", "gone", "--policies", "-"])
        .stdin(POLICIES)
        .run()
        .await
        .failure(2);
    let run = set(folder.path(), &[], "kind: [\n").await;
    assert!(run.failure(2).contains("standard input:"), "{}", run.stderr);
}

/// The policies behind the conformance cases.
const CONFORMANCE: &str = include_str!("set_conformance_policies.yaml");

/// What a line of `upstream-changes.txt` says of one change.
#[derive(serde::Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
struct UpstreamChange {
    old_value: String,
    new_value: String,
    setter: String,
}

/// The cases of `../shared/conformance/setters`, where it exists: the fields that upstream changes are changed (and in files
/// that upstream cannot read, the marked ones), and nothing else.
#[tokio::test]
async fn the_conformance_cases_change_what_upstream_changes() {
    let cases = crate::support::project_root().join("../shared/conformance/setters");
    let Ok(entries) = fs::read_dir(&cases) else {
        eprintln!("skipped: {} does not exist", cases.display());
        return;
    };
    for entry in entries {
        let case = entry.unwrap().path();
        let folder = TempDir::new().unwrap();
        let mut before = BTreeMap::new();
        for file in fs::read_dir(case.join("in")).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            fs::copy(&file, folder.path().join(&name)).unwrap();
            before.insert(name, fs::read(&file).unwrap());
        }
        let run = set(folder.path(), &[], CONFORMANCE).await;
        let mut ours: Vec<(String, String)> = Vec::new();
        for line in run.success().lines() {
            let mut parts = line.splitn(3, "  ");
            let (setter, change) = (parts.nth(1).unwrap(), parts.next().unwrap());
            ours.push((setter.to_owned(), change.to_owned()));
        }
        let upstream = fs::read_to_string(case.join("upstream-changes.txt")).unwrap();
        for line in upstream.lines() {
            let changes: Vec<UpstreamChange> =
                serde_json::from_str(&line[line.rfind("[{").unwrap()..]).unwrap();
            for change in changes {
                let expected = (
                    change.setter,
                    format!("{} -> {}", change.old_value, change.new_value),
                );
                let found = ours.iter().position(|(setter, text)| {
                    *setter == expected.0 && text.trim_end() == expected.1.trim_end()
                });
                let found = found
                    .unwrap_or_else(|| panic!("{}: {expected:?} is missing in {ours:?}", case.display()));
                ours.remove(found);
            }
        }
        // Files that upstream cannot read are ours alone; in the others, nothing more may change.
        let unread_upstream = ["14-bareseq", "15-helmtpl", "b"]
            .iter()
            .any(|name| case.ends_with(name));
        assert!(
            unread_upstream || ours.is_empty(),
            "{}: also changed {ours:?}",
            case.display()
        );
        for (name, content) in before {
            let after = fs::read(folder.path().join(&name)).unwrap();
            let lines = |bytes: &[u8]| {
                String::from_utf8_lossy(bytes)
                    .split('\n')
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let (old, new) = (lines(&content), lines(&after));
            assert_eq!(old.len(), new.len(), "{}: no line may come or go", case.display());
            let changed = old.iter().zip(&new).filter(|(old, new)| old != new).count();
            assert!(
                changed <= run.stdout.lines().count(),
                "{}: {changed} lines changed",
                case.display()
            );
        }
    }
}
