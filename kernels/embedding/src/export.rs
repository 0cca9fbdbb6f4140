//! Reading all rows in pages while the table changes. The cursor is a row's handle, which does not
//! change while the row exists: every row that exists from the first page to the last is given
//! exactly once.

use crate::mixing::mix64;
use crate::slab::Slab;

/// A page of rows.
pub struct Page {
    /// Rows written.
    pub rows: usize,
    /// Cursor of the next page; `None` = done.
    pub next: Option<u32>,
}

/// Writes ids and weights of rows from handle `cursor` on, at most as many as `ids` has room for;
/// `weights` has room for as many rows of `width`.
pub fn export_rows(
    slab: &Slab,
    cursor: u32,
    width: usize,
    ids: &mut [u64],
    weights: &mut [f32],
) -> Page {
    let mut rows = 0;
    for handle in cursor..slab.handles() {
        let Some(row) = slab.occupied(handle) else { continue };
        if rows == ids.len() {
            return Page { rows, next: Some(handle) };
        }
        ids[rows] = row.key();
        weights[rows * width..][..width].copy_from_slice(&slab.floats(&row)[..width]);
        rows += 1;
    }
    Page { rows, next: None }
}

/// Appends whole rows from handle `cursor` on to `out`, at most `rows_max`, in the form of a
/// snapshot.
pub fn export_saved(slab: &Slab, cursor: u32, rows_max: usize, out: &mut Vec<u8>) -> Page {
    let mut rows = 0;
    for handle in cursor..slab.handles() {
        let Some(row) = slab.occupied(handle) else { continue };
        if rows == rows_max {
            return Page { rows, next: Some(handle) };
        }
        slab.save(&row, out);
        rows += 1;
    }
    Page { rows, next: None }
}

/// A number that two slabs with the same rows have in common, whatever their order: the sum of a
/// hash of each row's key, stamp and floats. Update counters do not count: aging changes them
/// without a trace.
///
/// Sums over the rows of `handles_max` handles from `cursor` on; returns the number of rows, the
/// sum, and the next cursor, `None` = done.
pub fn digest(slab: &Slab, cursor: u32, handles_max: u32) -> (usize, u64, Option<u32>) {
    let (mut rows, mut sum) = (0, 0_u64);
    let end = cursor.saturating_add(handles_max).min(slab.handles());
    for handle in cursor..end {
        let Some(row) = slab.occupied(handle) else { continue };
        // Two chains, so that the multiplications of one row overlap.
        let (mut even, mut odd) = (0_u64, 0_u64);
        let mut words = slab.bytes(&row).chunks_exact(8);
        for (at, word) in words.by_ref().enumerate() {
            let bytes = [word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]];
            let word = u64::from_le_bytes(bytes);
            let chain = if at % 2 == 0 { &mut even } else { &mut odd };
            *chain = (*chain ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
        for &byte in words.remainder() {
            odd = (odd ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
        rows += 1;
        sum = sum.wrapping_add(mix64(even ^ mix64(odd)));
    }
    (rows, sum, Some(end).filter(|&end| end < slab.handles()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::Changes;
    use crate::page::PageLayout;
    use crate::row_store::RowStore;

    fn store_of(ids: &[u64]) -> RowStore {
        let layout = PageLayout::new(24, Changes::BITMAPS, false);
        let mut store = RowStore::new(layout, 1 << 26).unwrap();
        for &id in ids {
            let row = store.insert(id).unwrap();
            store.slab.payload_mut(&row).fill(id as u8);
        }
        store
    }

    /// The digest in two parts.
    fn all(store: &RowStore) -> u64 {
        let (rows, first, next) = digest(&store.slab, 0, 2);
        let (others, rest, done) = digest(&store.slab, next.unwrap(), u32::MAX);
        assert_eq!((rows + others, done), (store.rows(), None));
        first.wrapping_add(rest)
    }

    #[test]
    fn the_digest_depends_on_every_byte_of_the_rows_and_not_on_their_order() {
        let expected = all(&store_of(&[1, 2, 3, 4]));
        assert_eq!(all(&store_of(&[4, 2, 1, 3])), expected);
        assert_ne!(all(&store_of(&[1, 2, 3])), expected);
        assert_ne!(all(&store_of(&[1, 2, 3, 5])), expected);
        for at in 0..16 {
            let mut store = store_of(&[1, 2, 3, 4]);
            let row = store.find(3);
            store.slab.payload_mut(&row)[at] ^= 1;
            assert_ne!(all(&store), expected, "byte {at}");
        }
    }
}
