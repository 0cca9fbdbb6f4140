use super::*;

struct Random(u32);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

fn filled(dim: usize, count: usize, random: &mut Random) -> (Candidates, Vec<Vec<f32>>) {
    let mut candidates = Candidates::new(dim, count);
    assert!(candidates.reserve(count));
    let vectors: Vec<Vec<f32>> =
        (0..count).map(|_| (0..=dim).map(|_| random.next()).collect()).collect();
    for (index, vector) in vectors.iter().enumerate() {
        candidates.write(index, &vector[..dim], vector[dim]);
    }
    (candidates, vectors)
}

#[test]
fn the_search_finds_the_items_of_an_exact_search_up_to_the_codes_error() {
    let mut random = Random(7);
    for dim in [1, 5, 16, 33, DIM_MAX] {
        let (candidates, vectors) = filled(dim, 300, &mut random);
        let query: Vec<f32> = (0..dim).map(|_| random.next()).collect();
        let exact = |index: usize| {
            let products = vectors[index].iter().zip(&query).map(|(a, b)| a * b);
            products.sum::<f32>() + vectors[index][dim]
        };
        let (mut indices, mut scores) = (vec![0; 20], vec![0.0; 20]);
        let mask = vec![u32::MAX; 10];
        let order = Order::InnerProduct;
        assert_eq!(candidates.search(&query, &mask, order, &mut indices, &mut scores), 20);
        let bound = query.iter().map(|x| x.abs()).sum::<f32>() * (0.5 / 127.0 + 1e-4) + 1e-5;
        for (index, score) in indices.iter().zip(&scores) {
            assert!((exact(*index as usize) - score).abs() <= bound);
        }
        assert!(scores.windows(2).all(|pair| pair[0] >= pair[1]));
        let worst = scores[19];
        for index in 0..300 {
            assert!(indices.contains(&(index as u32)) || exact(index) <= worst + bound);
        }
    }
}

#[test]
fn the_simd_product_is_the_scalar_one() {
    let mut random = Random(11);
    for blocks in 1..=DIM_MAX / LANES {
        let item: Vec<i8> =
            (0..LANES * blocks).map(|_| (random.next() * 127.0).round() as i8).collect();
        let query: Vec<i16> =
            (0..LANES * blocks).map(|_| (random.next() * QUERY_MAX).round() as i16).collect();
        assert_eq!(inner_product(&item, &query), inner_product_scalar(&item, &query));
    }
    let (item, query) = (vec![-127; DIM_MAX], vec![QUERY_MAX as i16; DIM_MAX]);
    assert_eq!(inner_product(&item, &query), inner_product_scalar(&item, &query));
}

#[test]
fn the_mask_decides_which_items_are_visited() {
    let (candidates, _) = filled(8, 70, &mut Random(3));
    let (mut indices, mut scores) = (vec![0; 100], vec![0.0; 100]);
    let query = [1.0; 8];
    let mask = [1 << 4, 0, 0b11 | 1 << 31];
    let order = Order::InnerProduct;
    let found = candidates.search(&query, &mask, order, &mut indices, &mut scores);
    let mut found = indices[..found].to_vec();
    found.sort_unstable();
    assert_eq!(found, [4, 64, 65], "index 95 is past the end");
    assert_eq!(candidates.search(&query, &[], order, &mut indices, &mut scores), 0);
    let none = candidates.search(&query, &mask, order, &mut [], &mut []);
    assert_eq!(none, 0);
}

#[test]
fn a_cosine_does_not_depend_on_lengths_and_equal_scores_keep_the_order_of_indices() {
    let mut candidates = Candidates::new(2, 5);
    assert!(candidates.reserve(5));
    for (index, vector) in
        [[1.0, 0.0], [100.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, 0.0]].iter().enumerate()
    {
        candidates.write(index, vector, 9.0);
    }
    let (mut indices, mut scores) = (vec![0; 5], vec![0.0; 5]);
    let order = Order::Cosine;
    let found = candidates.search(&[0.5, 0.0], &[u32::MAX], order, &mut indices, &mut scores);
    assert_eq!((found, indices), (5, vec![0, 1, 2, 4, 3]));
    for (score, expected) in scores.iter().zip([1.0, 1.0, 0.0, 0.0, -1.0]) {
        assert!((score - expected).abs() < 1e-5);
    }
}

#[test]
fn numbers_that_are_not_finite_count_as_zero() {
    let mut candidates = Candidates::new(2, 3);
    assert!(candidates.reserve(3));
    candidates.write(0, &[f32::NAN, 1.0], f32::NAN);
    candidates.write(1, &[f32::INFINITY, f32::NEG_INFINITY], f32::INFINITY);
    candidates.write(2, &[1e-45, 0.0], 0.5);
    let (mut indices, mut scores) = (vec![0; 3], vec![0.0; 3]);
    let query = [f32::NAN, 2.0];
    let order = Order::InnerProduct;
    candidates.search(&query, &[u32::MAX], order, &mut indices, &mut scores);
    assert_eq!(indices, [0, 2, 1]);
    assert!(scores.iter().all(|score| score.is_finite()));
}
