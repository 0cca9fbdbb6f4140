//! Copies of rows' weights, four floats an instruction. The compiler would turn a plain copy into
//! `memory.copy`, a call into the host that takes longer than copying sixteen floats. It does so
//! for 64 floats, for which the call takes no longer.

use crate::row_starts::{is_no_row, NO_ROW_BYTES};

/// Copies the floats that begin `offset` bytes into each row to `out`, shape `[starts, width]`.
/// The result is unspecified where an id has no row. The usual dims have copies without loops.
///
/// # Safety
///
/// Each of `starts` begins a row that holds `width` floats behind its first `offset` bytes, which
/// are a multiple of 4, or is `no_row()`.
#[inline(never)]
pub unsafe fn copy_rows(starts: &[*const u8], offset: usize, width: usize, out: &mut [f32]) {
    assert!(out.len() == starts.len() * width && offset <= OFFSET_MAX);
    // SAFETY: the caller's promise.
    unsafe {
        match width {
            8 => copy_each::<8>(starts, offset, out),
            16 => copy_each::<16>(starts, offset, out),
            64 => copy_each::<64>(starts, offset, out),
            _ => {
                for (&start, out) in starts.iter().zip(out.chunks_exact_mut(width)) {
                    if !is_no_row(start) {
                        let floats = start.add(offset).cast();
                        copy_floats(std::slice::from_raw_parts(floats, width), out);
                    }
                }
            }
        }
    }
}

/// Upper bound of the offset of a row's weights.
const OFFSET_MAX: usize = 64;

/// As `copy_rows`, of width `DIM`. The stand-in for no row is copied as a row is.
///
/// # Safety
///
/// As for `copy_rows`; the offset is at most `OFFSET_MAX`.
#[inline(always)]
unsafe fn copy_each<const DIM: usize>(starts: &[*const u8], offset: usize, out: &mut [f32]) {
    const { assert!(OFFSET_MAX + 4 * DIM <= NO_ROW_BYTES) }
    for (&start, out) in starts.iter().zip(out.chunks_exact_mut(DIM)) {
        // SAFETY: the caller's promise, and `NO_ROW` is long enough.
        let floats = unsafe { std::slice::from_raw_parts(start.add(offset).cast(), DIM) };
        copy_floats(floats, out);
    }
}

/// Copies `from` to `to`, which have the same length.
#[cfg(target_arch = "wasm32")]
#[inline(always)]
pub fn copy_floats(from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), to.len());
    let (source, target) = (from.as_ptr(), to.as_mut_ptr());
    let (mut at, length) = (0, from.len());
    // SAFETY: each copies inside both slices, which have `length` floats.
    unsafe {
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

#[cfg(test)]
mod tests;
