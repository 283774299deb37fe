//! The `warm` program. Everything is in the library, so that tests can call it.

use std::process::ExitCode;

fn main() -> ExitCode {
    platform_hosted::cli::main()
}
