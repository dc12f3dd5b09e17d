//! Whatever is written is read back.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 100..300)]
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![
        1_700_000_000_000..1_700_000_100_000i64,
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX)
    ]
}

fn header() -> impl Strategy<Value = Header> {
    // Few names, so that some repeat.
    ("[ab]?", option::of(bytes())).prop_map(|(key, value)| match value {
        Some(value) => Header::new(key, value),
        None => Header::null(key),
    })
}

fn record() -> impl Strategy<Value = (Record, i64)> {
    let headers = prop_oneof![3 => Just(Vec::new()), 1 => vec(header(), 0..70)];
    (option::of(bytes()), option::of(bytes()), headers, timestamp()).prop_map(
        |(key, value, headers, timestamp)| {
            let record = Record {
                key: key.map(Bytes::from),
                value: value.map(Bytes::from),
                headers,
                ..Record::default()
            };
            (record, timestamp)
        },
    )
}

fn expected(records: &[(Record, i64)]) -> Vec<Read> {
    let read = |(offset, (record, timestamp)): (i64, &(Record, i64))| {
        let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.to_vec());
        (offset, *timestamp, bytes(&record.key), bytes(&record.value), record.headers.clone())
    };
    (0..).zip(records).map(read).collect()
}

fn codecs() -> Vec<Compression> {
    vec![
        Compression::none(),
        #[cfg(feature = "gzip")]
        Compression::gzip(),
        #[cfg(feature = "snappy")]
        Compression::snappy(),
        #[cfg(feature = "lz4")]
        Compression::lz4(),
        #[cfg(feature = "zstd")]
        Compression::zstd(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn v2(mut records in vec(record(), 1..40), codec in 0..codecs().len()) {
        let codec = codecs()[codec];
        // Enough to make any batch smaller.
        records.push((Record::new(vec![0; 4096]), 0));
        let bytes = encode(&records).finish(codec, ProducerState::NONE).unwrap();
        let batch = batch(&bytes);
        prop_assert_eq!(batch.compression(), codec);
        prop_assert_eq!(read(&batch).unwrap(), expected(&records));
        let detached: Vec<_> = batch.messages().map(|m| message(&m.unwrap().detached())).collect();
        prop_assert_eq!(detached, expected(&records));
    }

    #[test]
    fn legacy(mut records in vec(record(), 1..40), magic in 0u8..2, codec in 0..codecs().len()) {
        let codec = codecs()[codec];
        prop_assume!(codec.id() < 4);
        records.push((Record::new(vec![0; 4096]), 0));
        let records: Vec<_> = records
            .into_iter()
            .map(|(record, timestamp)| (Record { headers: Vec::new(), ..record }, timestamp))
            .collect();
        let bytes = encode(&records).finish_legacy(magic, codec).unwrap();
        let read: Vec<_> = decode(&bytes).unwrap().iter().flat_map(|b| read(b).unwrap()).collect();
        let mut expected = expected(&records);
        if magic == 0 {
            for read in &mut expected {
                read.1 = -1;
            }
        }
        prop_assert_eq!(read, expected);
    }
}

#[test]
fn what_does_not_get_smaller_stays_as_it_is() {
    let records = [(Record::new("x"), 7)];
    for codec in codecs() {
        assert_eq!(encode(&records).finish(codec, ProducerState::NONE).unwrap(), finish(&records));
        for magic in [0, 1].into_iter().filter(|_| codec.id() < 4) {
            let plain = encode(&records).finish_legacy(magic, Compression::none()).unwrap();
            assert_eq!(encode(&records).finish_legacy(magic, codec).unwrap(), plain, "{codec}");
        }
    }
}

#[test]
fn timestamps_far_apart() {
    let times = [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN];
    let records: Vec<_> = times.map(|time| (Record::new("v"), time)).into();
    assert_eq!(read(&batch(&finish(&records))).unwrap(), expected(&records));
}
