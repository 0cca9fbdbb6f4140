//! The choice bytes of a subtable's newest plane, as a set that is asked for sixteen bytes at once:
//! growing a subtable asks it for every entry.

use crate::plane_choice::{plane_choices, PLANES_MAX, ROTATIONS};
use std::sync::OnceLock;

/// A set of bytes, one bit each, indexed by low nibble, then by high nibble.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Movers {
    /// Bytes below 128.
    low: [u8; 16],
    /// Bytes from 128 on.
    high: [u8; 16],
}

/// The choice bytes that move into the last plane, by rotation and number of planes with that
/// plane.
pub fn movers() -> &'static [[Movers; PLANES_MAX + 1]; ROTATIONS] {
    static MOVERS: OnceLock<[[Movers; PLANES_MAX + 1]; ROTATIONS]> = OnceLock::new();
    MOVERS.get_or_init(|| {
        let mut all = [[Movers { low: [0; 16], high: [0; 16] }; PLANES_MAX + 1]; ROTATIONS];
        for (sets, choices) in all.iter_mut().zip(plane_choices()) {
            for planes in 2..=PLANES_MAX {
                let last = |&byte: &usize| usize::from(choices[planes][byte]) == planes - 1;
                for byte in (0..256).filter(last) {
                    let set = &mut sets[planes];
                    let half = if byte < 128 { &mut set.low } else { &mut set.high };
                    half[byte % 16] |= 1 << (byte / 16 % 8);
                }
            }
        }
        all
    })
}

impl Movers {
    /// Bit i is set where byte i is in the set.
    #[cfg(target_arch = "wasm32")]
    #[inline(always)]
    pub fn among(&self, bytes: &[u8; 16]) -> u32 {
        use core::arch::wasm32::*;
        // SAFETY: sixteen bytes each.
        let (bytes, low, high) = unsafe {
            (
                v128_load(bytes.as_ptr().cast()),
                v128_load(self.low.as_ptr().cast()),
                v128_load(self.high.as_ptr().cast()),
            )
        };
        let low_nibble = v128_and(bytes, u8x16_splat(15));
        let bits = u8x16(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        let bit = u8x16_swizzle(bits, u8x16_shr(bytes, 4));
        let words = v128_bitselect(
            u8x16_swizzle(high, low_nibble),
            u8x16_swizzle(low, low_nibble),
            i8x16_shr(bytes, 7),
        );
        u32::from(u8x16_bitmask(u8x16_eq(v128_and(words, bit), bit)))
    }

    /// Bit i is set where byte i is in the set.
    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    pub fn among(&self, bytes: &[u8; 16]) -> u32 {
        self.among_scalar(bytes)
    }

    /// The scalar form of `among`.
    #[cfg(any(test, not(target_arch = "wasm32")))]
    pub fn among_scalar(&self, bytes: &[u8; 16]) -> u32 {
        bytes.iter().enumerate().fold(0, |mask, (at, &byte)| {
            let half = if byte < 128 { &self.low } else { &self.high };
            mask | u32::from(half[usize::from(byte % 16)] >> (byte / 16 % 8) & 1) << at
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixing::mix64;

    #[test]
    fn a_byte_is_in_the_set_exactly_where_it_chooses_the_last_plane() {
        for (sets, choices) in movers().iter().zip(plane_choices()) {
            for planes in 2..=PLANES_MAX {
                for seed in 0..64 {
                    let words = [mix64(seed), mix64(seed + 999)].map(u64::to_le_bytes).concat();
                    let bytes: [u8; 16] = words.try_into().unwrap();
                    let expected = bytes.iter().enumerate().fold(0, |mask, (at, &byte)| {
                        let last = usize::from(choices[planes][usize::from(byte)]) == planes - 1;
                        mask | u32::from(last) << at
                    });
                    assert_eq!(sets[planes].among(&bytes), expected);
                    assert_eq!(sets[planes].among_scalar(&bytes), expected);
                }
            }
        }
    }
}
