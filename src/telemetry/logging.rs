//! Where log lines go and how they look: standard error, as text or as JSON objects.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line each, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter of a variable or of `--log-level` is not one.
    #[error(
        "{origin} is not a log filter: `{text}` ({reason}); write a level such as `info`, or `warn,orderwatch::kafka=debug`"
    )]
    Filter {
        /// `ORDERWATCH_LOG`, `RUST_LOG` or `--log-level`.
        origin: &'static str,
        /// What it says.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something in this process has set up logging before.
    #[error("logging is set up already")]
    Twice,
}

/// Sends log lines to standard error. The filter is `ORDERWATCH_LOG`, else `RUST_LOG`, else `level`
/// (a level, or a list such as `warn,orderwatch::kafka=debug`).
///
/// # Errors
/// The filter cannot be read, or logging was set up before.
pub fn init_logging(format: LogFormat, level: &str) -> Result<(), LoggingError> {
    let from_env = ["ORDERWATCH_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.trim().is_empty()).map(|v| (name, v)));
    let (origin, text) = from_env.unwrap_or_else(|| ("--log-level", level.to_owned()));
    let filter = parse_filter(origin, &text)?;
    let registry = tracing_subscriber::registry().with(filter);
    let done = match format {
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
                    .with_target(false),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(false)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
    };
    done.map_err(|_| LoggingError::Twice)
}

fn parse_filter(origin: &'static str, text: &str) -> Result<EnvFilter, LoggingError> {
    EnvFilter::builder().parse(text).map_err(|e| LoggingError::Filter {
        origin,
        text: text.to_owned(),
        reason: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_names_where_it_came_from_and_what_to_write() {
        let error = parse_filter("ORDERWATCH_LOG", "orderwatch=loud").unwrap_err().to_string();
        assert!(error.starts_with("ORDERWATCH_LOG is not a log filter: `orderwatch=loud`"), "{error}");
        assert!(error.contains("such as `info`"), "{error}");
    }

    #[test]
    fn levels_and_lists_are_filters() {
        for text in ["info", "warn,orderwatch::kafka=debug", "off"] {
            assert!(parse_filter("--log-level", text).is_ok(), "{text}");
        }
    }
}
