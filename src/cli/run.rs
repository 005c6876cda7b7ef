//! `orderwatch run`: watches the orders until it is told to stop.

use super::log::LogArgs;
use super::{ConfigFile, Failure};

/// Watch the orders: read the input topics, publish exceptions
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    log: LogArgs,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(args: Args) -> Result<(), Failure> {
    args.log.init("info")?;
    // `check` shows the warnings; a service's log is no place for them.
    let (config, _warnings) = args.config.load(None)?;
    crate::run::run(config)?;
    crate::telemetry::flush();
    Ok(())
}
