//! Listing all tags of a repository: page after page, complete or not at all.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use reqwest::header::{ETAG, LINK};
use reqwest::{Method, StatusCode};
use url::Url;

use super::ScanError;
use super::challenge::next_page;
use super::exchange::{Answer, Operation, Want};
use super::host::Paging;
use super::registry::{KnownTag, ListVersion, TagList};
use super::tag_page::{InvalidPage, MAX_KNOWN, SeenTags, TagBuffer, TagPage};

/// The page size that is asked for where a registry does not give the whole list at once; also Flux's.
const PAGE_SIZE: usize = 1000;

/// Lengths at which some registries cut a list without a link to the rest.
const SUSPICIOUS_LENGTHS: [usize; 6] = [50, 100, 200, 500, 1000, 10_000];

/// Pages in a row that may add nothing, and still link to another, before the list counts as endless.
const BARREN_PAGES: u32 = 5;

/// Longest version that is kept.
const MAX_VERSION: usize = 256;

/// What has been read of a list.
#[derive(Default)]
struct Progress {
    tags: TagBuffer,
    known: Vec<KnownTag>,
    illegal: u32,
    pages: u32,
    bytes: u64,
    visited: HashSet<String>,
    /// From the second page on.
    seen: Option<SeenTags>,
    barren: u32,
    version: Option<ListVersion>,
}

/// What follows a page.
enum Next {
    /// The page links to this one.
    Page(Url),
    /// The page links nowhere, but has a length at which some registries cut a list: ask whether there is more.
    Check(Url),
    End,
}

impl Operation<'_> {
    /// Lists the tags; `None` when the registry says that the list still has the version `known`.
    pub(super) async fn list_tags(
        &self,
        known: Option<&ListVersion>,
        asked_at: Timestamp,
    ) -> Result<Option<TagList>, ScanError> {
        let whole = self.url(&format!("{}/tags/list", self.image.repository()))?;
        let mut url = whole.clone();
        let sized = format!("n={PAGE_SIZE}");
        if self.host.paging() == Paging::Sized {
            url.set_query(Some(&sized));
        }
        let mut progress = Progress::default();
        let mut gave_small_pages = false;
        // The length of the list whose completeness is in question.
        let mut checked: Option<usize> = None;
        loop {
            let unless = known.filter(|known| progress.pages == 0 && known.url == url.as_str());
            let answer = match self.page(&url, unless, &mut progress).await {
                Err(ScanError::Unavailable {
                    retry_after: None, ..
                }) if progress.pages == 0 && self.host.paging() == Paging::Whole => {
                    // Some registries break down under a long list and give it in pages.
                    self.host.set_paging(Paging::Sized);
                    url.set_query(Some(&sized));
                    continue;
                }
                answer => answer?,
            };
            if answer.status == StatusCode::NOT_MODIFIED && unless.is_some() {
                return Ok(None);
            }
            if !answer.status.is_success() {
                if let Some(length) = checked {
                    self.host.note_uncut(self.image.repository(), length);
                    break;
                }
                let refuses_size = answer.status == StatusCode::BAD_REQUEST
                    || gave_small_pages && answer.status.is_client_error();
                if url != whole && progress.pages == 0 && refuses_size {
                    // This registry takes no large page size (code PAGINATION_NUMBER_INVALID).
                    self.host.set_paging(Paging::Refused);
                    url.clone_from(&whole);
                    continue;
                }
                return Err(self.refusal(&answer));
            }
            let page = self.read(&answer, &progress)?;
            let length = page.tags.len() + page.illegal as usize;
            let last = page.tags.last().map(str::to_owned);
            let added = progress.add(page, answer.body.len());
            progress.version = version(&answer, &url);
            if let Some(length) = checked.filter(|_| added == 0) {
                self.host.note_uncut(self.image.repository(), length);
                break;
            }
            match self.next(&answer, &whole, length, last)? {
                Next::End => break,
                Next::Check(next) => {
                    // A list that fills its page may grow on the next one, and the page would keep its version.
                    progress.version = None;
                    (url, checked) = (next, Some(length));
                }
                Next::Page(next) => {
                    progress.barren = if added == 0 { progress.barren + 1 } else { 0 };
                    if progress.barren > BARREN_PAGES {
                        return Err(self.invalid(&url, "its pages repeat themselves".to_owned()));
                    }
                    if progress.pages == 1 && length < PAGE_SIZE && self.host.paging() == Paging::Whole {
                        // This registry gives small pages: large ones from the beginning are fewer requests.
                        self.host.set_paging(Paging::Sized);
                        url.clone_from(&whole);
                        url.set_query(Some(&sized));
                        progress = Progress::default();
                        gave_small_pages = true;
                        continue;
                    }
                    (url, checked) = (next, None);
                }
            }
        }
        progress.known.sort_unstable();
        progress.known.dedup_by(|a, b| a.tag == b.tag);
        Ok(Some(TagList {
            snapshot: Arc::new(progress.tags.snapshot()),
            asked_at,
            known: progress.known,
            requests: self.request_count(),
            pages: progress.pages,
            illegal: progress.illegal,
            // The version of a page says nothing of the pages behind it.
            version: progress.version.filter(|_| progress.pages == 1),
        }))
    }

    /// Asks for a page, within what is left of the limits.
    async fn page(
        &self,
        url: &Url,
        unless: Option<&ListVersion>,
        progress: &mut Progress,
    ) -> Result<Answer, ScanError> {
        let limits = &self.registry.limits;
        if progress.pages >= limits.pages {
            return Err(self.too_many(format!("{} pages", limits.pages)));
        }
        if !progress.visited.insert(url.to_string()) {
            return Err(self.invalid(url, "the links between its pages form a loop".to_owned()));
        }
        let want = Want {
            method: Method::GET,
            accept: "application/json",
            limit: limits.bytes.saturating_sub(progress.bytes),
            unless: unless.map(|known| known.tag.clone()),
        };
        let answer = self.ask(url, &want).await?;
        if answer.is_oversized {
            return Err(self.too_many(format!("{} bytes", limits.bytes)));
        }
        Ok(answer)
    }

    fn read(&self, answer: &Answer, progress: &Progress) -> Result<TagPage, ScanError> {
        let limit = self.registry.limits.tags;
        TagPage::parse(&answer.body, limit.saturating_sub(progress.tags.len())).map_err(|err| match &err {
            InvalidPage::TooMany => self.too_many(format!("{limit} tags")),
            InvalidPage::NotATagList(_) => self.invalid(&answer.url, err.to_string()),
        })
    }

    fn next(
        &self,
        answer: &Answer,
        whole: &Url,
        length: usize,
        last: Option<String>,
    ) -> Result<Next, ScanError> {
        for link in answer.headers.get_all(LINK) {
            let link = link
                .to_str()
                .map_err(|_| self.invalid(&answer.url, "the link to the next page is no text".to_owned()))?;
            match next_page(link, &answer.url) {
                Ok(None) => {}
                Ok(Some(next)) => return Ok(Next::Page(next)),
                Err(err) => return Err(self.invalid(&answer.url, err.to_string())),
            }
        }
        let is_suspicious = SUSPICIOUS_LENGTHS.contains(&length) && self.host.may_cut_at(length);
        match last.filter(|_| is_suspicious) {
            None => Ok(Next::End),
            Some(last) => {
                let mut check = whole.clone();
                check
                    .query_pairs_mut()
                    .append_pair("n", &PAGE_SIZE.to_string())
                    .append_pair("last", &last);
                Ok(Next::Check(check))
            }
        }
    }

    fn too_many(&self, limit: String) -> ScanError {
        ScanError::TooManyTags {
            image: self.image.to_string(),
            limit,
        }
    }
}

/// The version of a page.
fn version(answer: &Answer, url: &Url) -> Option<ListVersion> {
    let tag = answer.headers.get(ETAG)?;
    (tag.len() <= MAX_VERSION).then(|| ListVersion {
        url: url.to_string(),
        tag: tag.clone(),
    })
}

impl Progress {
    /// Adds a page; tells how many of its tags no earlier page had.
    fn add(&mut self, page: TagPage, bytes: usize) -> usize {
        self.pages += 1;
        self.bytes += bytes as u64;
        self.illegal = self.illegal.saturating_add(page.illegal);
        let room = MAX_KNOWN.saturating_sub(self.known.len());
        self.known.extend(page.known.into_iter().take(room));
        let added = if self.pages == 1 {
            page.tags.len()
        } else {
            let seen = self.seen.get_or_insert_with(|| {
                let mut seen = SeenTags::new();
                seen.add(&self.tags);
                seen
            });
            seen.add(&page.tags)
        };
        if added > 0 {
            self.tags.append(page.tags);
        }
        added
    }
}
