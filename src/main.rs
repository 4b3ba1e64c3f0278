//! procbench: thin binary. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    procbench::cli::main()
}
