//! The program runmask.

fn main() {}
