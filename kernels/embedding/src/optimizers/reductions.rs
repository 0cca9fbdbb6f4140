//! Sums and maxima over a slice in one fixed order: element i goes to lane i mod 4, lanes join as
//! (0+1)+(2+3). Tails are padded with zeros, so every `map` must take zeros to 0.

use crate::lanes::{F32x4, Lanes};

/// Σ map(value).
#[inline(always)]
pub(super) fn sum(values: &[f32], map: impl Fn(F32x4) -> F32x4) -> f32 {
    sum_pairs(values, values, |value, _| map(value))
}

/// Σ map(a, b); both slices have one length.
#[inline(always)]
pub(super) fn sum_pairs(a: &[f32], b: &[f32], map: impl Fn(F32x4, F32x4) -> F32x4) -> f32 {
    let [first, second, third, fourth] = fold(a, b, map, Lanes::add);
    (first + second) + (third + fourth)
}

/// The greatest map(a, b), at least 0.
#[inline(always)]
pub(super) fn greatest_pairs(a: &[f32], b: &[f32], map: impl Fn(F32x4, F32x4) -> F32x4) -> f32 {
    let [first, second, third, fourth] = fold(a, b, map, Lanes::greater);
    first.greater(second).greater(third.greater(fourth))
}

#[inline(always)]
fn fold(
    a: &[f32],
    b: &[f32],
    map: impl Fn(F32x4, F32x4) -> F32x4,
    join: impl Fn(F32x4, F32x4) -> F32x4,
) -> [f32; 4] {
    assert_eq!(a.len(), b.len());
    let mut lanes = F32x4::splat(0.0);
    let (mut a, mut b) = (a.chunks_exact(4), b.chunks_exact(4));
    for (a, b) in (&mut a).zip(&mut b) {
        let (a, b) = (a.try_into().expect("four floats"), b.try_into().expect("four floats"));
        lanes = join(lanes, map(F32x4::load(a), F32x4::load(b)));
    }
    join(lanes, map(padded(a.remainder()), padded(b.remainder()))).to_array()
}

#[inline(always)]
fn padded(tail: &[f32]) -> F32x4 {
    let mut lanes = [0.0; 4];
    for (lane, value) in lanes.iter_mut().zip(tail) {
        *lane = *value;
    }
    F32x4::load(&lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions_equal_their_scalar_forms_to_the_bit() {
        for length in 0..68_usize {
            let values: Vec<f32> =
                (0..length).map(|i| ((i * 37 + 11) % 101) as f32 * 0.173 - 8.0).collect();
            let mut lanes = [0.0_f32; 4];
            let mut most = 0.0_f32;
            for (index, value) in values.iter().enumerate() {
                lanes[index % 4] += value * value;
                most = most.greater(value * value);
            }
            let expected = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
            assert_eq!(sum(&values, |v| v.mul(v)).to_bits(), expected.to_bits());
            assert_eq!(greatest_pairs(&values, &values, |a, b| a.mul(b)), most);
        }
    }
}
