//! The `smmu-inspect` command-line tool.

fn main() {}
