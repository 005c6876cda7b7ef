//! What can go wrong with a store, and what to do about it.

use std::error::Error;
use std::io::ErrorKind;

use super::format::FormatError;

/// A snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no place to keep snapshots in.
    #[error("`{url}` is no place for snapshots: {reason}")]
    Url {
        /// What it says.
        url: String,
        /// What is wrong with it and what was expected.
        reason: String,
    },
    /// The place did not do what it was asked.
    #[error("cannot {action} {location}: {reason}{}", advice(*kind))]
    Io {
        /// `write`, `list`, `read`, `remove` or `create`.
        action: &'static str,
        /// The file or object.
        location: String,
        /// The innermost cause, in its own words.
        reason: String,
        /// The kind of the cause, where it is one of the operating system's.
        kind: Option<ErrorKind>,
    },
    /// What was read is not a whole snapshot.
    #[error("{location}: {source}")]
    Format {
        /// The file or object.
        location: String,
        /// What is wrong with it.
        source: FormatError,
    },
    /// It is whole and somebody else's.
    #[error("{location}: it belongs to {what} `{theirs}`, and `{ours}` is wanted")]
    Foreign {
        /// The file or object.
        location: String,
        /// `group`, `shard` or `cluster`.
        what: &'static str,
        /// What it says.
        theirs: String,
        /// What was looked for.
        ours: String,
    },
    /// The thread that did it has gone away without a word.
    #[error("the snapshot of shard {shard} ended without a result")]
    Lost {
        /// The shard.
        shard: i32,
    },
}

impl StoreError {
    /// From any error whose causes say what happened.
    pub fn io(action: &'static str, location: impl ToString, error: &(dyn Error + 'static)) -> Self {
        let mut innermost = error;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        let kind = innermost.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        StoreError::Io { action, location: location.to_string(), reason: innermost.to_string(), kind }
    }
}

fn advice(kind: Option<ErrorKind>) -> &'static str {
    match kind {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
            "; free some space there, or point snapshots.url to a larger place"
        }
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            "; let orderwatch's user write there, or point snapshots.url elsewhere"
        }
        Some(ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => {
            "; something that is no directory is in the way: remove it, or point snapshots.url elsewhere"
        }
        Some(_) => "",
        None => "; check snapshots.url, the credentials in the environment and the network",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn says_the_innermost_cause_and_what_to_do() {
        let cases = [
            (io::Error::from(ErrorKind::StorageFull), "free some space"),
            (io::Error::from(ErrorKind::FileTooLarge), "free some space"),
            (io::Error::from(ErrorKind::PermissionDenied), "let orderwatch's user write there"),
            (io::Error::from(ErrorKind::ReadOnlyFilesystem), "let orderwatch's user write there"),
            (io::Error::from(ErrorKind::NotADirectory), "no directory is in the way"),
        ];
        for (cause, want) in cases {
            let reason = cause.to_string();
            let text = StoreError::io("write", "/snapshots/0", &Outer(cause)).to_string();
            assert!(text.starts_with(&format!("cannot write /snapshots/0: {reason}; ")), "{text}");
            assert!(text.contains(want), "{text}");
        }
    }
}
