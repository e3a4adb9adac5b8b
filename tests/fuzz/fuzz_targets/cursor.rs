#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    pivotdb_fuzz::targets::CURSOR.feed(bytes);
});
