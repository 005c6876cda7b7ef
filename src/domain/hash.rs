//! Names that two processes must make alike: SHA-256 over parts whose borders cannot be confused.

use sha2::{Digest, Sha256};

use super::Str;

/// The first 32 hexadecimal digits of the SHA-256 over `parts`, each preceded by its length, so that `("a", "bc")` and
/// `("ab", "c")` differ.
pub fn digest_32(parts: &[&[u8]]) -> Str {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    let digest = hasher.finalize();
    let hex: String = digest.iter().take(16).flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect();
    Str::from(hex)
}

/// The SHA-256 over two texts, the first behind its length in bytes, so that where it ends counts. Most pairs of an entity and an
/// id are one block of it.
pub fn digest_of_pair(first: &str, second: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update((first.len() as u64).to_le_bytes());
    hasher.update(first);
    hasher.update(second);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_of_parts_count() {
        assert_eq!(digest_32(&[b"a", b"bc"]).len(), 32);
        assert_ne!(digest_32(&[b"a", b"bc"]), digest_32(&[b"ab", b"c"]));
        assert_ne!(digest_32(&[b"a"]), digest_32(&[b"a", b""]));
        // Fixed for good: a published id must not change with a release.
        assert_eq!(digest_32(&[]), "e3b0c44298fc1c149afbf4c8996fb924");
    }

    #[test]
    fn where_the_first_of_a_pair_ends_counts() {
        assert_ne!(digest_of_pair("a", "bc"), digest_of_pair("ab", "c"));
        // Fixed for good: snapshots hold a part of it.
        assert_eq!(digest_of_pair("", "").first_chunk(), Some(&[0xaf, 0x55, 0x70, 0xf5]));
    }
}
