//! The id of a feature: `slot << 48 | low 48 bits of XXH64(UTF-8 text, seed 0)`.
//!
//! XXH64 is public, fast on short keys without 128-bit products, and available in every language,
//! so a client can compute the same ids. See Yann Collet, "XXH64 digest algorithm", 2014.

const PRIME1: u64 = 0x9E37_79B1_85EB_CA87;
const PRIME2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const PRIME3: u64 = 0x1656_67B1_9E37_79F9;
const PRIME4: u64 = 0x85EB_CA77_C2B2_AE63;
const PRIME5: u64 = 0x27D4_EB2F_1656_67C5;

/// Slots are 15 bits; the id's top bit stays 0.
pub const SLOT_MAX: u16 = 0x7FFF;

/// The id of a feature's text in a slot of at most [`SLOT_MAX`].
#[inline]
pub fn feature_id(slot: u16, utf8: &[u8]) -> u64 {
    debug_assert!(slot <= SLOT_MAX);
    u64::from(slot) << 48 | (xxh64(utf8, 0) & 0xFFFF_FFFF_FFFF)
}

/// XXH64 of `bytes`.
pub fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    let mut rest = bytes;
    let mut hash = if rest.len() >= 32 {
        let mut lanes = [
            seed.wrapping_add(PRIME1).wrapping_add(PRIME2),
            seed.wrapping_add(PRIME2),
            seed,
            seed.wrapping_sub(PRIME1),
        ];
        while let Some((stripe, behind)) = rest.split_first_chunk::<32>() {
            for (index, lane) in lanes.iter_mut().enumerate() {
                let word = stripe[8 * index..8 * index + 8].try_into().expect("eight bytes");
                *lane = round(*lane, u64::from_le_bytes(word));
            }
            rest = behind;
        }
        let joined = lanes[0]
            .rotate_left(1)
            .wrapping_add(lanes[1].rotate_left(7))
            .wrapping_add(lanes[2].rotate_left(12))
            .wrapping_add(lanes[3].rotate_left(18));
        lanes.into_iter().fold(joined, |hash, lane| {
            (hash ^ round(0, lane)).wrapping_mul(PRIME1).wrapping_add(PRIME4)
        })
    } else {
        seed.wrapping_add(PRIME5)
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        hash = (hash ^ round(0, u64::from_le_bytes(*word))).rotate_left(27);
        hash = hash.wrapping_mul(PRIME1).wrapping_add(PRIME4);
        rest = behind;
    }
    if let Some((word, behind)) = rest.split_first_chunk::<4>() {
        hash ^= u64::from(u32::from_le_bytes(*word)).wrapping_mul(PRIME1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME2).wrapping_add(PRIME3);
        rest = behind;
    }
    for &byte in rest {
        hash = (hash ^ u64::from(byte).wrapping_mul(PRIME5)).rotate_left(11).wrapping_mul(PRIME1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME3);
    hash ^ (hash >> 32)
}

#[inline(always)]
fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIME2)).rotate_left(31).wrapping_mul(PRIME1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_digests_are_reproduced() {
        assert_eq!(xxh64(b"", 0), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxh64(b"a", 0), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(xxh64(b"abc", 0), 0x44BC_2CF5_AD77_0999);
        assert_eq!(xxh64(b"Nobody inspects the spammish repetition", 0), 0xFBCE_A83C_8A37_8BF1);
    }

    #[test]
    fn an_id_is_its_slot_above_its_signature() {
        let id = feature_id(0x7FFF, b"abc");
        assert_eq!(id >> 48, 0x7FFF);
        assert_eq!(id & 0xFFFF_FFFF_FFFF, 0x2CF5_AD77_0999);
    }
}
