use super::*;
use crate::mixing::mix64;
use crate::page::PageLayout;
use crate::row_starts::{is_no_row, is_row_of, no_row};
use crate::row_store::RowStore;
use crate::search::PASS;
use std::collections::HashMap;

/// The payload of a row, which differs from that of every other row.
fn mark_of(id: u64, version: u64) -> [u8; 8] {
    mix64(id ^ version << 56).to_le_bytes()
}

/// A store with a memo, and a model of its rows.
fn filled(rows: u64) -> (RowStore, HashMap<u64, u64>) {
    let mut store = RowStore::new(PageLayout::new(8 + 8, 2, false), 1 << 30).unwrap();
    let mut model = HashMap::new();
    for id in 0..rows {
        let row = store.insert(id).unwrap();
        store.slab.payload_mut(&row).copy_from_slice(&mark_of(id, 0));
        model.insert(id, 0);
    }
    (store, model)
}

fn assert_found(store: &mut RowStore, model: &HashMap<u64, u64>, ids: &[u64]) {
    let found = store.find_all(ids);
    let mut starts = Vec::new();
    let mut absent = 0;
    store.read(ids, usize::MAX, false, |_, found, without_row| {
        starts.extend_from_slice(found);
        absent += without_row;
    });
    assert_eq!(starts.len(), ids.len());
    assert_eq!(absent, ids.iter().filter(|id| !model.contains_key(id)).count());
    for ((row, start), &id) in found.iter().zip(&starts).zip(ids) {
        let truth = store.find(id);
        assert_eq!(row.exists(), model.contains_key(&id), "id {id}");
        assert_eq!((row.start, row.handle), (truth.start, truth.handle));
        let expected = if truth.exists() { truth.start.cast_const() } else { no_row() };
        assert_eq!(*start, expected);
        if let Some(&version) = model.get(&id) {
            assert_eq!(row.key(), id);
            assert_eq!(store.slab.payload(row)[..], mark_of(id, version));
        }
    }
}

#[test]
fn the_example_above_is_true() {
    let product = product_of(42);
    assert_eq!((product, RowMemo::new().word_of(product)), (0xf519_f86e_e238_5b72, 0x7a8c));
    let expected = 0x0012_3450 | Word::from(9 | 0b11_1100_u64 << HANDLE_BITS) << usize::BITS;
    assert_eq!(word(product, 0x0012_3450 as *const u8, 9), expected);
}

#[test]
fn rows_are_found_as_without_a_memo_while_ids_are_inserted_and_removed() {
    let rows = RowMemo::ROWS_MIN as u64 + 1000;
    let (mut store, mut model) = filled(rows);
    let mut next = rows;
    let mut recalls = 0;
    for round in 0..1500_u64 {
        let random = |salt: u64| mix64(round << 20 | salt);
        // Most draws are of few ids, so that the memo is asked; some ids were never inserted.
        let ids: Vec<u64> = (0..1 + random(0) % (2 * PASS) as u64)
            .map(|i| match random(1 + i) % 8 {
                0 => random(1000 + i) % (2 * next),
                1 => next - 1 - random(1000 + i) % 500,
                _ => random(1000 + i) % 700,
            })
            .collect();
        recalls += u32::from(store.memo.is_active());
        assert_found(&mut store, &model, &ids);
        // Some ids of the pass are removed, and some of those inserted again with another row.
        for (i, &id) in ids.iter().enumerate().take(3) {
            assert_eq!(store.remove(id), model.remove(&id).is_some());
            if id < next && random(2000 + i as u64) % 2 == 0 {
                let row = store.insert(id).unwrap();
                store.slab.payload_mut(&row).copy_from_slice(&mark_of(id, round % 200));
                model.insert(id, round % 200);
            }
        }
        for _ in 0..40 {
            let row = store.insert(next).unwrap();
            store.slab.payload_mut(&row).copy_from_slice(&mark_of(next, 0));
            model.insert(next, 0);
            next += 1;
        }
        assert_found(&mut store, &model, &ids);
    }
    assert!(recalls > 1000, "{recalls} recalls");
}

#[test]
fn it_pauses_while_no_id_returns_and_is_asked_again_later() {
    let rows = 4 * RowMemo::ROWS_MIN as u64;
    let (mut store, _) = filled(rows);
    let mut asked = 0;
    for chunk in 0..512 {
        let ids: Vec<u64> = (0..CHUNK as u64).map(|i| (chunk * CHUNK as u64 + i) % rows).collect();
        asked += u32::from(store.memo.is_active());
        store.read(&ids, 16, false, |_, _, _| ());
    }
    assert!((10..40).contains(&asked), "asked {asked} times");
    let same: Vec<u64> = (0..PASS as u64).collect();
    for _ in 0..=PAUSE_MAX + 2 {
        store.read(&same, 16, false, |_, _, _| ());
    }
    assert!(store.memo.is_active() && store.memo.recall(&same, |_, _, _| ()) == Some(0));
}

#[test]
fn two_ids_that_match_the_same_word_each_get_their_own_row() {
    let (mut store, _) = filled(RowMemo::ROWS_MIN as u64 + 1);
    // The products of these two ids differ in the lowest bits alone, so each matches the
    // other's word.
    let product = product_of(7);
    let inverse = (0..5).fold(1_u64, |x, _| {
        x.wrapping_mul(2_u64.wrapping_sub(x.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    });
    let folded = (product ^ 1).wrapping_mul(inverse);
    let other = folded ^ folded >> 32;
    assert!(is_of(word(product, not_looked_for(), 0), product_of(other)) && other != 7);
    let same = [7; PASS];
    store.read(&same, 16, false, |_, _, _| ());
    let mut seen = Vec::new();
    store.read(&[other, 7], 16, false, |_, found, absent| {
        seen.extend_from_slice(found);
        assert_eq!(absent, 1);
    });
    assert_eq!(seen, [no_row(), store.find(7).start.cast_const()]);
    store.insert(other).unwrap();
    for _ in 0..2 {
        for id in [7, other] {
            store.read(&[id], 16, false, |_, found, _| assert!(is_row_of(found[0], id)));
        }
    }
    store.remove(7);
    store.read(&[7], 16, false, |_, found, _| assert_eq!(found, [no_row()]));
}

#[test]
fn an_empty_memo_has_the_row_of_no_id() {
    let mut memo = RowMemo::new();
    assert_eq!(memo.recall(&[0, 1], |_, _, _| ()), None);
    assert!(memo.resize(1 << BITS_MIN));
    let ids: Vec<u64> = (0..100).chain([u64::MAX, 1 << 63]).collect();
    let unknown = memo.recall(&ids, |at, start, _| {
        assert!(!is_row_of(start, ids[at]) && !is_no_row(start));
    });
    assert!(unknown > Some(ids.len() * 9 / 10));
}

#[test]
fn it_has_more_words_for_more_rows() {
    let words = |rows: usize| RowMemo::words_for(rows);
    assert_eq!([0, RowMemo::ROWS_MIN - 1].map(words), [0; 2]);
    assert_eq!([RowMemo::ROWS_MIN, (1 << 19) - 1].map(words), [1 << 15; 2]);
    assert_eq!([1 << 19, (1 << 21) - 1].map(words), [1 << 16; 2]);
    assert_eq!([1 << 21, 1 << 26].map(words), [1 << 17; 2]);
}

#[test]
fn a_larger_memo_forgets_and_then_knows_the_same_rows() {
    let (mut store, _) = filled(RowMemo::ROWS_MIN as u64);
    let ids: Vec<u64> = (0..PASS as u64).collect();
    for words in [1 << 15, 1 << 16, 1 << 17] {
        assert!(store.memo.resize(words) && store.memo.words() == words);
        assert_ne!(store.memo.recall(&ids, |_, _, _| ()), Some(0));
        for _ in 0..=PAUSE_MAX {
            store.read(&ids, 16, false, |first, found, _| {
                let ids = &ids[first..];
                assert!(found.iter().zip(ids).all(|(&start, &id)| is_row_of(start, id)));
            });
        }
        assert_eq!(store.memo.recall(&ids, |_, _, _| ()), Some(0));
        store.memo.remove(7);
        assert_eq!(store.memo.recall(&[7], |_, _, _| ()), Some(1));
    }
}
