//! The rows that a search has found, by address: the stand-in for a missing row, the comparison of
//! keys, and the loads that bring rows into the cache (deviations 2, 3 and 6 of `search.rs`).

const LINE_BYTES: usize = 64;
/// Largest offset of a row's last word for which four words, a line apart, and the last one touch
/// all lines.
const WIDE_BYTES: usize = 4 * LINE_BYTES + 7;
/// Upper bound of the bytes of a row that are touched; the processor's prefetcher fetches the rest
/// of wider rows.
const TOUCH_BYTES_MAX: usize = 640;

/// Bytes of the stand-in for a missing row that may be read.
pub const NO_ROW_BYTES: usize = TOUCH_BYTES_MAX;

/// The stand-in for a missing row, so that touching rows needs no branch.
static NO_ROW: [u64; NO_ROW_BYTES / 8 + 1] = [0; NO_ROW_BYTES / 8 + 1];

/// The address of the stand-in for a missing row.
#[inline(always)]
pub fn no_row() -> *const u8 {
    NO_ROW.as_ptr().cast()
}

/// Whether `start` stands for a missing row.
#[inline(always)]
pub fn is_no_row(start: *const u8) -> bool {
    start == no_row()
}

/// An address that may be touched like a row, for ids that were not searched yet.
#[inline(always)]
pub fn not_looked_for() -> *const u8 {
    NO_ROW[1..].as_ptr().cast()
}

/// Whether a row that begins at `start` has this key; false for the stand-ins.
#[inline(always)]
pub fn is_row_of(start: *const u8, id: u64) -> bool {
    // SAFETY: a row begins with its key, and `NO_ROW` is long enough.
    let key = unsafe { start.cast::<u64>().read_unaligned() };
    key == id && (start as usize).wrapping_sub(no_row() as usize) > size_of::<u64>()
}

/// Touches the first `bytes` of every row; returns a mixture of the words read.
///
/// # Safety
///
/// All of `starts` begin rows of at least `bytes` bytes, or `NO_ROW`.
#[inline(never)]
pub unsafe fn touch_rows(starts: &[*const u8], bytes: usize) -> u64 {
    let last = bytes.clamp(8, TOUCH_BYTES_MAX) - 8;
    let (mut from, mut touched) = (0, 0);
    // SAFETY: all words lie inside the row's first `bytes`, or inside `NO_ROW`.
    unsafe {
        while from + WIDE_BYTES < last {
            touched |= touch_lines::<3>(starts, from, from + 3 * LINE_BYTES);
            from += 4 * LINE_BYTES;
        }
        // Words a line apart and the last one touch every line between them.
        touched
            | match (last - from + LINE_BYTES - 8) / LINE_BYTES {
                0 | 1 => touch_lines::<1>(starts, from, last),
                2 => touch_lines::<2>(starts, from, last),
                3 => touch_lines::<3>(starts, from, last),
                _ => touch_lines::<4>(starts, from, last),
            }
    }
}

/// Reads a word of each of `LINES` lines of every row, and the word at `last`. Row by row, since
/// the processor prefetches the lines of a row that are read in order.
///
/// # Safety
///
/// All of `starts` have at least 8 readable bytes at each of these offsets.
#[inline(always)]
unsafe fn touch_lines<const LINES: usize>(starts: &[*const u8], from: usize, last: usize) -> u64 {
    debug_assert!(from + (LINES - 1) * LINE_BYTES <= last);
    let row = |start: *const u8| {
        // SAFETY: the caller's promise.
        let word = |at| unsafe { start.add(at).cast::<u64>().read_unaligned() };
        (0..LINES).fold(word(last), |touched, line| touched | word(from + line * LINE_BYTES))
    };
    let fours = starts.chunks_exact(4);
    let rest = fours.remainder();
    let touched = fours.fold(0, |touched, four| {
        touched | row(four[0]) | row(four[1]) | row(four[2]) | row(four[3])
    });
    rest.iter().fold(touched, |touched, &start| touched | row(start))
}

#[cfg(test)]
mod tests;
