use super::*;
use crate::row_starts::no_row;

#[test]
fn each_width_is_copied_from_the_offset_and_an_id_without_a_row_harms_no_neighbour() {
    for width in (1..=80).chain([160, 161, 400]) {
        for offset in [8, 12] {
            let stride = offset / 4 + width;
            let rows: Vec<f32> = (0..3 * stride).map(|at| at as f32).collect();
            let row = |number: usize| rows[number * stride..].as_ptr().cast::<u8>();
            let mut out = vec![-1.0; 4 * width];
            // SAFETY: three rows of this stride, and the stand-in.
            unsafe { copy_rows(&[row(2), no_row(), row(0), row(1)], offset, width, &mut out) };
            for (at, number) in [(0, 2), (2, 0), (3, 1)] {
                let expected = &rows[number * stride + offset / 4..][..width];
                assert_eq!(&out[at * width..][..width], expected, "width {width}");
            }
        }
    }
}
