//! procbench: thin binary.
fn main() {}
