//! What a fetched batch may be, and what it may not.

use super::*;

const COUNT: usize = 57;
const LAST_DELTA: usize = 23;

fn two() -> Bytes {
    finish(&[(Record::new("one").key("k"), 1000), (Record::new("two").header("h", "v"), 1500)])
}

#[test]
fn a_message_is_small_and_can_go_anywhere() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    anywhere::<Message>();
    anywhere::<Batch>();
    assert!(size_of::<Message>() <= 48);
    assert!(size_of::<Option<Result<Message, RecordError>>>() <= 56);
}

#[test]
fn a_batch_that_is_cut_off_is_not_there() {
    let whole = two();
    let fetched: Bytes = [&whole[..], &whole[..]].concat().into();
    for cut in 0..whole.len() {
        let mut batches = RawBatches::new(fetched.slice(..whole.len() + cut));
        assert_eq!(batches.next().unwrap().unwrap().size(), whole.len());
        assert!(batches.next().is_none(), "cut at {cut}");
    }
    assert_eq!(raw(&fetched).len(), 2);
}

#[test]
fn offsets_and_sizes_come_from_the_header() {
    let bytes = forge(&two(), 0, &70i64.to_be_bytes());
    let bytes = forge(&bytes, LAST_DELTA, &9i32.to_be_bytes());
    let [raw] = &raw(&bytes)[..] else { panic!() };
    assert_eq!((raw.base_offset(), raw.last_offset(), raw.next_offset()), (70, 79, 80));
    assert_eq!((raw.size(), raw.producer_id(), raw.is_transactional()), (bytes.len(), -1, false));
    let batch = batch(&bytes);
    assert_eq!((batch.len(), batch.next_offset(), batch.leader_epoch()), (2, 80, None));
    assert_eq!(format!("{batch:?}"), "orders[3]@70..=79 (2 records)");
}

#[test]
fn messages_of_a_range_are_those_in_it() {
    let records: Vec<_> = (0..5).map(|n| (Record::new(n.to_string()), 1000)).collect();
    let batch = batch(&forge(&finish(&records), 0, &70i64.to_be_bytes()));
    let offsets = |range| -> Vec<_> {
        batch.clone().messages_in(range).map(|message| message.unwrap().offset()).collect()
    };
    assert_eq!(offsets(0..i64::MAX), [70, 71, 72, 73, 74]);
    assert_eq!(offsets(71..73), [71, 72]);
    assert_eq!(offsets(74..75), [74]);
    for nothing in [0..70, i64::MIN..0, 75..80, 72..72] {
        assert_eq!(offsets(nothing.clone()), [0; 0], "{nothing:?}");
    }
}

#[test]
fn debug_tells_lengths_and_no_contents() {
    let batch = batch(&two());
    let shown: Vec<_> = batch.messages().map(|message| format!("{:?}", message.unwrap())).collect();
    assert_eq!(shown[0], "orders[3]@0 (key 1 B, value 3 B, 0 headers)");
    assert_eq!(shown[1], "orders[3]@1 (no key, value 3 B, 1 headers)");
    let shown: Vec<_> = batch.records().map(|record| format!("{:?}", record.unwrap())).collect();
    assert_eq!(shown[0], "orders[3]@0 (key 1 B, value 3 B, 0 headers)");
}

#[test]
fn the_checksum_covers_all_behind_it() {
    let bytes = two();
    for place in 17..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[place] ^= 0x40;
        let raw = RawBatches::new(changed.into()).next().unwrap();
        let refused = raw.and_then(|raw| raw.verify());
        assert!(refused.is_err(), "byte {place}");
    }
}

#[test]
fn headers_of_batches_that_cannot_be() {
    for (what, place, with, error) in [
        ("magic", 16, vec![3], RecordError::Magic(3)),
        ("magic", 16, vec![0xff], RecordError::Magic(255)),
        ("length", 8, vec![0xff; 4], RecordError::Length),
        ("length", 8, vec![0; 4], RecordError::Length),
        ("length", 8, vec![0, 0, 0, 48], RecordError::Length),
        ("offset", 0, vec![0xff; 8], RecordError::Offset),
        ("offset", 0, i64::MAX.to_be_bytes().to_vec(), RecordError::Offset),
        ("offset", 0, (i64::MAX - 1).to_be_bytes().to_vec(), RecordError::Offset),
        ("delta", LAST_DELTA, vec![0xff; 4], RecordError::Offset),
        ("count", COUNT, vec![0xff; 4], RecordError::Count(-1)),
    ] {
        let mut batches = RawBatches::new(forge(&two(), place, &with));
        assert_eq!(batches.next().unwrap().unwrap_err(), error, "{what} {with:?}");
        assert!(batches.next().is_none(), "{what}");
    }
}

#[test]
fn the_count_must_be_what_is_there() {
    let bytes = two();
    for (count, good, error) in [
        (0, 0, RecordError::Trailing),
        (1, 1, RecordError::Trailing),
        (3, 2, RecordError::Truncated),
    ] {
        let batch = batch(&forge(&bytes, COUNT, &i32::to_be_bytes(count)));
        let mut messages = batch.messages();
        assert_eq!(messages.by_ref().take(good).flatten().count(), good);
        assert_eq!(messages.next().unwrap().unwrap_err(), error, "{count}");
        assert!(messages.next().is_none());
    }
    let error = decode(&forge(&bytes, COUNT, &i32::MAX.to_be_bytes())).unwrap_err();
    assert_eq!(error, RecordError::Count(i32::MAX.into()));
}

#[test]
fn no_record_is_outside_of_its_batch() {
    let batch = batch(&forge(&two(), LAST_DELTA, &0i32.to_be_bytes()));
    assert_eq!(read(&batch), Err(RecordError::Offset));
}

#[test]
fn records_that_cannot_be() {
    // length, attributes, timestamp, offset, key, value, headers
    for (record, error) in [
        (vec![14, 0, 0, 0, 1, 1, 0, 9], RecordError::Trailing),
        (vec![16, 0, 0, 0, 1, 1, 0], RecordError::Length),
        (vec![1, 0, 0, 0, 1, 1, 0], RecordError::Length),
        (vec![0, 0, 0, 0, 1, 1, 0], RecordError::Truncated),
        (vec![12, 0, 0, 1, 1, 1, 0], RecordError::Offset),
        (vec![12, 0, 0, 0, 3, 1, 0], RecordError::Length),
        (vec![12, 0, 0, 0, 8, 1, 0], RecordError::Length),
        (vec![12, 0, 0, 0, 1, 3, 0], RecordError::Length),
        (vec![12, 0, 0, 0, 1, 8, 0], RecordError::Length),
        (vec![12, 0, 0, 0, 1, 1, 1], RecordError::Length),
        (vec![12, 0, 0, 0, 1, 1, 2], RecordError::Truncated),
        (vec![16, 0, 0, 0, 1, 1, 2, 1, 1], RecordError::Length),
        (vec![16, 0, 0, 0, 1, 1, 2, 0, 8], RecordError::Length),
        (vec![18, 0, 0, 0, 1, 1, 2, 0, 1, 0], RecordError::Trailing),
        (vec![0x80; 12], RecordError::Truncated),
    ] {
        let mut bytes = finish(&[(Record::default(), 0)])[..61].to_vec();
        bytes.extend(&record);
        let length = i32::try_from(bytes.len() - 12).unwrap();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        sign(&mut bytes);
        assert_eq!(read(&batch(&bytes.into())), Err(error), "{record:?}");
    }
}

#[test]
fn a_detached_message_lets_the_frame_go() {
    let headers = [Header::new("a", "1"), Header::null("a")];
    let record = Record::new("value").key("key").headers(headers.clone());
    let frame = finish(&[(record, 1000), (Record::tombstone("t"), 1001), (Record::new(""), 1002)]);
    let batch = batch(&frame);
    let messages: Vec<_> = batch.messages().map(Result::unwrap).collect();
    drop(batch);
    assert!(!frame.is_unique());
    let detached: Vec<_> = messages.iter().map(Message::detached).collect();
    let again: Vec<_> = detached.iter().map(Message::detached).collect();
    for ((message, detached), again) in messages.iter().zip(&detached).zip(&again) {
        assert_eq!(super::message(detached), super::message(message));
        assert_eq!(super::message(again), super::message(message));
    }
    drop(messages);
    assert!(frame.is_unique());
    let first = &detached[0];
    assert_eq!((first.topic(), first.partition(), first.headers().len()), ("orders", 3, 2));
}

#[test]
fn a_message_becomes_a_record_again() {
    let record = Record::new("value").key("key").header("h", "1");
    let messages: Vec<_> = batch(&finish(&[(record.clone(), 1000), (Record::new("x"), -1)]))
        .messages()
        .map(Result::unwrap)
        .collect();
    assert_eq!(messages[0].to_record(), record.timestamp(at(1000)));
    // No timestamp: the writer will give it one.
    assert_eq!(Record::from(messages[1].clone()), Record::new("x"));
    assert_eq!(messages[0].value_bytes().as_deref(), Some(&b"value"[..]));
    assert_eq!(messages[1].key_bytes(), None);
}

#[test]
fn all_formats_in_one_fetch() {
    let records = |at| [(Record::new("a"), at), (Record::new("b"), at)];
    let mut fetched = BytesMut::new();
    for (offset, bytes) in [
        (10, encode(&records(1)).finish_legacy(0, Compression::none()).unwrap()),
        (12, encode(&records(2)).finish_legacy(1, Compression::none()).unwrap()),
        (14, finish(&records(3))),
    ] {
        let start = fetched.len();
        fetched.extend_from_slice(&bytes);
        if offset == 14 {
            fetched[start..start + 8].copy_from_slice(&i64::to_be_bytes(offset));
        } else {
            let each = bytes.len() / 2;
            for (at, offset) in [(start, offset), (start + each, offset + 1)] {
                fetched[at..at + 8].copy_from_slice(&i64::to_be_bytes(offset));
            }
        }
    }
    let batches = decode(&fetched.freeze()).unwrap();
    let read: Vec<_> = batches.iter().flat_map(|batch| read(batch).unwrap()).collect();
    let places: Vec<_> = read.iter().map(|(offset, timestamp, ..)| (*offset, *timestamp)).collect();
    assert_eq!(places, [(10, -1), (11, -1), (12, 2), (13, 2), (14, 3), (15, 3)]);
    assert_eq!(batches.len(), 3);
}

#[test]
fn an_encoder_says_what_it_will_take() {
    let mut encoder = BatchEncoder::new(BytesMut::from(&b"old contents"[..]));
    assert_eq!((encoder.len(), encoder.count()), (BatchEncoder::HEADER, 0));
    let big = vec![7u8; 20_000];
    for n in 0..10_000 {
        let record = match n % 4 {
            0 => Record::new("value"),
            1 => Record::new(big.get(..n).unwrap_or(&big).to_vec()).key("k"),
            2 => {
                Record::tombstone("t").headers([Header::null("a"), Header::new("b", vec![1; 300])])
            }
            _ => Record::default(),
        };
        let time = at((i64::try_from(n).unwrap() - 5000).pow(5));
        let before = encoder.len();
        let length = encoder.encoded_len(&record, time);
        encoder.append(&record, time);
        assert_eq!(encoder.len() - before, length);
        assert!(BatchEncoder::worst_len(&record) >= length);
    }
    assert_eq!(encoder.count(), 10_000);
}

#[test]
fn nothing_is_copied_without_compression() {
    let mut buffer = BytesMut::with_capacity(1000);
    buffer.extend_from_slice(b"x");
    let place = buffer.as_ptr();
    let mut encoder = BatchEncoder::new(buffer);
    encoder.append(&Record::new("value"), at(1));
    let bytes = encoder.finish(Compression::none(), ProducerState::NONE).unwrap();
    assert_eq!(bytes.as_ptr(), place);
}

#[test]
fn a_batch_needs_records() {
    let empty = || BatchEncoder::new(BytesMut::new());
    let none = Compression::none();
    assert_eq!(empty().finish(none, ProducerState::NONE), Err(RecordError::Empty));
    assert_eq!(empty().finish_legacy(1, none), Err(RecordError::Empty));
}
