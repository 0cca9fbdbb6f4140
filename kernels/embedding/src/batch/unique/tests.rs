use super::*;
use std::collections::HashMap;

fn check(unique: &mut Unique, ids: &[u64], groups: &Groups) {
    let batch = unique.group(ids, groups).unwrap();
    let mut expected = HashMap::new();
    for &id in ids {
        *expected.entry(id).or_insert(0_u32) += 1;
    }
    assert_eq!(batch.ids.len(), expected.len());
    assert_eq!(batch.inverse.len(), ids.len());
    assert_eq!(batch.group_starts.len(), groups.count() + 1);
    assert_eq!(batch.group_starts[groups.count()] as usize, expected.len());
    for (index, &id) in ids.iter().enumerate() {
        assert_eq!(batch.ids[batch.inverse[index] as usize], id);
    }
    for (index, id) in batch.ids.iter().enumerate() {
        assert_eq!(batch.counts[index], expected[id]);
    }
    for group in 0..groups.count() {
        let (shard, class) = (group as u32 / groups.classes, group as u32 % groups.classes);
        for position in batch.group_starts[group]..batch.group_starts[group + 1] {
            let id = batch.ids[position as usize];
            assert_eq!(shard_of(id, groups.shards), shard);
            assert_eq!(u32::from(groups.class_of_slot[slot_of(id)]) % groups.classes, class);
        }
    }
}

#[test]
fn every_id_is_found_again_whatever_batch_came_before() {
    let mut unique = Unique::default();
    for round in 0..200_u64 {
        let length = mix64(round) % 300;
        let spread = 1 + mix64(round + 1000) % 200;
        let ids: Vec<u64> = (0..length)
            .map(|i| match mix64(round * 1000 + i) % spread {
                0 => 0,
                1 => u64::MAX,
                2 => 1 << 63,
                other => mix64(other),
            })
            .collect();
        let classes = 1 + (round % 3) as u32;
        let class_of_slot: Vec<u8> =
            (0..1 << 15).map(|slot| (mix64(slot) % u64::from(classes)) as u8).collect();
        let shards = 1 + (round % 9) as u32;
        check(&mut unique, &ids, &Groups { shards, classes, class_of_slot: &class_of_slot });
    }
}

#[test]
fn ids_made_to_share_a_home_are_found_under_another_multiplier() {
    // The products of these ids have the same top bits; XOR of the two halves of an id gives it
    // back.
    let inverse = (0..6).fold(FIBONACCI, |inverse, _| {
        inverse.wrapping_mul(2_u64.wrapping_sub(FIBONACCI.wrapping_mul(inverse)))
    });
    let ids: Vec<u64> = (0..20_000_u64)
        .map(|number| number.wrapping_mul(inverse))
        .map(|folded| folded ^ folded >> 32)
        .collect();
    let mut unique = Unique::default();
    unique.reserve(ids.len()).unwrap();
    assert!(!unique.index_by(FIBONACCI, &ids, PROBES_MAX));
    let one = Groups { shards: 1, classes: 1, class_of_slot: &[] };
    assert_eq!(unique.group(&ids, &one).unwrap().ids, ids);
    let seed = ids.iter().fold(0, |seed, &id| mix64(seed ^ id));
    assert!(unique.index_by(mix64(seed) | 1, &ids, PROBES_MAX));
}

#[test]
fn one_shard_keeps_the_order_of_first_appearance() {
    let mut unique = Unique::default();
    let one = Groups { shards: 1, classes: 1, class_of_slot: &[] };
    let batch = unique.group(&[9, 4, 9, 7, 4, 9], &one).unwrap();
    assert_eq!(batch.ids, [9, 4, 7]);
    assert_eq!(batch.inverse, [0, 1, 0, 2, 1, 0]);
    assert_eq!(batch.counts, [3, 2, 1]);
}
