//! Wording what a registry answered: errors that say enough and hold no secret.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{DATE, RETRY_AFTER};
use url::Url;

use super::auth::RefusedRealm;
use super::budget::budget;
use super::exchange::{Answer, Operation, authority};
use super::{Credential, ScanError};
use crate::http::{HttpError, READ_TIMEOUT, bounded};

impl Operation<'_> {
    /// Takes note of what an answer says of limits. Gives how long to wait, when it refuses for that reason.
    pub(super) fn note_limits(&self, answer: &Answer) -> Option<Duration> {
        let said = answer
            .header(RETRY_AFTER.as_str())
            .and_then(|value| retry_after(value, answer.header(DATE.as_str())));
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => Some(self.host.set_pause(self.credential(), said)),
            StatusCode::SERVICE_UNAVAILABLE => said.map(|wait| self.host.close(wait)),
            status if status.is_server_error() => None,
            // A token server has limits of its own.
            _ if answer.url.host_str() != Some(self.registry_host()) => None,
            _ => {
                let now = answer
                    .header(DATE.as_str())
                    .and_then(parse_date)
                    .unwrap_or_else(Timestamp::now);
                let said = budget(|name| answer.header(name), now);
                self.host.note_budget(self.credential(), said);
                None
            }
        }
    }

    /// An answer that refuses because of limits.
    pub(super) fn limited(&self, answer: &Answer, wait: Duration) -> ScanError {
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            rate_limited(authority(&answer.url), wait)
        } else {
            self.unavailable(answer, Some(wait))
        }
    }

    /// A request that was not sent because of limits.
    pub(super) fn held_back(&self, wait: Duration) -> ScanError {
        rate_limited(self.image.registry().to_owned(), wait)
    }

    pub(super) fn unauthorized(&self, answer: &Answer) -> ScanError {
        ScanError::Unauthorized {
            image: self.image.to_string(),
            host: authority(&answer.url),
            identity: match self.credential() {
                None => "no credentials for it",
                Some(Credential::Basic { .. }) => "with user name and password",
                Some(Credential::IdentityToken(_)) => "with an identity token",
                Some(Credential::RegistryToken(_)) => "with a registry token",
            },
            answer: self.describe(answer),
        }
    }

    pub(super) fn unavailable(&self, answer: &Answer, retry_after: Option<Duration>) -> ScanError {
        ScanError::Unavailable {
            retry_after,
            image: self.image.to_string(),
            host: authority(&answer.url),
            answer: self.describe(answer),
        }
    }

    pub(super) fn invalid(&self, url: &Url, reason: String) -> ScanError {
        ScanError::InvalidResponse {
            image: self.image.to_string(),
            host: authority(url),
            reason,
        }
    }

    pub(super) fn realm_refused(&self, refused: RefusedRealm) -> ScanError {
        ScanError::RealmRefused {
            image: self.image.to_string(),
            host: self.image.registry().to_owned(),
            realm: refused.shown,
            reason: refused.reason,
        }
    }

    pub(super) fn redirect_refused(&self, from: &Url, reason: impl Into<String>) -> ScanError {
        ScanError::RedirectRefused {
            image: self.image.to_string(),
            host: authority(from),
            reason: reason.into(),
        }
    }

    /// What a final answer without success means.
    pub(super) fn refusal(&self, answer: &Answer) -> ScanError {
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.unauthorized(answer),
            StatusCode::NOT_FOUND => ScanError::NotFound {
                host: authority(&answer.url),
                repository: self.image.repository().to_owned(),
                answer: self.describe(answer),
            },
            _ => self.invalid(&answer.url, self.describe(answer)),
        }
    }

    /// Status, and the error code and message of the body, without anything secret.
    pub(super) fn describe(&self, answer: &Answer) -> String {
        let status = answer.status.to_string();
        let Some(message) = message_of(&answer.body) else {
            return status;
        };
        // A server can repeat what it was sent.
        let mut secrets = self.credential().map(Credential::secrets).unwrap_or_default();
        let sent = answer.sent.as_ref().and_then(|value| value.to_str().ok());
        secrets.extend(
            sent.and_then(|value| value.split_once(' '))
                .map(|(_, secret)| secret.to_owned()),
        );
        let mut message = secrets
            .iter()
            .filter(|secret| secret.len() > 2)
            .fold(message, |message, secret| message.replace(secret.as_str(), "***"));
        for scheme in ["Bearer ", "Basic ", "bearer ", "basic "] {
            message = without_value_after(&message, scheme);
        }
        format!("{status}, {}", bounded(&message))
    }

    pub(super) fn http_error(&self, err: HttpError) -> ScanError {
        let image = self.image.to_string();
        match err {
            HttpError::Timeout { host } => ScanError::Timeout {
                image,
                host,
                limit: READ_TIMEOUT,
            },
            reason => ScanError::Unreachable { image, reason },
        }
    }
}

fn rate_limited(host: String, retry_after: Duration) -> ScanError {
    ScanError::RateLimited {
        host,
        retry_after,
        until: Timestamp::now()
            .saturating_add(retry_after)
            .unwrap_or(Timestamp::MAX),
    }
}

/// How long `Retry-After` asks to wait: seconds, or a date that is compared with the answer's own.
fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = parse_date(value)?;
    let now = date.and_then(parse_date).unwrap_or_else(Timestamp::now);
    Duration::try_from(until.duration_since(now)).ok()
}

fn parse_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp())
}

/// The message of an error body: the registry's, the token server's or `OAuth2`'s form.
fn message_of(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let first = value
        .get("errors")
        .and_then(|errors| errors.get(0))
        .unwrap_or(&value);
    let field = |name: &str| first.get(name).and_then(serde_json::Value::as_str);
    let parts: Vec<&str> = ["code", "error", "message", "error_description", "details"]
        .iter()
        .filter_map(|name| field(name))
        .filter(|text| !text.is_empty())
        .collect();
    (!parts.is_empty()).then(|| parts.join(": "))
}

/// Replaces the word after each `marker`.
fn without_value_after(text: &str, marker: &str) -> String {
    let mut parts = text.split(marker);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let (_, rest) = part.split_at(end);
        clean.push_str(marker);
        clean.push_str("***");
        clean.push_str(rest);
    }
    clean
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("120", None, Some(120))]
    #[case(
        "Wed, 21 Oct 2026 07:28:30 GMT",
        Some("Wed, 21 Oct 2026 07:28:00 GMT"),
        Some(30)
    )]
    #[case("Wed, 21 Oct 2026 07:27:00 GMT", Some("Wed, 21 Oct 2026 07:28:00 GMT"), None)]
    #[case("-5", None, None)]
    #[case("soon", None, None)]
    fn retry_after_is_seconds_or_a_date(
        #[case] value: &str,
        #[case] date: Option<&str>,
        #[case] seconds: Option<u64>,
    ) {
        assert_eq!(retry_after(value, date), seconds.map(Duration::from_secs));
    }

    #[rstest]
    #[case(
        r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such","detail":{}}]}"#,
        Some("NAME_UNKNOWN: no such")
    )]
    #[case(
        r#"{"details":"incorrect username or password"}"#,
        Some("incorrect username or password")
    )]
    #[case(
        r#"{"error":"invalid_grant","error_description":"expired"}"#,
        Some("invalid_grant: expired")
    )]
    #[case("<html>", None)]
    #[case("[]", None)]
    fn the_message_of_an_error_is_found(#[case] body: &str, #[case] expected: Option<&str>) {
        assert_eq!(message_of(body.as_bytes()).as_deref(), expected);
    }
}
