//! Copying a row's weights out, sixteen floats at a time.
//!
//! Written out because the compiler turns a plain copy into `memory.copy`, a call into the host that costs more
//! than a row of sixteen floats takes.

/// Copies `from` to `to`, which have the same length.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
pub fn copy_floats(from: &[f32], to: &mut [f32]) {
    use core::arch::wasm32::{v128, v128_load, v128_store};
    assert_eq!(from.len(), to.len());
    let (source, target) = (from.as_ptr(), to.as_mut_ptr());
    let quads = from.len() / 4;
    let mut quad = 0;
    while quad + 4 <= quads {
        // SAFETY: quads quad to quad + 3 lie inside both slices; SIMD128 loads and stores need no alignment.
        unsafe {
            let (source, target) =
                (source.add(quad * 4).cast::<v128>(), target.add(quad * 4).cast::<v128>());
            let (a, b) = (v128_load(source), v128_load(source.add(1)));
            let (c, d) = (v128_load(source.add(2)), v128_load(source.add(3)));
            v128_store(target, a);
            v128_store(target.add(1), b);
            v128_store(target.add(2), c);
            v128_store(target.add(3), d);
        }
        quad += 4;
    }
    let mut at = quad * 4;
    while at + 4 <= from.len() {
        // SAFETY: at + 4 ≤ len.
        unsafe { v128_store(target.add(at).cast(), v128_load(source.add(at).cast())) };
        at += 4;
    }
    for index in at..from.len() {
        to[index] = from[index];
    }
}

/// Copies `from` to `to`, which have the same length.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
pub fn copy_floats(from: &[f32], to: &mut [f32]) {
    to.copy_from_slice(from);
}
