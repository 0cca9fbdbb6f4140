//! Reading a whole table in pages while it goes on changing.
//!
//! The cursor is a row's place, which nothing changes while the row lives: every row that is there from the first page to
//! the last is given exactly once.

use crate::page::Row;
use crate::slab::Slab;

/// Writes at most `rows_max` rows from place `cursor` on, and returns the next cursor; `None` = done.
pub fn export_rows(slab: &Slab, cursor: u32, rows_max: usize, rows: &mut Vec<Row>) -> Option<u32> {
    rows.clear();
    let mut handles = cursor..slab.handles();
    rows.extend(handles.by_ref().filter_map(|handle| slab.occupied(handle)).take(rows_max));
    (!handles.is_empty()).then_some(handles.start)
}
