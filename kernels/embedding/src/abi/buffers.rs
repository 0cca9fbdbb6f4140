//! Buffers through which arrays cross: the host asks for a length, the kernel says where.

use crate::policy::SLICES_MAX;

/// Elements of one buffer at most.
pub const LENGTH_MAX: usize = 1 << 28;
/// Words of the longest answer: a table's layout.
pub const ANSWER_WORDS: usize = 1 + 3 * SLICES_MAX;

/// Makes `buffer` at least `length` long and returns its address; 0 when that is too long or memory is short.
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
