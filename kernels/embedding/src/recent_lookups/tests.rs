use super::*;
use crate::mixing::mix64;
use crate::page::{PageLayout, Row};
use crate::row_store::RowStore;

const LIMIT: usize = 1 << 30;

fn store_of(rows: u64) -> RowStore {
    let mut store = RowStore::new(PageLayout::new(8 + 8, 2, false), LIMIT).unwrap();
    for id in 0..rows {
        store.insert(mix64(id)).unwrap();
    }
    store
}

/// Finds ids as an update does; returns the rows' handles, and whether a lookup was remembered.
fn found(store: &mut RowStore, ids: &[u64]) -> (Vec<Option<u32>>, bool) {
    let is_remembered = store.recent.of(ids, store.removals).is_some();
    let handle = |row: Row| row.exists().then_some(row.handle);
    (store.find_all(ids).into_iter().map(handle).collect(), is_remembered)
}

fn assert_truth(store: &mut RowStore, ids: &[u64], remembered: bool) {
    let (handles, was_remembered) = found(store, ids);
    assert_eq!(was_remembered, remembered);
    for (handle, &id) in handles.iter().zip(ids) {
        let row = store.find(id);
        assert_eq!(*handle, row.exists().then_some(row.handle), "id {id}");
    }
}

#[test]
fn an_update_finds_the_rows_of_the_lookup_of_its_ids() {
    let mut store = store_of(100_000);
    for first in [0_u64, 50_000, 99_000] {
        let ids: Vec<u64> = (first..first + 3_000).map(mix64).collect();
        store.read(&ids, usize::MAX, true, |_, _, _| ());
        assert_truth(&mut store, &ids, true);
    }
}

#[test]
fn a_lookup_is_recognised_by_length_first_and_last_id_and_a_wrong_guess_is_searched() {
    let mut store = store_of(10_000);
    let ids: Vec<u64> = (0..1_000).map(mix64).collect();
    store.read(&ids, usize::MAX, true, |_, _, _| ());
    let mut others = ids.clone();
    others[1..999].reverse();
    assert_truth(&mut store, &others, true);
    assert_truth(&mut store, &ids[1..], false);
    assert_truth(&mut store, &ids[..999], false);
    store.read(&ids[1..], usize::MAX, false, |_, _, _| ());
    assert_truth(&mut store, &ids[1..], false);
}

#[test]
fn ids_inserted_after_the_lookup_are_found() {
    let mut store = store_of(2_000);
    let ids: Vec<u64> = (1_500..3_000).map(mix64).collect();
    store.read(&ids, usize::MAX, true, |_, _, _| ());
    for id in 2_000..2_900 {
        store.insert(mix64(id)).unwrap();
    }
    assert_truth(&mut store, &ids, true);
}

#[test]
fn a_removal_makes_all_lookups_forgotten() {
    let mut store = store_of(5_000);
    let ids: Vec<u64> = (0..500).map(mix64).collect();
    store.read(&ids, usize::MAX, true, |_, _, _| ());
    assert!(store.remove(ids[7]));
    store.insert(mix64(9_999)).unwrap(); // takes the handle
    assert_truth(&mut store, &ids, false);
    store.read(&ids, usize::MAX, true, |_, _, _| ());
    assert_truth(&mut store, &ids, true);
}

#[test]
fn the_last_four_lookups_are_remembered() {
    let mut store = store_of(5_000);
    let batches: Vec<Vec<u64>> =
        (0..5).map(|batch| (batch * 500..batch * 500 + 400).map(mix64).collect()).collect();
    for ids in &batches {
        store.read(ids, usize::MAX, true, |_, _, _| ());
    }
    for (batch, ids) in batches.iter().enumerate() {
        assert_truth(&mut store, ids, batch > 0);
    }
}

#[test]
fn long_lookups_and_those_of_small_tables_are_not_remembered() {
    let ids: Vec<u64> = (0..IDS_MAX as u64 + 1).collect();
    let begin = |ids: &[u64], limit: usize| RecentLookups::new().begin(ids, 0, limit);
    assert!(!begin(&ids, LIMIT));
    let bytes = LOOKUPS * SHARE * IDS_MAX * size_of::<Found>();
    assert!(begin(&ids[1..], bytes));
    assert!(!begin(&ids[1..], bytes - 1));
    assert!(!begin(&[], LIMIT));
}
