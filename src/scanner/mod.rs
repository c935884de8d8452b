//! The scanner asks registries for their tags.
