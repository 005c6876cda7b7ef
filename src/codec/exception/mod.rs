//! Exceptions out, and read back: what was published is read at a restart, not guessed.

pub(super) mod json;
pub(super) mod protobuf;

#[cfg(test)]
pub(super) mod tests;

use super::Format;
use crate::domain::Exception;

/// A value on `exceptions-current` that is not an exception of ours.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an exception that orderwatch wrote: {detail}")]
pub struct NotAnException {
    /// What is wrong; bounded.
    pub detail: String,
}

impl NotAnException {
    fn new(detail: impl std::fmt::Display) -> Self {
        NotAnException { detail: detail.to_string().chars().take(300).collect() }
    }
}

/// Writes one exception's value: the same bytes for the same exception.
pub fn encode_exception(exception: &Exception, format: Format) -> Vec<u8> {
    match format {
        Format::Json => json::write(exception),
        Format::Protobuf => protobuf::write(exception),
    }
}

/// The inverse of [`encode_exception`]. Fields that this version does not know are read past.
///
/// # Errors
/// The bytes are something else.
pub fn decode_exception(value: &[u8], format: Format) -> Result<Exception, NotAnException> {
    match format {
        Format::Json => json::read(value),
        Format::Protobuf => protobuf::read(value),
    }
}
