//! Buffers for arrays that cross the ABI: the host asks for a length and gets an address.

use crate::policy::SLICES_MAX;

/// Maximum number of elements of a buffer.
pub const LENGTH_MAX: usize = 1 << 28;
/// Words of the longest answer, the layout of a table.
pub const ANSWER_WORDS: usize = 1 + 3 * SLICES_MAX;

/// Makes `buffer` at least `length` long and returns its address, or 0 if that is too long or
/// memory is short.
pub fn reserve<T: Clone + Default>(buffer: &mut Vec<T>, length: usize) -> usize {
    if length > LENGTH_MAX {
        return 0;
    }
    if length > buffer.len() {
        let missing = length - buffer.len();
        if buffer.try_reserve_exact(missing).is_err() {
            return 0;
        }
        buffer.resize(length, T::default());
    }
    buffer.as_ptr() as usize
}
