//! Serving rows with 16 or 8 bits a weight, decoded into float32.
//!
//! Plain arithmetic over whole rows without branches, which the compiler vectorizes with the same
//! bits.

/// IEEE half precision. Error: at most |x|·2⁻¹¹, or 2⁻²⁵ below 2⁻¹⁴; finite weights beyond ±65,504
/// saturate.
pub mod fp16 {
    /// Both slices have the same length.
    pub fn encode_row(row: &[f32], out: &mut [u16]) {
        assert_eq!(row.len(), out.len());
        for (out, &value) in out.iter_mut().zip(row) {
            *out = encode(value);
        }
    }

    /// Both slices have the same length.
    #[inline]
    pub fn decode_row(row: &[u16], out: &mut [f32]) {
        assert_eq!(row.len(), out.len());
        for (out, &half) in out.iter_mut().zip(row) {
            *out = decode(half);
        }
    }

    /// Rounds to nearest, ties to even.
    #[inline(always)]
    fn encode(value: f32) -> u16 {
        const GREATEST: u32 = 0x477F_E000; // 65,504
        let sign = (value.to_bits() >> 16 & 0x8000) as u16;
        let magnitude = value.to_bits() & 0x7FFF_FFFF;
        if magnitude > 0x7F80_0000 {
            return sign | 0x7E00;
        }
        let magnitude = magnitude.min(GREATEST);
        let half = if magnitude < 0x3880_0000 {
            // Below 2⁻¹⁴: adding 0.5 shifts the mantissa to units of 2⁻²⁴ and rounds it.
            (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()
        } else {
            let odd = magnitude >> 13 & 1;
            (magnitude - (112 << 23) + 0xFFF + odd) >> 13
        };
        sign | half as u16
    }

    /// Exact.
    #[inline(always)]
    fn decode(half: u16) -> f32 {
        let sign = u32::from(half & 0x8000) << 16;
        let magnitude = u32::from(half & 0x7FFF) << 13;
        let scaled = f32::from_bits(magnitude) * f32::from_bits(0x7780_0000); // 2¹¹²
        let special = if half & 0x7C00 == 0x7C00 { 0x7F80_0000 } else { 0 };
        f32::from_bits(scaled.to_bits() | special | sign)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_half_is_decoded_and_encoded_without_loss() {
            for half in 0..=u16::MAX {
                let value = decode(half);
                let finite = half & 0x7C00 != 0x7C00;
                if finite {
                    assert_eq!(encode(value), half);
                } else if half & 0x3FF == 0 {
                    assert!(value.is_infinite());
                } else {
                    assert!(value.is_nan() && decode(encode(value)).is_nan());
                }
            }
            assert_eq!(decode(0x3C00), 1.0);
            assert_eq!(decode(0x0001), 2.0_f32.powi(-24));
            assert_eq!(decode(0xFBFF), -65_504.0);
        }

        #[test]
        fn the_nearest_half_is_chosen_within_the_stated_error() {
            let mut bits = 1_u32;
            for _ in 0..2_000_000 {
                bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = f32::from_bits(bits);
                if !value.is_finite() || value.abs() > 65_504.0 {
                    continue;
                }
                let error = (f64::from(decode(encode(value))) - f64::from(value)).abs();
                let bound = (f64::from(value).abs() * 2.0_f64.powi(-11)).max(2.0_f64.powi(-25));
                assert!(error <= bound, "{value}: {error}");
            }
            assert_eq!(decode(encode(1.0e9)), 65_504.0);
            assert_eq!(decode(encode(f32::NEG_INFINITY)), -65_504.0);
            assert_eq!(encode(1.0 + 2.0_f32.powi(-11)), 0x3C00, "a tie goes to even");
            assert_eq!(encode(1.0 + 3.0 * 2.0_f32.powi(-11)), 0x3C02, "a tie goes to even");
        }
    }
}

/// Eight bits with one scale a row, max|x|/127. Error: at most half a scale (1/254 of the row's
/// greatest weight).
pub mod int8 {
    /// Returns the scale; both slices have the same length. A row without a normal number becomes
    /// zeros.
    pub fn encode_row(row: &[f32], out: &mut [i8]) -> f32 {
        assert_eq!(row.len(), out.len());
        let greatest = row.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let scale = greatest / 127.0;
        if !(f32::MIN_POSITIVE..=f32::MAX).contains(&scale) {
            out.fill(0);
            return 0.0;
        }
        for (out, value) in out.iter_mut().zip(row) {
            *out = (value / scale).round_ties_even().clamp(-127.0, 127.0) as i8;
        }
        scale
    }

    /// Both slices have the same length.
    #[inline]
    pub fn decode_row(row: &[i8], scale: f32, out: &mut [f32]) {
        assert_eq!(row.len(), out.len());
        for (out, &value) in out.iter_mut().zip(row) {
            *out = f32::from(value) * scale;
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_weight_is_within_half_a_scale_at_every_length() {
            for length in 0..68_usize {
                for magnitude in [1e-30_f32, 1e-3, 1.0, 1e30] {
                    let row: Vec<f32> = (0..length)
                        .map(|i| (((i * 7919 + 13) % 1009) as f32 / 504.0 - 1.0) * magnitude)
                        .collect();
                    let mut bytes = vec![0; length];
                    let mut back = vec![f32::NAN; length];
                    let scale = encode_row(&row, &mut bytes);
                    decode_row(&bytes, scale, &mut back);
                    for (value, back) in row.iter().zip(back) {
                        let bound = f64::from(scale) * 0.500_01;
                        assert!((f64::from(*value) - f64::from(back)).abs() <= bound);
                    }
                }
            }
        }

        #[test]
        fn rows_without_normal_numbers_become_zeros() {
            for row in [[0.0; 4], [1e-40; 4], [f32::INFINITY; 4]] {
                let mut bytes = [1; 4];
                assert_eq!(encode_row(&row, &mut bytes), 0.0);
                assert_eq!(bytes, [0; 4]);
            }
        }
    }
}
