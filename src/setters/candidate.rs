//! Which files the setters look at: by name, then by a scan of the bytes.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Built once, because most files are searched and have none.
static MENTION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"$imagepolicy"));

/// Whether a file with this `/`-separated path can carry markers: `*.yaml`, `*.yml`, or a file named exactly
/// `Kustomization`. The names are compared as they are, as Flux does; `.YAML` is none.
#[must_use]
pub fn is_candidate(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    // `.yaml` alone is a file with that extension for Go's filepath.Ext, which decides upstream.
    matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml"))) || name == "Kustomization"
}

/// Whether the bytes mention a marker at all. It costs one pass and spares all other files the YAML parser.
///
/// It also answers for markers that are written wrongly, so that they can be reported; a file that it denies has
/// nothing to set and nothing to report.
#[must_use]
pub fn mentions_marker(content: &[u8]) -> bool {
    MENTION.find(content).is_some()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a.yaml", true)]
    #[case("apps/a.yml", true)]
    #[case("apps/a..b.yaml", true)]
    #[case(".hidden/.yaml", true)]
    #[case("apps/Kustomization", true)]
    #[case("Kustomization", true)]
    #[case("kustomization", false)]
    #[case("apps/Kustomization.json", false)]
    #[case("a.YAML", false)]
    #[case("a.json", false)]
    #[case("a.yaml.bak", false)]
    #[case("yaml", false)]
    #[case("a.yaml/b", false)]
    #[case("", false)]
    fn names_decide_as_in_flux(#[case] path: &str, #[case] expected: bool) {
        assert_eq!(is_candidate(path), expected);
    }

    #[test]
    fn the_screen_finds_a_marker_anywhere() {
        assert!(mentions_marker(b"a: b # {\"$imagepolicy\": \"ns:p\"}"));
        assert!(mentions_marker(b"a: b # {'$imagepolicy': 'ns:p'}"));
        assert!(!mentions_marker(b"imagepolicy: b"));
    }
}
