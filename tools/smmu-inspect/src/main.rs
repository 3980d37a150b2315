//! The `smmu-inspect` command-line tool.
//!
//! Exit code 0: all is well; 1: something failed; 2: the command line is wrong.

mod cli;
mod differ;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
