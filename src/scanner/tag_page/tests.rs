use rstest::rstest;

use super::*;

#[rstest]
#[case(r#"{"name":"a","tags":["1","2"]}"#, &["1", "2"], 0)]
#[case(r#"{"tags":[],"name":"a"}"#, &[], 0)]
#[case(r#"{"tags":["1"],"name":"a"}"#, &["1"], 0)]
#[case(r#"{"name":"a","tags":null}"#, &[], 0)]
#[case(r#"{"name":"a"}"#, &[], 0)]
#[case(r#"{"child":[{"x":["y"]}],"manifest":{"sha256:0":{"tag":["1"]}},"name":"a","tags":["1"]}"#, &["1"], 0)]
#[case(r#"{"name":"a","tags":["ok","","a b","-x",".y","a\u0000","ä","_z"]}"#, &["ok", "_z"], 6)]
fn a_page_is_read(#[case] body: &str, #[case] tags: &[&str], #[case] illegal: u32) {
    let page = TagPage::parse(body.as_bytes(), 10).unwrap();
    assert!(page.tags.iter().eq(tags.iter().copied()), "{page:?}");
    assert_eq!(page.illegal, illegal);
}

#[test]
fn what_google_says_of_tags_is_kept() {
    let (one, two) = ("a".repeat(64), "b".repeat(64));
    let body = format!(
        r#"{{"child":[],"manifest":{{
            "sha256:{one}":{{"imageSizeBytes":"1","tag":["1.0","latest"],"timeUploadedMs":"1700000000000"}},
            "sha256:{two}":{{"tag":["0.9","a b"],"timeUploadedMs":"0"}},
            "sha256:short":{{"tag":["x"]}},
            "other":7
        }},"name":"a","tags":["0.9","1.0","latest"]}}"#
    );
    let page = TagPage::parse(body.as_bytes(), 10).unwrap();
    assert!(page.tags.iter().eq(["0.9", "1.0", "latest"]), "{page:?}");
    let known: Vec<_> = page
        .known
        .iter()
        .map(|known| {
            (
                &*known.tag,
                known.digest.ends_with('a'),
                known.uploaded.map(jiff::Timestamp::as_second),
            )
        })
        .collect();
    let uploaded = Some(1_700_000_000);
    assert_eq!(
        known,
        [
            ("1.0", true, uploaded),
            ("latest", true, uploaded),
            ("0.9", false, None)
        ]
    );
}

#[rstest]
#[case("7")]
#[case("null")]
#[case(r#""x""#)]
#[case(r#"[{"tag":[1]}]"#)]
#[case(r#"{"sha256:0":[1,2]}"#)]
fn what_others_say_under_the_same_name_is_ignored(#[case] manifest: &str) {
    let body = format!(r#"{{"manifest":{manifest},"tags":["1"]}}"#);
    let page = TagPage::parse(body.as_bytes(), 10).unwrap();
    assert_eq!((page.tags.len(), page.known.len()), (1, 0));
}

#[rstest]
#[case::html("<!DOCTYPE html><html>", "it is an HTML or XML page")]
#[case::empty("  ", "it is empty")]
#[case::cut(r#"{"name":"a","tags":["1","#, "it ends too early")]
#[case::numbers(r#"{"tags":[1]}"#, "wrong JSON at line 1 column 10")]
#[case::an_object(r#"{"tags":{}}"#, "wrong JSON at line 1 column 10")]
#[case::a_list("[]", "wrong JSON at line 1 column 0")]
#[case::something_behind(r#"{"tags":[]} x"#, "wrong JSON at line 1 column 13")]
#[case::errors(r#"{"errors":[{"code":"UNKNOWN"}]}"#, "it has neither 'tags' nor 'name'")]
fn what_is_no_tag_list_is_refused(#[case] body: &str, #[case] reason: &str) {
    assert_eq!(
        TagPage::parse(body.as_bytes(), 10),
        Err(InvalidPage::NotATagList(reason.to_owned()))
    );
}

#[test]
fn a_page_above_the_limit_is_refused() {
    let body = br#"{"name":"a","tags":["1","2","3"]}"#;
    assert_eq!(TagPage::parse(body, 2), Err(InvalidPage::TooMany));
    assert_eq!(TagPage::parse(body, 3).unwrap().tags.len(), 3);
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let body = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    assert!(TagPage::parse(body.as_bytes(), 10).is_err());
}

#[test]
fn only_new_tags_count() {
    let page = |tags: &[&str]| {
        let mut buffer = TagBuffer::default();
        for tag in tags {
            buffer.push(tag);
        }
        buffer
    };
    let mut seen = SeenTags::new();
    assert_eq!(seen.add(&page(&["a", "b"])), 2);
    assert_eq!(seen.add(&page(&["b", "c"])), 1);
    assert_eq!(seen.add(&page(&["a", "b", "c"])), 0);
}
