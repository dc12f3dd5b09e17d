//! The records of a fetched partition, of any message format, through every view of them.
#![no_main]

use bytes::Bytes;
use kafkio::internals;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

fuzz_target!(|fetched: &[u8]| {
    let fetched = Bytes::copy_from_slice(fetched);
    internals::inspect(fetched.clone());
    internals::verify(fetched.clone()).for_each(drop);
    for batch in internals::decode(fetched, &"topic".into(), LIMIT).map_while(Result::ok) {
        let records = batch.records().filter(Result::is_ok).count();
        let mut messages = 0;
        for message in batch.messages().map_while(Result::ok) {
            message.headers().for_each(drop);
            message.to_record();
            messages += 1;
        }
        assert_eq!(messages, records, "both views see the same");
        batch.messages_from(3).for_each(drop);
    }
});
