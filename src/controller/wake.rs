//! Which changes of an object ask for a run of it.

use fluxbot_api::annotation::REQUESTED_AT;

use super::kinds::Reconciled;

/// Whether an object has to be looked at after this change: it is new, its spec has changed, somebody asks for a run, or it is
/// being deleted. Changes of the status alone, our own above all, are none. `None` before: it is new; `None` after: it is gone.
#[must_use]
pub fn is_due<K: Reconciled>(old: Option<&K>, new: Option<&K>) -> bool {
    let Some(new) = new else {
        return false;
    };
    let Some(old) = old else {
        return true;
    };
    let (old, new) = (old.meta(), new.meta());
    old.uid != new.uid
        || old.generation != new.generation
        || requested(old) != requested(new)
        || old.deletion_timestamp.is_some() != new.deletion_timestamp.is_some()
}

/// Whether somebody asks for a run that has not been yet.
#[must_use]
pub fn is_requested<K: Reconciled>(object: &K) -> bool {
    let handled = object.status().and_then(K::last_handled);
    let requested = requested(object.meta());
    requested.is_some() && requested != handled
}

fn requested(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Option<&str> {
    let annotations = meta.annotations.as_ref()?;
    annotations.get(REQUESTED_AT).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use fluxbot_api::source::{GitRepository, GitRepositorySpec, GitRepositoryStatus};
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use rstest::rstest;

    use super::*;

    fn nothing(_: &mut GitRepository) {}

    fn spec(object: &mut GitRepository) {
        object.metadata.generation = Some(2);
    }

    fn request(object: &mut GitRepository) {
        let annotation = (REQUESTED_AT.to_owned(), "now".to_owned());
        object.metadata.annotations = Some([annotation].into());
    }

    fn deletion(object: &mut GitRepository) {
        object.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    }

    fn another(object: &mut GitRepository) {
        object.metadata.uid = Some("other".to_owned());
    }

    fn status(object: &mut GitRepository) {
        object.metadata.resource_version = Some("2".to_owned());
        object.status = Some(GitRepositoryStatus {
            observed_generation: Some(1),
            ..GitRepositoryStatus::default()
        });
    }

    #[rstest]
    #[case::nothing(nothing, false)]
    #[case::of_the_status(status, false)]
    #[case::of_the_spec(spec, true)]
    #[case::that_asks_for_a_run(request, true)]
    #[case::that_deletes_it(deletion, true)]
    #[case::to_another_of_its_name(another, true)]
    fn a_change(#[case] change: fn(&mut GitRepository), #[case] expected: bool) {
        let mut old = GitRepository::new("fleet", GitRepositorySpec::default());
        old.metadata.generation = Some(1);
        let mut new = old.clone();
        change(&mut new);
        assert_eq!(is_due(Some(&old), Some(&new)), expected);
        assert!(is_due(None, Some(&new)));
        assert!(!is_due(Some(&old), None));
    }
}
