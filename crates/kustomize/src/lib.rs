//! Builds kustomizations: files in, Kubernetes objects out, without network, process or file system of its own.
