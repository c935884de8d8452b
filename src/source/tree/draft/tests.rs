//! How large a tree may become.

use fluxbot_git::RepoPath;

use super::*;
use crate::source::tests::tree;

/// A draft as if so many files and folders were in it.
fn draft(entries: usize) -> Draft {
    Draft {
        root: Directory::default(),
        entries,
        snapshots: Vec::new(),
        modules: None,
        gitlinks: Vec::new(),
        linked: Vec::new(),
    }
}

#[test]
fn submodules_count_among_the_files() {
    let path = RepoPath::new("module").unwrap();
    let mut outer = draft(199_998);
    outer.put(&path, &draft(2)).unwrap();
    let error = outer.put(&path, &draft(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the archive is too large: more than 200000 entries"
    );
}

#[test]
fn submodules_in_submodules_are_too_many_after_some_levels() {
    let mut inner = draft(1);
    let outcome = (0..10).try_for_each(|_| {
        let mut outer = draft(20);
        for name in 0..20 {
            outer.put(&RepoPath::new(format!("m{name}")).unwrap(), &inner)?;
        }
        inner = outer;
        Ok::<(), TreeError>(())
    });
    assert!(matches!(
        outcome,
        Err(TreeError::TooLarge { unit: "entries", .. })
    ));
}

#[test]
fn a_submodule_is_not_put_too_deep() {
    let mut outer = draft(0);
    let mut inner = draft(1);
    let folders = vec![b"d".as_slice(); 511];
    folder_at(&mut inner.root, &folders).unwrap();
    outer.put(&RepoPath::new("a").unwrap(), &inner).unwrap_err();
    assert!(outer.root.entries.is_empty());
}

#[test]
fn includes_count_among_the_files() {
    let other = tree(&[("folder/one", "1"), ("folder/two", "2")]);
    assert!(draft(199_997).include(&other, "", "to").is_ok());
    assert!(draft(199_999).include(&other, "folder/one", "to").is_ok());
    for (from, entries) in [("", 199_998), ("folder", 199_998), ("folder/one", 200_000)] {
        let error = draft(entries).include(&other, from, "to").unwrap_err();
        assert_eq!(error, IncludeError::TooMany(200_000), "{from}");
    }
}
