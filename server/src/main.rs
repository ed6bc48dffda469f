//! The `gridwork` command.
fn main() {}
