//! A file's framing: whatever is changed in it is found.

use super::*;

#[test]
fn every_cut_is_found() {
    let whole = encode(&header(4, 5_000), &orders(12));
    assert!(decode(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "cut at byte {length} of {}", whole.len());
    }
    let longer = [whole.as_slice(), b"x"].concat();
    assert_eq!(decode(&longer).unwrap_err(), FormatError::Trailing { offset: whole.len() as u64 });
}

#[test]
fn every_flipped_bit_is_found() {
    let whole = encode(&header(4, 5_000), &orders(12));
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(&damaged).is_err(), "bit {bit} of {}", whole.len() * 8);
    }
}

#[test]
fn a_chunk_that_is_missing_repeated_or_moved_is_found() {
    // Incompressible ids make several chunks.
    let many: Vec<_> = (0..40_000_i64)
        .map(|n| {
            let id = format!("{:016x}", (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            RestoredOrder::Open(vec![event(&id, n)])
        })
        .collect();
    let whole = encode(&header(4, 5_000), &many);
    let mut bounds = vec![10];
    while let Some(length) = whole.get(bounds[bounds.len() - 1] + 1..).and_then(|b| b.first_chunk::<4>()) {
        bounds.push(bounds[bounds.len() - 1] + 9 + u32::from_le_bytes(*length) as usize);
    }
    assert!(bounds.len() >= 5, "{bounds:?}");
    let part = |i: usize| &whole[bounds[i]..bounds[i + 1]];
    let rest = |i: usize| &whole[bounds[i]..];
    let missing = [&whole[..bounds[1]], rest(2)].concat();
    let repeated = [&whole[..bounds[2]], part(1), rest(2)].concat();
    let moved = [&whole[..bounds[1]], part(2), part(1), rest(3)].concat();
    for damaged in [missing, repeated, moved] {
        assert!(matches!(decode(&damaged), Err(FormatError::Checksum { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_at_random_places_is_found(
        count in 0_i64..200,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
    ) {
        let whole = encode(&header(4, 5_000), &orders(count));
        let mut damaged = whole.clone();
        for (at, mask) in flips {
            let at = at.index(damaged.len());
            damaged[at] ^= mask;
        }
        prop_assert!(damaged == whole || decode(&damaged).is_err());
    }
}
