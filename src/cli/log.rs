//! `--log-format` and `--log-level`, for the commands that log.

use crate::telemetry::{LogFormat, init_logging};

use super::Failure;

/// How log lines look and which are written; flatten it into a command's arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// How log lines look; they go to standard error
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or a list such as `warn,orderwatch::kafka=debug`. The variables
    /// ORDERWATCH_LOG and RUST_LOG come before it
    #[arg(long)]
    pub log_level: Option<String>,
}

impl LogArgs {
    /// Sets up logging; `default_level` holds where neither the environment nor the flag says another.
    ///
    /// # Errors
    /// The filter is not one.
    pub fn init(&self, default_level: &str) -> Result<(), Failure> {
        let level = self.log_level.as_deref().unwrap_or(default_level);
        init_logging(self.log_format, level).map_err(|e| Failure::Wrong(format!("error: {e}")))
    }
}
