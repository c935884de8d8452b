use super::*;
use crate::image::PolicyKey;

const POLICY: &str = "\
apiVersion: image.toolkit.fluxcd.io/v1beta2
kind: ImagePolicy
metadata:
  name: debug
  namespace: flux-system
spec:
  imageRepositoryRef:
    name: debug
  policy:
    semver:
      range: 1.0.x
";

#[test]
fn documents_know_their_lines() {
    let text = "# leading\n---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n--- # second\n\napiVersion: v1\nkind: B\n\
                metadata: {name: b}\n---\nvalues: true\n...\n";
    let found = Manifest::parse_all("x.yaml", text.as_bytes()).unwrap();
    let places: Vec<(&str, usize)> = found.iter().map(|m| (m.kind.as_str(), m.line)).collect();
    assert_eq!(places, [("A", 3), ("B", 8)]);
}

#[test]
fn the_items_of_a_list_are_objects() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n  metadata: {name: a}\n";
    let found = Manifest::parse_all("x.yaml", text.as_bytes()).unwrap();
    assert_eq!(found.iter().map(|m| m.kind.as_str()).collect::<Vec<_>>(), ["A"]);
}

#[test]
fn a_parse_error_names_the_line_in_the_file() {
    let error = Manifest::parse_all("x.yaml", b"apiVersion: v1\n---\na: b\nc: [\n").unwrap_err();
    assert_eq!(
        (error.file.as_str(), error.line >= 4),
        ("x.yaml", true),
        "{error}"
    );
}

#[test]
fn a_selection_is_read_from_the_status() {
    let text = format!("{POLICY}status:\n  latestRef: {{name: btoll/debug, tag: 1.0.1}}\n");
    let manifests = Manifest::parse_all("p.yaml", text.as_bytes()).unwrap();
    let (key, image) = selection_of(&manifests[0]).unwrap().unwrap();
    assert_eq!(
        (key, image.to_string()),
        (
            PolicyKey::new("flux-system", "debug"),
            "btoll/debug:1.0.1".to_owned()
        )
    );
    let old = format!("{POLICY}status:\n  latestImage: forge.example:5000/btoll/debug:1.0.1\n");
    let (_, image) = selection_of(&Manifest::parse_all("p.yaml", old.as_bytes()).unwrap()[0])
        .unwrap()
        .unwrap();
    assert_eq!(
        (image.name(), image.tag()),
        ("forge.example:5000/btoll/debug", "1.0.1")
    );
    let number = format!("{POLICY}status:\n  latestRef: {{name: a, tag: 1.10}}\n");
    let error = selection_of(&Manifest::parse_all("p.yaml", number.as_bytes()).unwrap()[0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "p.yaml:1: ImagePolicy debug: .status.latestRef.tag must be text, and is 1.1; put it in quotes"
    );
    let without = Manifest::parse_all("p.yaml", POLICY.as_bytes()).unwrap();
    assert_eq!(selection_of(&without[0]).unwrap(), None);
}

#[test]
fn links_and_git_data_are_no_part_of_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    std::fs::create_dir_all(root.join(".git")).unwrap();
    std::fs::create_dir_all(root.join("a")).unwrap();
    std::fs::write(root.join(".git/config.yaml"), "x").unwrap();
    std::fs::write(root.join("a/b.yaml"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", root.join("link.yaml")).unwrap();
    let files = Directory::new(root);
    assert_eq!(files.list("").unwrap(), ["a/b.yaml"]);
    assert_eq!(files.list("a/b.yaml").unwrap(), ["a/b.yaml"]);
    assert_eq!(files.read("link.yaml").unwrap(), None);
    assert_eq!(files.read("gone.yaml").unwrap(), None);
    assert!(files.list("gone").is_err());
}

#[test]
fn a_visit_shows_the_files_that_a_list_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for path in ["a/b.yaml", "a/c.txt", ".git/d.yaml", "e/f/g.yaml", "h.yaml"] {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), path).unwrap();
    }
    std::os::unix::fs::symlink("/etc", root.join("a/link")).unwrap();
    std::os::unix::fs::symlink(root.join("h.yaml"), root.join("a/link.yaml")).unwrap();
    let files = Directory::new(root);
    let visit = |path: &str| {
        let visited = files
            .visit(
                path,
                |name| name.ends_with(".yaml"),
                |file| Ok(Some(file.content == file.path.as_bytes())),
            )
            .unwrap();
        assert!(visited.failures.is_empty(), "{:?}", visited.failures);
        assert!(visited.found.iter().all(|(_, is_content)| *is_content));
        let paths = visited.found.into_iter().map(|(path, _)| path);
        paths.collect::<Vec<_>>()
    };
    assert_eq!(visit(""), ["a/b.yaml", "e/f/g.yaml", "h.yaml"]);
    assert_eq!(visit("e"), ["e/f/g.yaml"]);
    assert_eq!(visit("e/f/g.yaml"), ["e/f/g.yaml"]);
    let through = |path: &str| files.visit(path, |_| true, |_| Ok(Some(())));
    assert!(through("gone").is_err());
    assert!(through("a/link").is_err());
    assert!(through("a/link.yaml").is_err());
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, "old").unwrap();
    let files = Directory::new(folder.path());
    let visited = files.visit(
        "",
        |_| true,
        |file| {
            std::fs::write(&path, "theirs and longer").unwrap();
            file.replace(b"ours").map(Some)
        },
    );
    let visited = visited.unwrap();
    assert_eq!(visited.found, []);
    let failure = visited.failures[0].to_string();
    assert!(
        failure.ends_with("a.yaml: the file was changed meanwhile; run the command again"),
        "{failure}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs and longer");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
}
