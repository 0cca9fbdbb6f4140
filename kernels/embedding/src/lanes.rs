//! One arithmetic, two widths: every numeric rule of the kernel is written once over [`Lanes`] and
//! runs four floats at a time (`F32x4`), with `f32` for the tail, which is also the scalar form.
//! Only IEEE basic operations (+ − × ÷ √ and comparisons) occur, each rounded once, so both widths
//! and all machines give the same bits.

/// A group of 1 or 4 floats on which all operations act elementwise.
#[allow(missing_docs)] // named after the operation
pub trait Lanes: Copy {
    fn splat(value: f32) -> Self;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    /// `other` where `other < self`, else `self` (so a NaN in `self` stays).
    fn lesser(self, other: Self) -> Self;
    /// `other` where `other > self`, else `self`.
    fn greater(self, other: Self) -> Self;
    /// `value` where `self > limit`, else `otherwise`.
    fn where_above(self, limit: Self, value: Self, otherwise: Self) -> Self;
    /// The magnitude of `self` with the sign bit of `sign`.
    fn with_sign_of(self, sign: Self) -> Self;
}

impl Lanes for f32 {
    #[inline(always)]
    fn splat(value: f32) -> f32 {
        value
    }
    #[inline(always)]
    fn add(self, other: f32) -> f32 {
        self + other
    }
    #[inline(always)]
    fn sub(self, other: f32) -> f32 {
        self - other
    }
    #[inline(always)]
    fn mul(self, other: f32) -> f32 {
        self * other
    }
    #[inline(always)]
    fn div(self, other: f32) -> f32 {
        self / other
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> f32 {
        f32::abs(self)
    }
    #[inline(always)]
    fn lesser(self, other: f32) -> f32 {
        if other < self {
            other
        } else {
            self
        }
    }
    #[inline(always)]
    fn greater(self, other: f32) -> f32 {
        if other > self {
            other
        } else {
            self
        }
    }
    #[inline(always)]
    fn where_above(self, limit: f32, value: f32, otherwise: f32) -> f32 {
        if self > limit {
            value
        } else {
            otherwise
        }
    }
    #[inline(always)]
    fn with_sign_of(self, sign: f32) -> f32 {
        self.copysign(sign)
    }
}

pub use vector::{all_below, F32x4};

/// The scalar form of `all_below`: magnitudes have the order of their bits, and those of NaN are
/// above infinity.
fn all_below_scalar(limit: f32, values: &[f32]) -> bool {
    values.iter().all(|value| value.abs().to_bits() < limit.to_bits())
}

#[cfg(target_arch = "wasm32")]
mod vector {
    use super::{all_below_scalar, Lanes};
    use core::arch::wasm32::*;

    /// Whether the magnitude of every value is below `limit`, which is positive; false for NaN.
    #[inline(always)]
    pub fn all_below(limit: f32, values: &[f32]) -> bool {
        let vectors = values.chunks_exact(4);
        let rest = vectors.remainder();
        let largest = vectors.fold(u32x4_splat(0), |largest, vector| {
            // SAFETY: sixteen bytes; SIMD128 loads need no alignment.
            let vector = unsafe { v128_load(vector.as_ptr().cast()) };
            u32x4_max(largest, f32x4_abs(vector))
        });
        // Compared as signed integers, which magnitudes are too.
        let below = i32x4_all_true(i32x4_lt(largest, i32x4_splat(limit.to_bits() as i32)));
        below && all_below_scalar(limit, rest)
    }

    /// Four floats in one SIMD128 register.
    #[derive(Clone, Copy)]
    pub struct F32x4(v128);

    impl F32x4 {
        /// The four floats of an array.
        #[inline(always)]
        pub fn load(from: &[f32; 4]) -> F32x4 {
            // SAFETY: sixteen bytes; SIMD128 loads need no alignment.
            F32x4(unsafe { v128_load(from.as_ptr().cast()) })
        }
        /// Writes the four floats.
        #[inline(always)]
        pub fn store(self, to: &mut [f32; 4]) {
            // SAFETY: sixteen bytes; SIMD128 stores need no alignment.
            unsafe { v128_store(to.as_mut_ptr().cast(), self.0) }
        }
        /// The four floats, lane 0 first.
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            [
                f32x4_extract_lane::<0>(self.0),
                f32x4_extract_lane::<1>(self.0),
                f32x4_extract_lane::<2>(self.0),
                f32x4_extract_lane::<3>(self.0),
            ]
        }
    }

    impl Lanes for F32x4 {
        #[inline(always)]
        fn splat(value: f32) -> F32x4 {
            F32x4(f32x4_splat(value))
        }
        #[inline(always)]
        fn add(self, other: F32x4) -> F32x4 {
            F32x4(f32x4_add(self.0, other.0))
        }
        #[inline(always)]
        fn sub(self, other: F32x4) -> F32x4 {
            F32x4(f32x4_sub(self.0, other.0))
        }
        #[inline(always)]
        fn mul(self, other: F32x4) -> F32x4 {
            F32x4(f32x4_mul(self.0, other.0))
        }
        #[inline(always)]
        fn div(self, other: F32x4) -> F32x4 {
            F32x4(f32x4_div(self.0, other.0))
        }
        #[inline(always)]
        fn sqrt(self) -> F32x4 {
            F32x4(f32x4_sqrt(self.0))
        }
        #[inline(always)]
        fn abs(self) -> F32x4 {
            F32x4(f32x4_abs(self.0))
        }
        #[inline(always)]
        fn lesser(self, other: F32x4) -> F32x4 {
            F32x4(f32x4_pmin(self.0, other.0))
        }
        #[inline(always)]
        fn greater(self, other: F32x4) -> F32x4 {
            F32x4(f32x4_pmax(self.0, other.0))
        }
        #[inline(always)]
        fn where_above(self, limit: F32x4, value: F32x4, otherwise: F32x4) -> F32x4 {
            F32x4(v128_bitselect(value.0, otherwise.0, f32x4_gt(self.0, limit.0)))
        }
        #[inline(always)]
        fn with_sign_of(self, sign: F32x4) -> F32x4 {
            F32x4(v128_bitselect(sign.0, self.0, u32x4_splat(0x8000_0000)))
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod vector {
    use super::{all_below_scalar, Lanes};

    /// Whether the magnitude of every value is below `limit`, which is positive; false for NaN.
    pub fn all_below(limit: f32, values: &[f32]) -> bool {
        all_below_scalar(limit, values)
    }

    /// Four floats; an array where the target has no SIMD128 (the compiler vectorizes it with the
    /// same roundings).
    #[derive(Clone, Copy)]
    pub struct F32x4([f32; 4]);

    impl F32x4 {
        /// The four floats of an array.
        #[inline(always)]
        pub fn load(from: &[f32; 4]) -> F32x4 {
            F32x4(*from)
        }
        /// Writes the four floats.
        #[inline(always)]
        pub fn store(self, to: &mut [f32; 4]) {
            *to = self.0;
        }
        /// The four floats, lane 0 first.
        #[inline(always)]
        pub fn to_array(self) -> [f32; 4] {
            self.0
        }
        #[inline(always)]
        fn map(self, f: impl Fn(f32) -> f32) -> F32x4 {
            F32x4(self.0.map(f))
        }
        #[inline(always)]
        fn zip(self, other: F32x4, f: impl Fn(f32, f32) -> f32) -> F32x4 {
            F32x4(core::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
        }
    }

    impl Lanes for F32x4 {
        #[inline(always)]
        fn splat(value: f32) -> F32x4 {
            F32x4([value; 4])
        }
        #[inline(always)]
        fn add(self, other: F32x4) -> F32x4 {
            self.zip(other, Lanes::add)
        }
        #[inline(always)]
        fn sub(self, other: F32x4) -> F32x4 {
            self.zip(other, Lanes::sub)
        }
        #[inline(always)]
        fn mul(self, other: F32x4) -> F32x4 {
            self.zip(other, Lanes::mul)
        }
        #[inline(always)]
        fn div(self, other: F32x4) -> F32x4 {
            self.zip(other, Lanes::div)
        }
        #[inline(always)]
        fn sqrt(self) -> F32x4 {
            self.map(f32::sqrt)
        }
        #[inline(always)]
        fn abs(self) -> F32x4 {
            self.map(f32::abs)
        }
        #[inline(always)]
        fn lesser(self, other: F32x4) -> F32x4 {
            self.zip(other, Lanes::lesser)
        }
        #[inline(always)]
        fn greater(self, other: F32x4) -> F32x4 {
            self.zip(other, Lanes::greater)
        }
        #[inline(always)]
        fn where_above(self, limit: F32x4, value: F32x4, otherwise: F32x4) -> F32x4 {
            F32x4(core::array::from_fn(|lane| {
                self.0[lane].where_above(limit.0[lane], value.0[lane], otherwise.0[lane])
            }))
        }
        #[inline(always)]
        fn with_sign_of(self, sign: F32x4) -> F32x4 {
            self.zip(sign, f32::copysign)
        }
    }
}

#[cfg(test)]
mod tests;
