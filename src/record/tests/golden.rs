//! Batches and message sets made by Apache Kafka's own classes (`MemoryRecordsBuilder` of
//! kafka-clients 3.9.1).

use super::*;

/// Three records by a transactional writer, offsets from 0.
const V2: &str = "00000000000000000000005cffffffff02933696bb0010000000020000018bcfe568000000018bcfe569\
     f400000000000000070001000000090000000326000000026b066f6e65060268023102680100001400e8\
     0702010674776f001600cf0f0408676f6e650100";
/// Offsets 100 and 105, up to 109: the others were compacted away.
const V2_GAP: &str = "00000000000000640000004700000005022af7049c00000000000900000000000003e800000000000005\
     dcffffffffffffffffffffffffffff0000000214000000026b066f6e65001400e8070a010674776f00";
/// `LogAppendTime` 4242, offsets from 3.
const V2_APPEND: &str = "0000000000000003000000530000000502c02e440a00080000000200000000000003e800000000000010\
     92ffffffffffffffffffffffffffff0000000314000000026b066f6e65001400e80702010674776f0016\
     00c7010408676f6e650100";
/// Offsets 20 to 29, all compacted away.
const V2_EMPTY: &str = "0000000000000014000000310000000502021b4ab0001000000009ffffffffffffffff00000000000003\
     e8000000000000000700010000000900000000";
/// At offset 30.
const COMMIT: &str = "000000000000001e000000420000000502e6b9bca800300000000000000000000003e800000000000003\
     e800000000000000070001ffffffff000000012000000008000000010c00000000000300";
/// At offset 31.
const ABORT: &str = "000000000000001f00000042000000050212876ae000300000000000000000000003e800000000000003\
     e800000000000000070001ffffffff000000012000000008000000000c00000000000300";
/// Three messages, offsets from 0.
const V0: &str = "000000000000000000000012dcd921640000000000016b000000036f6e65000000000000000100000011\
     6732f40b0000ffffffff0000000374776f00000000000000020000001296100b91000000000004676f6e\
     65ffffffff";
/// Three messages, offsets from 0.
const V1: &str = "00000000000000000000001a3a98847c010000000000000003e8000000016b000000036f6e6500000000\
     0000000100000019f2013fe2010000000000000005dcffffffff0000000374776f000000000000000200\
     00001ae418cd2c0100000000000000038400000004676f6e65ffffffff";
/// `LogAppendTime` 4242, offsets 50 and 53.
const V1_APPEND: &str = "00000000000000320000001a85128e1f01080000000000001092000000016b000000036f6e6500000000\
     00000035000000191fa0987701080000000000001092ffffffff0000000374776f";
/// Offsets 50 and 53.
#[cfg(feature = "gzip")]
const V2_GZIP: &str = "00000000000000320000005bffffffff02bffc0c8a00010000000300000000000003e800000000000005\
     dcffffffffffffffffffffffffffff000000021f8b08000000000000ff1361606060ca66cbcf4b651061\
     78c1cec6c856529ecf0000a2ac376a16000000";
/// Three messages in one, offsets from 0.
#[cfg(feature = "gzip")]
const V0_GZIP: &str = "000000000000000200000058972b41260001ffffffff0000004a1f8b08000000000000ff63608003a13b\
     371553c02cc66c20c19c9f970a95610462c174a32fdc0c0cff81002459529e0f956402699d26c03d11cc\
     6349076a0329020007ef181f59000000";
/// Three messages in one, offsets from 0.
#[cfg(feature = "gzip")]
const V1_GZIP: &str = "0000000000000002000000681dba13b9010100000000000005dcffffffff000000521f8b080000000000\
     00ff6360800329ab192d358c500ef30b20c1980d62e5e7a542054192929f18ed1fc154b1def90f042045\
     25e5f950312690514f24ceeac08d6a01122ce94063408a017f1beb9971000000";
/// Offsets 50 and 53, absolute inside.
#[cfg(feature = "gzip")]
const V0_GZIP_50: &str = "00000000000000350000004a79bc4e1a0001ffffffff0000003c1f8b08000000000000ff636000032320\
     16ba73533105cc63cc0612ccf979a91049065320164c37fac2cdc0f01f08409225e5f90026e2a6343b00\
     0000";
/// Offsets 50 and 53, relative inside.
#[cfg(feature = "gzip")]
const V1_GZIP_50: &str = "000000000000003500000054907bdee2010100000000000005dcffffffff0000003e1f8b080000000000\
     00ff6360800329ab192d358c500ef30b20c1980d62e5e7a5c2048158f213a3fd23982ad63bff81002453\
     529e0f003762e4ed4b000000";
/// `LogAppendTime` 4242, offsets 50 and 53.
#[cfg(feature = "gzip")]
const V1_GZIP_APPEND: &str = "0000000000000035000000551d4d97bf01090000000000001092ffffffff0000003f1f8b080000000000\
     00ff63608003a956a13e79460e084760129060cc0612ccf979a95015cc402c29bf60463942d57f2000c9\
     9494e7030063ccd6134b000000";

#[test]
fn we_write_what_java_writes() {
    let records = [
        (
            Record::new("one").key("k").headers([
                Header::new("h", "1"),
                Header::null("h"),
                Header::new("", ""),
            ]),
            1_700_000_000_000,
        ),
        (Record::new("two"), 1_700_000_000_500),
        (Record::tombstone("gone"), 1_699_999_999_000),
    ];
    let producer = ProducerState { id: 7, epoch: 1, base_sequence: 9, transactional: true };
    let bytes = encode(&records).finish(Compression::none(), producer).unwrap();
    assert_eq!(bytes, hex(V2));

    let [raw] = &raw(&bytes)[..] else { panic!() };
    assert!(raw.is_transactional() && !raw.is_control());
    assert_eq!(raw.producer_id(), 7);
    let read = read(&batch(&bytes)).unwrap();
    let headers = vec![Header::new("h", "1"), Header::null("h"), Header::new("", "")];
    let (offset, timestamp, key, value, _) = text(0, 1_700_000_000_000, Some("k"), Some("one"));
    assert_eq!(read[0], (offset, timestamp, key, value, headers));
    assert_eq!(read[1], text(1, 1_700_000_000_500, None, Some("two")));
    assert_eq!(read[2], text(2, 1_699_999_999_000, Some("gone"), None));
}

#[test]
fn compaction_leaves_gaps() {
    let batch = batch(&hex(V2_GAP));
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.next_offset()), (100, 109, 110));
    assert_eq!((batch.topic(), batch.partition(), batch.leader_epoch()), ("orders", 3, Some(5)));
    let expected = [text(100, 1000, Some("k"), Some("one")), text(105, 1500, None, Some("two"))];
    assert_eq!(read(&batch).unwrap(), expected);
    for from in 0..120 {
        let messages = batch.clone().messages_from(from).map(|m| m.unwrap().offset());
        let wanted: Vec<_> = [100, 105].into_iter().filter(|offset| *offset >= from).collect();
        assert_eq!(messages.collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn the_broker_s_time_is_that_of_the_whole_batch() {
    let batch = batch(&hex(V2_APPEND));
    assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    let expected = [
        text(3, 4242, Some("k"), Some("one")),
        text(4, 4242, None, Some("two")),
        text(5, 4242, Some("gone"), None),
    ];
    assert_eq!(read(&batch).unwrap(), expected);
}

#[test]
fn empty_batches_are_legal() {
    let bytes = hex(V2_EMPTY);
    let batch = batch(&bytes);
    assert!(batch.is_empty());
    assert_eq!((batch.base_offset(), batch.next_offset()), (20, 30));
    assert_eq!(read(&batch).unwrap(), []);
}

#[test]
fn control_batches_end_transactions() {
    for (text, offset, kind) in [(COMMIT, 30, ControlKind::Commit), (ABORT, 31, ControlKind::Abort)]
    {
        let bytes = hex(text);
        let [raw] = &raw(&bytes)[..] else { panic!() };
        raw.verify().unwrap();
        assert!(raw.is_control() && raw.is_transactional());
        assert_eq!(
            (raw.producer_id(), raw.base_offset(), raw.next_offset()),
            (7, offset, offset + 1)
        );
        assert_eq!(raw.control(), Ok(kind));
    }
    // The type, behind the version, in the key of the only record.
    let other = forge(&hex(COMMIT), 61 + 8, &[5]);
    assert_eq!(raw(&other)[0].control(), Ok(ControlKind::Other));
    let compressed = forge(&hex(COMMIT), 22, &[0x31]);
    assert_eq!(raw(&compressed)[0].control(), Err(RecordError::Control));
    assert_eq!(raw(&hex(V2))[0].control(), Err(RecordError::Control));
}

#[test]
fn we_write_and_read_old_formats_as_java_does() {
    let records = [
        (Record::new("one").key("k"), 1000),
        (Record::new("two"), 1500),
        (Record::tombstone("gone"), 900),
    ];
    let v1 = encode(&records).finish_legacy(1, Compression::none()).unwrap();
    assert_eq!(v1, hex(V1));
    let batch1 = batch(&v1);
    assert_eq!(batch1.timestamp_type(), TimestampType::CreateTime);
    assert_eq!((batch1.len(), batch1.leader_epoch(), batch1.next_offset()), (3, None, 3));
    let expected = [
        text(0, 1000, Some("k"), Some("one")),
        text(1, 1500, None, Some("two")),
        text(2, 900, Some("gone"), None),
    ];
    assert_eq!(read(&batch1).unwrap(), expected);

    let v0 = encode(&records).finish_legacy(0, Compression::none()).unwrap();
    assert_eq!(v0, hex(V0));
    let batch0 = batch(&v0);
    assert_eq!(batch0.timestamp_type(), TimestampType::None);
    assert_eq!(
        read(&batch0).unwrap(),
        expected.map(|(offset, _, key, value, headers)| (offset, -1, key, value, headers))
    );
}

#[test]
fn each_old_message_has_the_broker_s_time() {
    let batch = batch(&hex(V1_APPEND));
    assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((batch.base_offset(), batch.last_offset()), (50, 53));
    let expected = [text(50, 4242, Some("k"), Some("one")), text(53, 4242, None, Some("two"))];
    assert_eq!(read(&batch).unwrap(), expected);
}

#[test]
#[cfg(feature = "gzip")]
fn compressed_batches_and_wrappers() {
    let three = |times: [i64; 3]| {
        vec![
            text(0, times[0], Some("k"), Some("one")),
            text(1, times[1], None, Some("two")),
            text(2, times[2], Some("gone"), None),
        ]
    };
    let two =
        |one, two| vec![text(50, one, Some("k"), Some("one")), text(53, two, None, Some("two"))];
    for (name, bytes, expected) in [
        ("v0", V0_GZIP, three([-1; 3])),
        ("v1", V1_GZIP, three([1000, 1500, 900])),
        ("v0 at 50", V0_GZIP_50, two(-1, -1)),
        ("v1 at 50", V1_GZIP_50, two(1000, 1500)),
        ("v1, append time", V1_GZIP_APPEND, two(4242, 4242)),
        ("v2", V2_GZIP, two(1000, 1500)),
    ] {
        let batch = batch(&hex(bytes));
        assert_eq!(batch.compression(), Compression::gzip(), "{name}");
        assert_eq!(read(&batch).unwrap(), expected, "{name}");
        assert_eq!(batch.base_offset(), expected[0].0, "{name}");
        assert_eq!(batch.len(), expected.len(), "{name}");
        assert_eq!(raw(&hex(bytes))[0].next_offset(), expected.last().unwrap().0 + 1, "{name}");
    }
}

/// One of each format.
pub(super) fn samples() -> Vec<Bytes> {
    let plain = [V2, V2_GAP, V2_APPEND, V2_EMPTY, COMMIT, V0, V1, V1_APPEND];
    #[cfg(feature = "gzip")]
    let compressed = [V2_GZIP, V0_GZIP_50, V1_GZIP_50, V1_GZIP_APPEND];
    #[cfg(not(feature = "gzip"))]
    let compressed: [&str; 0] = [];
    plain.into_iter().chain(compressed).map(hex).collect()
}
