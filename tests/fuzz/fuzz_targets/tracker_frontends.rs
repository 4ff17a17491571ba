#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tracker::fuzz::tracker_frontends(data));
