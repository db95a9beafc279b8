//! Hints to bring memory into the cache before it is needed.

/// Starts loading the first cache line of `value`, to be read soon. A hint: it changes nothing but time.
#[inline(always)]
pub fn read<T>(value: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect that the program can observe, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = value;
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_value_may_be_prefetched() {
        let line = [7_u64; 8];
        super::read(&line);
        super::read(&());
        assert_eq!(line, [7; 8]);
    }
}
