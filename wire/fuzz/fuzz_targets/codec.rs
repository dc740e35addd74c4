#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| dialtone_wire::fuzz::codec(data));
