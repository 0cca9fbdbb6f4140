//! Eight-bit tags: the part of a hash by which a search finds candidate cells without reading rows.
//!
//! A bucket is sixteen tags, one vector; tag 0 is an empty cell. Buckets this wide hardly ever
//! overflow below the load at which the index grows, so almost no insertion has to move an entry.

/// Cells of a bucket.
pub const BUCKET_CELLS: usize = 16;

/// The tags of one bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(16))]
pub struct Tags(pub [u8; BUCKET_CELLS]);

const _: () = assert!(size_of::<Tags>() == 16 && align_of::<Tags>() == 16);

impl Tags {
    /// Sixteen empty cells.
    #[cfg(test)]
    pub const EMPTY: Tags = Tags([0; BUCKET_CELLS]);

    /// Bit i is set where cell i carries `tag`.
    #[cfg(target_arch = "wasm32")]
    #[inline(always)]
    pub fn matches(&self, tag: u8) -> u32 {
        use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, v128_load};
        // SAFETY: sixteen bytes.
        let tags = unsafe { v128_load(self.0.as_ptr().cast()) };
        u32::from(u8x16_bitmask(u8x16_eq(tags, u8x16_splat(tag))))
    }

    /// Bit i is set where cell i carries `tag`.
    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    pub fn matches(&self, tag: u8) -> u32 {
        self.matches_scalar(tag)
    }

    /// The scalar form of `matches`.
    #[cfg(any(test, not(target_arch = "wasm32")))]
    pub fn matches_scalar(&self, tag: u8) -> u32 {
        self.0
            .iter()
            .enumerate()
            .fold(0, |mask, (cell, &each)| mask | u32::from(each == tag) << cell)
    }

    /// A word of the tags; the load fetches their cache line.
    #[inline(always)]
    pub fn touch(&self) -> u64 {
        u64::from_le_bytes(*self.0.first_chunk().expect("sixteen tags"))
    }
}

/// The tag of a hash, 1 to 255, from bits that choose neither subtable nor bucket.
#[inline(always)]
pub fn tag_of(hash: u64) -> u8 {
    let tag = (hash >> 32) as u8;
    tag + u8::from(tag == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::mix64;

    #[test]
    fn the_vector_comparison_equals_its_scalar_form() {
        for seed in 0..2000 {
            let words = [mix64(seed), mix64(seed + 1_000_000)];
            let mut tags = Tags::EMPTY;
            for (cell, tag) in tags.0.iter_mut().enumerate() {
                *tag = (words[cell / 8] >> (cell % 8 * 8)) as u8;
            }
            for tag in [0, 1, tags.0[0], tags.0[15], 255] {
                assert_eq!(tags.matches(tag), tags.matches_scalar(tag));
            }
        }
    }

    #[test]
    fn empty_cells_are_those_with_tag_zero() {
        let mut tags = Tags::EMPTY;
        assert_eq!(tags.matches(0), 0xffff);
        tags.0[0] = 0x80;
        tags.0[15] = 1;
        assert_eq!(tags.matches(0), 0x7ffe);
    }
}
