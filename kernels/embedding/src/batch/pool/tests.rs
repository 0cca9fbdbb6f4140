use super::*;

/// One slot of one class; its whole row is pooled.
fn one_slot(dim: u32, code: u32, entries: u32) -> Pooling {
    let words = [1, dim, 1, entries * dim, 1, 0, 0, code, entries, 0, dim, 0, 0];
    Pooling::new(PoolPlan::decode(&words).expect("a plan"))
}

#[test]
fn each_combiner_pools_as_named_and_an_empty_list_gives_zeros() {
    let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let batch = PoolBatch { groups: &[0, 4], inverse: &[0, 1, 2, 3], offsets: &[0, 4, 4] };
    for (code, expected) in [(0, [16.0, 20.0]), (1, [4.0, 5.0]), (2, [8.0, 10.0]), (3, [1.0, 2.0])]
    {
        let mut pooled = [f32::NAN; 4];
        one_slot(2, code, 1).pool(&batch, &rows, &mut pooled).unwrap();
        assert_eq!(pooled, [expected[0], expected[1], 0.0, 0.0]);
    }
    let mut entries = [f32::NAN; 12];
    one_slot(2, 4, 3).pool(&batch, &rows, &mut entries).unwrap();
    assert_eq!(entries, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn every_dim_and_number_of_ids_gives_the_bits_of_sums_in_order() {
    const EXAMPLES: usize = 2 * EXAMPLES_AT_ONCE + 3;
    const IDS: usize = 7;
    for dim in [1, 2, 16, 20] {
        let rows: Vec<f32> = (0..IDS * dim).map(|i| 1.0 / (i as f32 + 1.5) - 0.2).collect();
        let mut offsets = vec![0];
        let mut inverse = Vec::new();
        for example in 0..EXAMPLES {
            // 0 to 4 ids.
            inverse.extend((0..example % 5).map(|i| ((example * 3 + i * 2) % IDS) as u32));
            offsets.push(inverse.len() as u32);
        }
        let batch = PoolBatch { groups: &[0, IDS as u32], inverse: &inverse, offsets: &offsets };
        for (code, combiner) in
            [(0, Combiner::Sum), (1, Combiner::Mean), (2, Combiner::Sqrtn), (3, Combiner::First)]
        {
            let mut pooled = vec![f32::NAN; EXAMPLES * dim];
            one_slot(dim as u32, code, 1).pool(&batch, &rows, &mut pooled).unwrap();
            for (example, pooled) in pooled.chunks_exact(dim).enumerate() {
                let ids = &inverse[offsets[example] as usize..offsets[example + 1] as usize];
                for (column, &value) in pooled.iter().enumerate() {
                    let mut floats = ids.iter().map(|&id| rows[id as usize * dim + column]);
                    let first = floats.next();
                    let expected = match (first, combiner) {
                        (None, _) => 0.0,
                        (Some(first), Combiner::First) => first,
                        (Some(first), _) => {
                            floats.fold(first, |sum, float| sum + float)
                                / combiner.divisor(ids.len())
                        }
                    };
                    assert_eq!(value.to_bits(), expected.to_bits(), "dim {dim}, {combiner:?}");
                }
            }
        }
    }
}

#[test]
fn every_dim_gives_the_bits_of_gradients_added_in_order() {
    const EXAMPLES: usize = 40;
    const IDS: usize = 7;
    for dim in [1, 2, 16, 20] {
        let inverse: Vec<u32> = (0..EXAMPLES as u32).map(|example| example * 3 % 7).collect();
        let offsets: Vec<u32> = (0..=EXAMPLES as u32).collect();
        let batch = PoolBatch { groups: &[0, IDS as u32], inverse: &inverse, offsets: &offsets };
        let mut pooling = one_slot(dim as u32, 0, 1);
        let mut inputs = vec![0.0; EXAMPLES * dim];
        pooling.pool(&batch, &vec![0.0; IDS * dim], &mut inputs).unwrap();
        let gradients: Vec<f32> =
            (0..EXAMPLES * dim).map(|i| 1.0 / (i as f32 + 1.5) - 0.2).collect();
        let mut sums = vec![f32::NAN; IDS * dim];
        pooling.gradient(&gradients, &mut sums).unwrap();
        for (at, sum) in sums.iter().enumerate() {
            let (id, column) = ((at / dim) as u32, at % dim);
            let of_id = inverse.iter().zip(gradients.chunks_exact(dim)).filter(|(&i, _)| i == id);
            let expected = of_id.fold(0.0, |sum, (_, gradient)| sum + gradient[column]);
            assert_eq!(sum.to_bits(), expected.to_bits(), "dim {dim}");
        }
    }
}

#[test]
fn the_gradient_returns_each_id_its_share() {
    let batch = PoolBatch { groups: &[0, 2], inverse: &[0, 1, 0, 1], offsets: &[0, 4] };
    for (code, expected) in [(0, [2.0, 2.0]), (1, [0.5, 0.5]), (2, [1.0, 1.0]), (3, [1.0, 0.0])] {
        let mut pooling = one_slot(1, code, 1);
        pooling.pool(&batch, &[0.0; 2], &mut [0.0]).unwrap();
        let mut gradients = [f32::NAN; 2];
        pooling.gradient(&[1.0], &mut gradients).unwrap();
        assert_eq!(gradients, expected);
    }
    let mut pooling = one_slot(1, 4, 3);
    pooling.pool(&batch, &[0.0; 2], &mut [0.0; 3]).unwrap();
    let mut gradients = [f32::NAN; 2];
    pooling.gradient(&[1.0, 2.0, 4.0], &mut gradients).unwrap();
    assert_eq!(gradients, [5.0, 2.0]);
}

/// Slot 0 has rows [first, e0, e1], slot 1 rows [first] alone; inputs are first [2] and e [2].
#[rustfmt::skip]
const TWO_CLASSES: [u32; 30] = [
    2, 3, 1, // widths
    2, 2, 2, // strides
    2, 0, 1, // classes of slots
    0, 0, 1, 0, 1, 0, 0,
    0, 0, 1, 1, 2, 1, 0,
    1, 0, 1, 0, 1, 0, 1,
];

#[test]
fn rows_of_two_classes_on_two_shards_are_found_where_they_lie() {
    let plan = PoolPlan::decode(&TWO_CLASSES).expect("a plan");
    let mut pooling = Pooling::new(plan);
    // Shard 0: one row of class 0, one of class 1; shard 1: the same.
    let groups = [0, 1, 2, 3, 4];
    let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let batch = PoolBatch { groups: &groups, inverse: &[2, 3, 0, 1], offsets: &[0, 1, 2, 3, 4] };
    let mut pooled = [f32::NAN; 8];
    pooling.pool(&batch, &rows, &mut pooled).unwrap();
    assert_eq!(pooled, [5.0, 8.0, 1.0, 4.0, 6.0, 7.0, 2.0, 3.0]);
    let mut gradients = [f32::NAN; 8];
    pooling.gradient(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], &mut gradients).unwrap();
    assert_eq!(gradients, [3.0, 7.0, 8.0, 4.0, 1.0, 5.0, 6.0, 2.0]);

    let strange = PoolBatch { inverse: &[3, 3, 0, 1], ..batch };
    assert_eq!(pooling.pool(&strange, &rows, &mut pooled), Err(PoolError::Class));
    let odd = PoolBatch { groups: &groups[..4], inverse: &[0, 1], offsets: &[0, 1, 2] };
    assert_eq!(pooling.pool(&odd, &rows, &mut pooled), Err(PoolError::Groups));
}

#[test]
fn vector_loops_equal_their_scalar_forms_to_the_bit() {
    let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 251.0 - 2.0;
    for length in 0..68 {
        for start in 0..4 {
            let from: Vec<f32> = (0..start + length).map(value).collect();
            let to: Vec<f32> = (0..start + length).map(|i| value(i + 500)).collect();
            let (mut added, mut divided) = (to.clone(), to.clone());
            add_scaled(&mut added[start..], &from[start..], 0.3);
            divide(&mut divided[start..], 0.7);
            for i in start..start + length {
                assert_eq!(added[i].to_bits(), (to[i] + from[i] * 0.3).to_bits());
                assert_eq!(divided[i].to_bits(), (to[i] / 0.7).to_bits());
            }
        }
    }
}

#[test]
fn malformed_batches_are_refused() {
    let mut pooling = one_slot(2, 0, 1);
    let mut run = |floats, groups: &[u32], inverse: &[u32], offsets: &[u32]| {
        pooling.pool(&PoolBatch { groups, inverse, offsets }, &vec![0.0; floats], &mut [0.0; 4])
    };
    assert_eq!(run(6, &[0, 3], &[0, 2], &[0, 1, 2]), Ok(()));
    assert_eq!(run(4, &[0, 3], &[0, 2], &[0, 1, 2]), Err(PoolError::Shape));
    assert_eq!(run(6, &[0, 3], &[0], &[0, 1]), Err(PoolError::Shape));
    assert_eq!(run(6, &[0, 3], &[0, 3], &[0, 1, 2]), Err(PoolError::Index));
    assert_eq!(run(6, &[0, 3], &[0, 2], &[0, 2, 1]), Err(PoolError::Offsets));
    assert_eq!(run(6, &[0, 3], &[0, 2], &[0, 1, 3]), Err(PoolError::Offsets));
    assert_eq!(run(6, &[0, 3], &[0, 2], &[]), Err(PoolError::Offsets));
    assert_eq!(run(6, &[], &[0, 2], &[0, 1, 2]), Err(PoolError::Groups));
    assert_eq!(run(6, &[1, 3], &[0, 2], &[0, 1, 2]), Err(PoolError::Groups));
    assert_eq!(run(6, &[0, 3, 2], &[0, 1], &[0, 1, 2]), Err(PoolError::Groups));
    assert_eq!(run(6, &[0, u32::MAX], &[0, 1], &[0, 1, 2]), Err(PoolError::Shape));
    // A refused batch leaves an empty one.
    assert_eq!(pooling.gradient(&[0.0; 4], &mut [0.0; 6]), Err(PoolError::Shape));
    assert_eq!(pooling.gradient(&[], &mut []), Ok(()));
}

#[test]
fn plans_that_do_not_fit_their_rows_or_leave_a_gap_are_refused() {
    let good = TWO_CLASSES;
    assert!(PoolPlan::decode(&good).is_some());
    for cut in 0..good.len() {
        assert!(PoolPlan::decode(&good[..cut]).is_none(), "cut at {cut}");
    }
    // Strides too long; class, slot, combiner, entries, column, dim, block or column there out
    // of range.
    for (word, value) in [
        (4, 3),
        (8, 2),
        (9, 2),
        (10, 5),
        (11, 0),
        (11, 2),
        (12, 3),
        (13, 0),
        (13, 4),
        (14, 2),
        (15, 1),
        (12, u32::MAX),
        (16, 1),
    ] {
        let mut words = good.to_vec();
        words[word] = value;
        assert!(PoolPlan::decode(&words).is_none(), "word {word} = {value}");
    }
}
