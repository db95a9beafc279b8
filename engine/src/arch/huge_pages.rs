//! Large tables on large pages, so that a lookup at random costs one cache miss and not a walk through page tables besides.

/// Tables from this size on are worth it: a few huge pages of 2 MiB.
#[cfg(target_os = "linux")]
const WORTHWHILE: usize = 8 << 20;
#[cfg(target_os = "linux")]
const PAGE: usize = 4096;

/// Asks the system to back `table` with huge pages where it can. A hint: it changes nothing but time, and how coarsely memory is taken
/// when it is touched. Small tables are left alone.
pub fn advise<T>(table: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        use rustix::mm::{Advice, madvise};
        let bytes = size_of_val(table);
        let skipped = table.as_ptr().cast::<u8>().align_offset(PAGE);
        if bytes < WORTHWHILE || skipped >= bytes {
            return;
        }
        let whole_pages = (bytes - skipped) / PAGE * PAGE;
        let first = table.as_mut_ptr().cast::<u8>().wrapping_add(skipped);
        // SAFETY: the range lies inside the table, and this advice never changes what memory holds. A kernel without huge pages refuses.
        let _ = unsafe { madvise(first.cast(), whole_pages, Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = table;
}

#[cfg(test)]
mod tests {
    #[test]
    fn advice_changes_no_byte_whatever_the_size() {
        for words in [0, 1, 513, 3 << 20] {
            let mut table = vec![7_u64; words];
            super::advise(&mut table);
            assert!(table.iter().all(|&word| word == 7));
        }
    }
}
