//! Eight-bit tags: the part of a hash that says, without touching a row, which slots are worth a look.
//!
//! A bucket is eight tags in one word; tag 0 means an empty slot. An id has two candidate buckets, and one vector
//! comparison covers both.

/// Slots of a bucket.
pub const BUCKET_SLOTS: usize = 8;

/// The tag of a hash, 1 to 255, from bits that choose neither region nor bucket.
#[inline(always)]
pub fn tag_of(hash: u64) -> u8 {
    let tag = (hash >> 32) as u8;
    tag + u8::from(tag == 0)
}

/// Bit i is set where byte i of the two words, `first` then `second`, equals `tag`.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
pub fn matches(first: u64, second: u64, tag: u8) -> u32 {
    use core::arch::wasm32::*;
    let both = u64x2(first, second);
    u32::from(u8x16_bitmask(u8x16_eq(both, u8x16_splat(tag))))
}

/// Bit i is set where byte i of the two words, `first` then `second`, equals `tag`.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
pub fn matches(first: u64, second: u64, tag: u8) -> u32 {
    matches_scalar(first, second, tag)
}

/// The scalar twin of `matches`.
pub fn matches_scalar(first: u64, second: u64, tag: u8) -> u32 {
    let bytes = first.to_le_bytes().into_iter().chain(second.to_le_bytes());
    bytes.enumerate().fold(0, |mask, (slot, byte)| mask | u32::from(byte == tag) << slot)
}

/// The first empty slot of a bucket, if it has one.
#[inline(always)]
pub fn empty_slot(tags: u64) -> Option<usize> {
    // A byte that is zero borrows into its top bit; lower bytes are exact, so the first hit is right.
    let zeros = tags.wrapping_sub(0x0101_0101_0101_0101) & !tags & 0x8080_8080_8080_8080;
    match zeros {
        0 => None,
        _ => Some(zeros.trailing_zeros() as usize / 8),
    }
}

/// Occupied slots of a bucket, 0 to 8.
#[inline(always)]
pub fn occupied(tags: u64) -> u32 {
    let nonzero = (tags & 0x7f7f_7f7f_7f7f_7f7f).wrapping_add(0x7f7f_7f7f_7f7f_7f7f) | tags;
    (nonzero & 0x8080_8080_8080_8080).count_ones()
}

/// The tag in one slot.
#[inline(always)]
pub fn tag_at(tags: u64, slot: usize) -> u8 {
    (tags >> (slot * 8)) as u8
}

/// The bucket with one slot's tag replaced.
#[inline(always)]
pub fn with_tag(tags: u64, slot: usize, tag: u8) -> u64 {
    let cleared = tags & !(0xff << (slot * 8));
    cleared | u64::from(tag) << (slot * 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::mix64;

    #[test]
    fn the_vector_comparison_equals_its_scalar_twin() {
        for seed in 0..2000 {
            let (first, second) = (mix64(seed), mix64(seed + 1_000_000));
            for tag in [0, 1, first as u8, (second >> 56) as u8, 255] {
                assert_eq!(matches(first, second, tag), matches_scalar(first, second, tag));
            }
        }
    }

    #[test]
    fn empty_slots_are_found_first_to_last_and_counted() {
        let mut tags = 0;
        for slot in 0..BUCKET_SLOTS {
            assert_eq!((empty_slot(tags), occupied(tags)), (Some(slot), slot as u32));
            tags = with_tag(tags, slot, if slot % 2 == 0 { 0x80 } else { 1 });
        }
        assert_eq!((empty_slot(tags), occupied(tags)), (None, 8));
        assert_eq!(tag_at(tags, 6), 0x80);
    }
}
