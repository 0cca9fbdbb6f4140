use super::*;

#[test]
fn every_line_of_a_row_is_read_and_nothing_behind_it() {
    let mut memory = vec![0_u64; 128];
    let address = memory.as_mut_ptr() as usize;
    for bytes in (8..=600).step_by(4) {
        for begin in (0..LINE_BYTES).step_by(4).map(|by| address.next_multiple_of(64) + by) {
            for line in begin / LINE_BYTES..=(begin + bytes - 1) / LINE_BYTES {
                let marked = (line * LINE_BYTES).max(begin)..begin + bytes;
                let marked = marked.start..marked.end.min((line + 1) * LINE_BYTES);
                // Every word read is non-zero, since the words of a line differ.
                for (at, byte) in marked.clone().enumerate() {
                    // SAFETY: the row lies inside `memory`.
                    unsafe { (byte as *mut u8).write(at as u8 + 1) };
                }
                // SAFETY: as above.
                let touched = unsafe { touch_rows(&[begin as *const u8], bytes) };
                assert_ne!(touched, 0, "{bytes} bytes at {begin}, line {line}");
                memory.fill(0);
            }
            memory.fill(u64::MAX);
            let row = begin as *mut u8;
            // SAFETY: as above.
            unsafe { row.write_bytes(0, bytes) };
            // SAFETY: as above.
            assert_eq!(unsafe { touch_rows(&[row], bytes) }, 0);
            memory.fill(0);
        }
    }
}
