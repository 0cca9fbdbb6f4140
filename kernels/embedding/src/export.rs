//! Reading all rows in pages while the table changes. The cursor is a row's handle, which does not
//! change while the row exists: every row that exists from the first page to the last is given
//! exactly once.

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
