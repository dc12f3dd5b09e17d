//! Every codec, in every message format, with limits.
#![no_main]

use bytes::Bytes;
use kafkio::internals;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, u32, &[u8])| {
    let (codec, magic, limit, compressed) = input;
    let limit = limit as usize % (4 << 20);
    let compressed = Bytes::copy_from_slice(compressed);
    if let Ok(plain) = internals::decompress((codec % 5).into(), &compressed, magic % 3, limit) {
        assert!(plain.len() <= limit);
    }
});
