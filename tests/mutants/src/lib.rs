//! Nothing: the package is its test, `rules.rs`.
