//! YAML as the Kubernetes ecosystem reads and writes it: go-yaml's rules, with positions.
