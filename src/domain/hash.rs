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
}
