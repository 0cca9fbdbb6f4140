//! The first weights of a row: a function of (seed, id, column) alone, so a row is the same on any
//! shard, in any order, after any restart. Counter-based; there is no generator state.

use crate::mixing::mix64;

/// The distribution of first weights. Codes: `optimizer_codes.ts`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // the fields are the distribution's parameters
pub enum Initializer {
    Zeros,
    Constant { value: f32 },
    Uniform { low: f32, high: f32 },
    Normal { mean: f32, stddev: f32 },
}

/// The reason why three words are not an initializer.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // `word` indexes the encoded words
pub enum InitializerError {
    UnknownKind(f32),
    NotFinite {
        word: usize,
    },
    /// low > high, or stddev < 0.
    OutOfRange,
}

impl Initializer {
    /// Words of an encoded initializer: kind and two parameters.
    pub const WORDS: usize = 3;

    /// Decodes the words of `optimizer_codes.ts`.
    pub fn decode(words: &[f32; Initializer::WORDS]) -> Result<Initializer, InitializerError> {
        if let Some(word) = words.iter().position(|word| !word.is_finite()) {
            return Err(InitializerError::NotFinite { word });
        }
        let [kind, first, second] = *words;
        match kind {
            0.0 => Ok(Initializer::Zeros),
            1.0 => Ok(Initializer::Constant { value: first }),
            2.0 if first <= second && (second - first).is_finite() => {
                Ok(Initializer::Uniform { low: first, high: second })
            }
            3.0 if second >= 0.0 => Ok(Initializer::Normal { mean: first, stddev: second }),
            2.0 | 3.0 => Err(InitializerError::OutOfRange),
            unknown => Err(InitializerError::UnknownKind(unknown)),
        }
    }

    /// Writes the weights of columns `first_column..`, counted in the whole row, so that two slices
    /// of a row differ.
    pub fn fill(&self, seed: u64, id: u64, first_column: u32, out: &mut [f32]) {
        let key = mix64(seed ^ mix64(id));
        let columns = out.iter_mut().zip(first_column..);
        match *self {
            Initializer::Zeros => out.fill(0.0),
            Initializer::Constant { value } => out.fill(value),
            // Plain arithmetic on words, which the compiler vectorizes with the same bits.
            Initializer::Uniform { low, high } => columns.for_each(|(out, column)| {
                *out = low + (high - low) * unit_interval(word(key, column));
            }),
            Initializer::Normal { mean, stddev } => columns.for_each(|(out, column)| {
                let probability = (f64::from(word(key, column)) + 0.5) / 4_294_967_296.0;
                *out = mean + stddev * normal_quantile(probability) as f32;
            }),
        }
    }
}

/// 32 random bits for a row's key and a column.
#[inline(always)]
fn word(key: u64, column: u32) -> u32 {
    let low = (key as u32).wrapping_add(column.wrapping_mul(0x9E37_79B9));
    mix32(mix32(low) ^ (key >> 32) as u32)
}

/// A bijection of 32-bit words. See Chris Wellons, "Prospecting for Hash Functions", 2018
/// (lowbias32).
#[inline(always)]
fn mix32(word: u32) -> u32 {
    let word = (word ^ (word >> 16)).wrapping_mul(0x7FEB_352D);
    let word = (word ^ (word >> 15)).wrapping_mul(0x846C_A68B);
    word ^ (word >> 16)
}

/// The top 24 bits as a float in [0, 1), without rounding.
#[inline(always)]
fn unit_interval(word: u32) -> f32 {
    (word >> 8) as i32 as f32 * (1.0 / 16_777_216.0)
}

/// The standard normal's inverse distribution function, to a relative error of 1.2e-9.
///
/// See Peter Acklam, "An algorithm for computing the inverse normal cumulative distribution
/// function", 2003.
fn normal_quantile(probability: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.38357751867269e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e1,
        1.615858368580409e2,
        -1.556989798598866e2,
        6.680131188771972e1,
        -1.328068155288572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 5] =
        [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1.0];
    const TAIL: f64 = 0.02425;
    let lower = |probability: f64| {
        let q = (-2.0 * natural_logarithm(probability)).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    if probability < TAIL {
        lower(probability)
    } else if probability > 1.0 - TAIL {
        -lower(1.0 - probability)
    } else {
        let q = probability - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    }
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// ln x for normal x > 0, from basic operations only: the last bit of the platform's `ln` differs
/// between machines.
fn natural_logarithm(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i32 - 1023;
    let mut mantissa = f64::from_bits(bits & 0x000F_FFFF_FFFF_FFFF | 0x3FF0_0000_0000_0000);
    if mantissa > core::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    // ln m = 2 artanh(s); |s| < 0.172, so ten terms leave 1e-16.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let series = (0..10).rev().fold(0.0, |sum, k| sum * s * s + 1.0 / f64::from(2 * k + 1));
    f64::from(exponent) * core::f64::consts::LN_2 + 2.0 * s * series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(initializer: Initializer, rows: u64, dim: usize) -> Vec<f32> {
        let mut all = Vec::new();
        let mut row = vec![f32::NAN; dim];
        for id in 0..rows {
            initializer.fill(7, id, 0, &mut row);
            all.extend_from_slice(&row);
        }
        all
    }

    fn mean_and_deviation(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        (mean, variance.sqrt())
    }

    #[test]
    fn a_weight_depends_on_seed_id_and_column_alone() {
        for initializer in [
            Initializer::Uniform { low: -1.0, high: 1.0 },
            Initializer::Normal { mean: 0.0, stddev: 1.0 },
        ] {
            let mut whole = [0.0; 67];
            initializer.fill(1, 42, 0, &mut whole);
            for start in 0..67 {
                let mut part = vec![0.0; 67 - start];
                initializer.fill(1, 42, start as u32, &mut part);
                assert_eq!(part, whole[start..]);
            }
            let mut other = [0.0; 67];
            initializer.fill(2, 42, 0, &mut other);
            assert_ne!(whole, other);
            initializer.fill(1, 43, 0, &mut other);
            assert_ne!(whole, other);
        }
    }

    #[test]
    fn first_weights_never_change_between_versions() {
        let mut row = [0.0; 3];
        Initializer::Uniform { low: -0.05, high: 0.05 }.fill(42, 1 << 48 | 7, 0, &mut row);
        let uniform = row.map(f32::to_bits);
        Initializer::Normal { mean: 0.0, stddev: 0.01 }.fill(42, 1 << 48 | 7, 0, &mut row);
        let normal = row.map(f32::to_bits);
        assert_eq!((uniform, normal), GOLDEN);
    }

    /// Bits of three uniform and three normal weights; stored tables and replicas depend on them.
    const GOLDEN: ([u32; 3], [u32; 3]) =
        ([1_016_290_174, 1_010_898_760, 1_028_216_253], [999_892_272, 994_345_501, 1_019_455_890]);

    #[test]
    fn uniform_weights_fill_their_interval_evenly() {
        let values = sample(Initializer::Uniform { low: -0.05, high: 0.05 }, 20_000, 16);
        assert!(values.iter().all(|value| (-0.05..=0.05).contains(value)));
        let (mean, deviation) = mean_and_deviation(&values);
        assert!(mean.abs() < 4e-4, "{mean}");
        assert!((deviation - 0.1 / 12_f64.sqrt()).abs() < 2e-4, "{deviation}");
        let mut deciles = [0_u32; 10];
        values.iter().for_each(|v| deciles[(((v + 0.05) * 100.0) as usize).min(9)] += 1);
        assert!(deciles.iter().all(|&count| count.abs_diff(32_000) < 800), "{deciles:?}");
    }

    #[test]
    fn normal_weights_have_their_mean_deviation_and_tails() {
        let values = sample(Initializer::Normal { mean: 1.0, stddev: 2.0 }, 20_000, 16);
        let (mean, deviation) = mean_and_deviation(&values);
        assert!((mean - 1.0).abs() < 0.015 && (deviation - 2.0).abs() < 0.015);
        let beyond = values.iter().filter(|&&v| (v - 1.0).abs() > 2.0 * 1.959_964).count() as f64;
        assert!((beyond / values.len() as f64 - 0.05).abs() < 0.002);
    }

    #[test]
    fn neighbouring_columns_and_ids_are_uncorrelated() {
        let values = sample(Initializer::Uniform { low: -1.0, high: 1.0 }, 50_000, 2);
        let columns: f64 = values.chunks(2).map(|row| f64::from(row[0] * row[1])).sum();
        let ids: f64 =
            values.chunks(2).zip(values[2..].chunks(2)).map(|(a, b)| f64::from(a[0] * b[0])).sum();
        let bound = 5.0 * 50_000_f64.sqrt() / 3.0;
        assert!(columns.abs() < bound && ids.abs() < bound, "{columns} {ids}");
    }

    #[test]
    fn the_quantile_and_logarithm_match_known_values() {
        for (probability, expected) in
            [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.001, -3.090_232_306_167_813)]
        {
            assert!((normal_quantile(probability) - expected).abs() < 1e-8);
        }
        for x in [1e-10_f64, 0.01, 0.7, 1.0, 1.5, 2.0, 12345.678] {
            assert!((natural_logarithm(x) - x.ln()).abs() < 1e-14 * (1.0 + x.ln().abs()));
        }
    }

    #[test]
    fn decoding_refuses_invalid_distributions() {
        assert_eq!(Initializer::decode(&[2.0, 1.0, -1.0]), Err(InitializerError::OutOfRange));
        assert_eq!(Initializer::decode(&[3.0, 0.0, -1.0]), Err(InitializerError::OutOfRange));
        assert_eq!(Initializer::decode(&[9.0, 0.0, 0.0]), Err(InitializerError::UnknownKind(9.0)));
        let nan = Initializer::decode(&[1.0, f32::NAN, 0.0]);
        assert_eq!(nan, Err(InitializerError::NotFinite { word: 1 }));
    }
}
