//! Reads what a server was asked, and orders faults from it.

use std::collections::BTreeMap;

use reqwest::{Client, Method, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

/// One request that a server got.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method, or the Git service for SSH.
    pub method: String,
    /// The path without query.
    pub path: String,
    /// The query as sent.
    pub query: String,
    /// `HTTP/1.1` or `HTTP/2.0`; for SSH the value of `GIT_PROTOCOL`.
    pub protocol: String,
    /// The scheme of the Authorization header, empty without one.
    pub authorization: String,
    /// The other headers, first value of each, names in canonical form (`Git-Protocol`).
    pub headers: BTreeMap<String, String>,
    /// The announced size of the body in bytes; -1 when it was streamed.
    pub content_length: i64,
    /// Bytes of the body that the server has read.
    pub bytes_received: u64,
    /// Bytes of the answer's body, before TLS.
    pub bytes_sent: u64,
    /// The HTTP status or exit status; 0 while there is none.
    pub status: i32,
    /// The action of the fault that happened to this request, empty for most.
    pub fault: String,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Answers with the fault's status in the server's place; over SSH closes the connection.
    Status,
    /// Closes the connection before the server sees the request.
    DropRequest,
    /// Closes the connection after the server did its work: the answer is lost.
    DropResponse,
    /// Keeps the request from the server until the fault is cleared.
    HoldRequest,
    /// Lets the server do its work and keeps the answer until the fault is cleared.
    HoldResponse,
}

/// Something to do to the next requests that match.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// What to do.
    pub action: Action,
    /// To how many requests.
    pub count: u32,
    /// Only to requests with this method; empty for any.
    pub method: String,
    /// Only to requests with this in their path. On a shared server: the repository's name, because
    /// faults are awaited and cleared by it.
    pub path_contains: String,
    /// The answer of [`Action::Status`].
    pub status: u16,
    /// Headers of that answer.
    pub headers: BTreeMap<String, String>,
    /// Body of that answer.
    pub body: String,
}

impl Fault {
    /// The action, once, for requests with this in their path.
    pub fn new(action: Action, path_contains: &str) -> Self {
        Self {
            action,
            count: 1,
            method: String::new(),
            path_contains: path_contains.to_owned(),
            status: 0,
            headers: BTreeMap::new(),
            body: String::new(),
        }
    }

    /// An answer with this status, once.
    pub fn status(status: u16, path_contains: &str) -> Self {
        Self {
            status,
            ..Self::new(Action::Status, path_contains)
        }
    }

    /// Happens this often.
    pub fn times(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// Happens to requests with this method only.
    pub fn method(self, method: &str) -> Self {
        Self {
            method: method.to_owned(),
            ..self
        }
    }

    /// Answers with this header, too.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// The control listener of one server.
#[derive(Debug, Clone)]
pub struct Control {
    client: Client,
    base: Url,
}

impl Control {
    /// Speaks to the control listener at this address.
    pub fn new(addr: &str) -> Self {
        Self {
            client: super::registry::http_client(None, None),
            base: format!("http://{addr}").parse().unwrap(),
        }
    }

    /// The requests whose path contains this, oldest first.
    pub async fn requests(&self, path_contains: &str) -> Vec<Request> {
        let body = self.call(Method::GET, "__requests", &[], String::new()).await;
        let mut requests: Vec<Request> = serde_json::from_str(&body).unwrap();
        requests.retain(|request| request.path.contains(path_contains));
        requests
    }

    /// Forgets all requests. Only for servers that one test has for itself.
    pub async fn forget_requests(&self) {
        self.call(Method::DELETE, "__requests", &[], String::new()).await;
    }

    /// Orders a fault.
    pub async fn order(&self, fault: &Fault) {
        self.call(
            Method::POST,
            "__faults",
            &[],
            serde_json::to_string(fault).unwrap(),
        )
        .await;
    }

    /// Withdraws the faults that were ordered with this `path_contains`, and releases what they hold.
    pub async fn clear_faults(&self, path_contains: &str) {
        self.call(
            Method::DELETE,
            "__faults",
            &[("path_contains", path_contains)],
            String::new(),
        )
        .await;
    }

    /// Returns once the faults with this `path_contains` hold so many requests at the same time.
    pub async fn await_held(&self, path_contains: &str, count: u32) {
        let count = count.to_string();
        let query = [("path_contains", path_contains), ("count", count.as_str())];
        self.call(Method::GET, "__held", &query, String::new()).await;
    }

    async fn call(&self, method: Method, path: &str, query: &[(&str, &str)], body: String) -> String {
        let mut url = self.base.join(path).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let response = self.client.request(method, url).body(body).send().await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "control: {body}");
        body
    }
}
