//! fluxbot keeps Kubernetes clusters on the newest images that their teams allow, through Git.

pub mod http;
pub mod image;
pub mod policy;
pub mod scanner;
pub mod setters;
