//! Copies of a row's weights, four floats an instruction. The compiler would turn a plain copy into
//! `memory.copy`, a call into the host that takes longer than copying sixteen floats. The usual
//! dims have a copy without loops.

/// Copies `from` to `to`, which have the same length.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
pub fn copy_floats(from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), to.len());
    let (source, target) = (from.as_ptr(), to.as_mut_ptr());
    let (mut at, length) = (0, from.len());
    // SAFETY: each copies inside both slices, which have `length` floats.
    unsafe {
        match length {
            8 => return copy_quads::<2>(source, target),
            16 => return copy_quads::<4>(source, target),
            64 => return copy_quads::<16>(source, target),
            _ => (),
        }
        while at + 16 <= length {
            copy_quads::<4>(source.add(at), target.add(at));
            at += 16;
        }
        while at + 4 <= length {
            copy_quads::<1>(source.add(at), target.add(at));
            at += 4;
        }
    }
    for index in at..length {
        to[index] = from[index];
    }
}

/// Copies four floats `QUADS` times.
///
/// # Safety
///
/// There are that many floats at both addresses, and they do not overlap.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
unsafe fn copy_quads<const QUADS: usize>(source: *const f32, target: *mut f32) {
    use core::arch::wasm32::{v128, v128_load, v128_store};
    let (source, target) = (source.cast::<v128>(), target.cast::<v128>());
    for quad in 0..QUADS {
        // SAFETY: the caller's promise; SIMD128 loads and stores need no alignment.
        unsafe { v128_store(target.add(quad), v128_load(source.add(quad))) };
    }
}

/// Copies `from` to `to`, which have the same length.
#[cfg(not(target_arch = "wasm32"))]
#[inline(always)]
pub fn copy_floats(from: &[f32], to: &mut [f32]) {
    to.copy_from_slice(from);
}
