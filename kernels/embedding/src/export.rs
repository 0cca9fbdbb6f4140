//! Reading a whole table in pages while it goes on changing.
//!
//! The cursor is a position in the order of hashes, which growth and splits do not change: every row that is there from
//! the first page to the last is given exactly once.

use crate::page::Row;
use crate::row_store::RowStore;

/// One past the last cursor.
pub const CURSOR_END: u64 = 1 << 32;

/// Calls `visit` with at most `rows_max` rows that follow `cursor`, and returns the next cursor; `CURSOR_END` = done.
/// `None` where more than `rows_max` rows share one position.
pub fn export_rows(
    store: &RowStore,
    cursor: u64,
    rows_max: usize,
    rows: &mut Vec<Row>,
) -> Option<u64> {
    rows.clear();
    let cursor = cursor.min(CURSOR_END);
    // Aim at three quarters of a page; hashes are uniform, so a page rarely overflows.
    let aimed = (rows_max * 3 / 4).max(1) as u64;
    let mut span = (CURSOR_END * aimed / (store.rows() as u64).max(1)).clamp(1, CURSOR_END);
    loop {
        let end = (cursor + span).min(CURSOR_END);
        rows.clear();
        let mut overflow = false;
        store.for_each_between(cursor, end, |row| match rows.len() < rows_max {
            true => rows.push(row),
            false => overflow = true,
        });
        if !overflow {
            return Some(end);
        }
        if span == 1 {
            return None;
        }
        span /= 2;
    }
}
