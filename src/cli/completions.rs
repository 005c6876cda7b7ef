//! `orderwatch completions SHELL`

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure};

/// Print a shell's completion script
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell to complete for
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "orderwatch", &mut script);
    super::print(String::from_utf8_lossy(&script))
}
