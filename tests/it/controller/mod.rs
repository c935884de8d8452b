//! The reconcilers of sources and Kustomizations: the program against a real API server and a real Git server.

mod content;
mod fields;
mod fixture;
mod kustomization;
mod source;
