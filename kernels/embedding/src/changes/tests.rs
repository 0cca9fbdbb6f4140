use super::*;
use crate::page::PageLayout;

#[test]
fn rows_that_changed_before_the_table_grew_are_in_the_next_delta() {
    const ROWS: u64 = 10_000;
    let mut store = RowStore::new(PageLayout::new(16, Changes::BITMAPS, false), 1 << 26).unwrap();
    let mut changes = Changes::default();
    for id in 0..ROWS {
        store.insert(id).unwrap();
    }
    changes.begin(&mut store, 0).unwrap();
    assert!(changes
        .take(&mut store, 0, 0, RowForm::Weights, 1, usize::MAX)
        .unwrap()
        .ids
        .is_empty());
    for id in 0..64 {
        let row = store.find(id);
        changes.touch(&mut store, &row);
    }
    let mut id = ROWS;
    while id < 8 * ROWS {
        store.insert(id).unwrap();
        id += 1;
    }
    assert_eq!(changes.touched(&store), 64);
    let delta = changes.take(&mut store, 0, 0, RowForm::Weights, 1, usize::MAX).unwrap();
    let mut ids = delta.ids.clone();
    ids.sort_unstable();
    assert_eq!(ids, (0..64).collect::<Vec<u64>>());
}

#[test]
fn a_consumer_whose_tombstones_overflow_begins_anew_and_others_lose_none() {
    let mut store = RowStore::new(PageLayout::new(16, Changes::BITMAPS, false), 1 << 26).unwrap();
    let mut changes = Changes::default();
    changes.begin(&mut store, 0).unwrap();
    changes.begin(&mut store, 1).unwrap();
    let (mut told, mut taken) = (0, 0);
    for id in 0..TOMBSTONES_MAX as u64 + 2 {
        changes.bury(id, 0);
        if id % 100_000 == 0 {
            told += changes
                .take(&mut store, 1, taken, RowForm::Weights, 1, usize::MAX)
                .unwrap()
                .tombstones
                .len();
            taken += 1;
        }
    }
    told += changes
        .take(&mut store, 1, taken, RowForm::Weights, 1, usize::MAX)
        .unwrap()
        .tombstones
        .len();
    assert_eq!(told, TOMBSTONES_MAX + 2);
    let overflowed = changes.take(&mut store, 0, 0, RowForm::Weights, 1, usize::MAX);
    assert_eq!(overflowed, Err(DeltaError::Overflowed));
    changes.begin(&mut store, 0).unwrap();
    changes.bury(7, 0);
    assert_eq!(
        changes.take(&mut store, 0, 0, RowForm::Weights, 1, usize::MAX).unwrap().tombstones,
        [7]
    );
}

#[test]
fn a_consumer_that_ends_records_nothing_and_may_begin_again() {
    let mut store = RowStore::new(PageLayout::new(16, Changes::BITMAPS, false), 1 << 26).unwrap();
    let mut changes = Changes::default();
    for id in 0..100 {
        store.insert(id).unwrap();
    }
    changes.begin(&mut store, 1).unwrap();
    let row = store.find(7);
    changes.touch(&mut store, &row);
    changes.end(1).unwrap();
    let row = store.find(8);
    changes.touch(&mut store, &row);
    changes.bury(9, 0);
    assert_eq!(changes.touched(&store), 0);
    let ended = changes.take(&mut store, 1, 0, RowForm::Saved, 1, 10);
    assert_eq!(ended, Err(DeltaError::UnknownConsumer));
    changes.begin(&mut store, 1).unwrap();
    let row = store.find(10);
    changes.touch(&mut store, &row);
    let delta = changes.take(&mut store, 1, 0, RowForm::Saved, 1, 10).unwrap();
    assert_eq!((&delta.ids[..], &delta.tombstones[..]), (&[10][..], &[][..]));
    assert_eq!(delta.saved.len(), store.layout.saved_row_bytes());
}

#[test]
fn a_delta_is_given_again_in_its_own_form_only() {
    let mut store = RowStore::new(PageLayout::new(16, Changes::BITMAPS, false), 1 << 26).unwrap();
    let mut changes = Changes::default();
    store.insert(1).unwrap();
    changes.begin(&mut store, 1).unwrap();
    let row = store.find(1);
    changes.touch(&mut store, &row);
    let first = changes.take(&mut store, 1, 0, RowForm::Saved, 1, 10).unwrap().clone();
    let other = changes.take(&mut store, 1, 0, RowForm::Weights, 1, 10);
    assert_eq!(other, Err(DeltaError::OtherForm));
    assert_eq!(changes.take(&mut store, 1, 0, RowForm::Saved, 1, 10), Ok(&first));
    assert!(changes.take(&mut store, 1, 1, RowForm::Weights, 1, 10).unwrap().ids.is_empty());
}
