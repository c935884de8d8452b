//! The Git protocols over smart HTTP and SSH: upload-pack in version 2, or 0 for servers that know no other, and receive-pack.

pub(crate) mod advertisement;
pub(crate) mod link;
pub(crate) mod packet;
pub(crate) mod receive;
pub(crate) mod smart;
pub(crate) mod upload;

/// How we call ourselves in the capability `agent`.
pub(crate) const AGENT: &str = concat!("agent=fluxbot/", env!("CARGO_PKG_VERSION"));

/// One reference as a server lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advertised {
    /// The full name, or `HEAD`.
    pub name: String,
    /// `None` for an unborn `HEAD`.
    pub id: Option<crate::ObjectId>,
    /// The object behind an annotated tag.
    pub peeled: Option<crate::ObjectId>,
    /// The target of a symbolic reference.
    pub target: Option<String>,
}
