#![no_main]
use std::time::Instant;

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    dialtone_turn::fuzz::dialogue(script, Instant::now());
});
