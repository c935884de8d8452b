//! Setters rewrite marked YAML scalars and nothing else.
