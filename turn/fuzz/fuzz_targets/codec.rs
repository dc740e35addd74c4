#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| dialtone_turn::fuzz::codec(data));
